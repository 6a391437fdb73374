/**
 * Turns the calls of a program into dispatches over pieces of memory.
 *
 * Every persistent tensor has a piece of its own. Temporaries that take each
 * other's place share one, by the same rules as the plan of the program
 * (graph/liveness.ts); where the plan put them makes no difference here, as
 * device memory is cut in another way.
 *
 * @module
 */

import { sizeOf } from "../../graph/graph.ts";
import { sizeBytesOf, tempBuffers } from "../../graph/liveness.ts";
import { type AnyCall, mapCall, type OpName } from "../../graph/ops.ts";
import type { PlacedTensor, Program } from "../../graph/program.ts";
import type { Dispatch, GpuTensor, Memory } from "./dispatch.ts";
import type { Kernel, KernelContext } from "./kernel.ts";
import { webgpuKernels } from "./kernels.ts";

/** A program as dispatches. */
export interface LoweredProgram {
  /** In order of execution, by phase. */
  readonly phases: ReadonlyMap<string, readonly Dispatch[]>;
  /** Persistent tensors by name. */
  readonly persistent: ReadonlyMap<string, GpuTensor>;
}

/** Lowers all phases. */
export function lower(program: Program): LoweredProgram {
  const written = writtenTensors(program);
  const persistent = new Map<string, GpuTensor>();
  for (const tensor of program.persistent.values()) {
    const { name, kind } = tensor;
    const constant = kind === "input" && !written.has(name);
    const lifetime = constant ? "input" : "persistent";
    persistent.set(
      name,
      view(tensor, { name, sizeBytes: sizeBytesOf(tensor), lifetime }),
    );
  }
  const phases = new Map<string, readonly Dispatch[]>();
  for (const [phase, calls] of Object.entries(program.phases)) {
    const temps = tempViews(phase, calls);
    const tensorOf = (tensor: PlacedTensor) =>
      temps.get(tensor) ?? persistent.get(tensor.name)!;
    phases.set(
      phase,
      calls.flatMap((call, at) => {
        // Call and kernel are of one op, which a lookup cannot express.
        const kernel = webgpuKernels[call.op] as Kernel<OpName>;
        const context = callContext(phase, { op: call.op, at });
        return kernel(mapCall(call, tensorOf), context);
      }),
    );
  }
  return { phases, persistent };
}

function tempViews(
  phase: string,
  calls: readonly AnyCall<PlacedTensor>[],
): Map<PlacedTensor, GpuTensor> {
  const views = new Map<PlacedTensor, GpuTensor>();
  for (const buffer of tempBuffers(calls, { inPlace: true })) {
    const { sizeBytes, start, end, tensors } = buffer;
    const { name } = tensors[0];
    const memory = { name, sizeBytes, lifetime: { phase, start, end } };
    for (const tensor of tensors) {
      views.set(tensor as PlacedTensor, view(tensor, memory));
    }
  }
  return views;
}

function callContext(
  phase: string,
  { op, at }: { op: OpName; at: number },
): KernelContext {
  const scratch = (dtype: "f32" | "u32", length: number): GpuTensor => ({
    dtype,
    length,
    memory: {
      name: `scratch of ${op}`,
      sizeBytes: 4 * length,
      lifetime: { phase, start: at, end: at },
    },
  });
  return {
    scratch: (length) => scratch("f32", length),
    scratchU32: (length) => scratch("u32", length),
    table: (content) => ({
      dtype: "f32",
      length: content.length,
      memory: {
        name: `table of ${op}`,
        sizeBytes: content.byteLength,
        lifetime: "input",
        content,
      },
    }),
  };
}

function view(
  { dtype, shape }: Pick<PlacedTensor, "dtype" | "shape">,
  memory: Memory,
): GpuTensor {
  return { dtype, length: sizeOf(shape), memory };
}

/** Names of the persistent tensors that a call writes. */
function writtenTensors({ phases }: Program): Set<string> {
  const written = new Set<string>();
  for (const calls of Object.values(phases)) {
    for (const call of calls) {
      for (const { kind, name } of Object.values<PlacedTensor>(call.out)) {
        if (kind !== "temp") written.add(name);
      }
    }
  }
  return written;
}
