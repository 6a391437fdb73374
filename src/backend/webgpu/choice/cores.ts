/**
 * The device that counts of workgroups are made for, as WebGPU tells nobody
 * how many cores there are.
 *
 * @module
 */

/** Cores of NVIDIA's H100 and H200, which call them multiprocessors. */
export const CORES = 132;
