/**
 * The face of the graph layer: record ops, differentiate, plan memory. What
 * comes out is a step program, which a backend compiles and runs.
 *
 * @example The sum of two vectors, on the CPU
 * ```ts
 * import { openBackend } from "../../mod.ts";
 * import { Graph, plan } from "./mod.ts";
 *
 * const graph = new Graph();
 * const [a, b] = ["a", "b"].map((name) => graph.input(name, [3], "f32"));
 * graph.add(a, b, { out: graph.output("sum", [3]) });
 *
 * const { backend } = await openBackend({ device: "cpu" });
 * const executable = await backend.compile(plan({ add: graph }));
 * executable.write("a", Float32Array.of(1, 2, 3));
 * executable.write("b", Float32Array.of(10, 20, 30));
 * await executable.run("add");
 * console.log(await executable.read("sum")); // 11, 22, 33
 * await executable.dispose();
 * await backend.dispose();
 * ```
 *
 * @module
 */

export { CallRecorder, type Into } from "./call_recorder.ts";
export {
  type GradientOptions,
  gradients,
  type GradientTarget,
} from "./gradients.ts";
export { type DropoutOptions, Graph } from "./graph.ts";
export type { AnyCall, AttentionAttrs, Bit, Call, OpName, Ops } from "./ops.ts";
export { plan } from "./plan.ts";
export type { PlacedTensor, Placement, Program } from "./program.ts";
export type { Recompute } from "./recompute.ts";
export type { DType, Tensor, TensorKind } from "./tensor.ts";
