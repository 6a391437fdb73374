/**
 * Dispatches with all that the device needs to run them, and how they are
 * recorded.
 *
 * @module
 */

/** One dispatch; made once, when a program is loaded. */
export interface PreparedDispatch {
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly workgroups: readonly [number, number, number];
}

/** Passes that are submitted at once, each of some dispatches. */
export type Submission = readonly (readonly PreparedDispatch[])[];

/** Records some dispatches into one pass. */
export function recordPass(
  encoder: GPUCommandEncoder,
  dispatches: readonly PreparedDispatch[],
  descriptor: GPUComputePassDescriptor = {},
): void {
  const pass = encoder.beginComputePass(descriptor);
  let last: GPUComputePipeline | null = null;
  for (const { pipeline, bindGroup, workgroups: [x, y, z] } of dispatches) {
    if (pipeline !== last) pass.setPipeline(last = pipeline);
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(x, y, z);
  }
  pass.end();
}
