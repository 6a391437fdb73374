/**
 * Dispatches, ready to be recorded.
 *
 * @module
 */

/** One dispatch; made once, when a program is loaded. */
export interface Step {
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly workgroups: readonly [number, number, number];
}

/** Passes that are submitted at once, each of some dispatches. */
export type Submission = readonly (readonly Step[])[];
