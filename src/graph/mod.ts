/**
 * The face of the graph layer: record ops, differentiate, plan memory. What
 * comes out is a step program, which a backend compiles and runs.
 *
 * @module
 */

export {
  type GradientOptions,
  gradients,
  type GradientTarget,
} from "./gradients.ts";
export { Graph } from "./graph.ts";
export { plan } from "./plan.ts";
export type { Program } from "./program.ts";
export type { Tensor } from "./tensor.ts";
