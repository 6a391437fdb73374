/**
 * One dispatch, ready to be recorded.
 *
 * @module
 */

/** Made once, when a program is loaded. */
export interface Step {
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly workgroups: readonly [number, number, number];
}
