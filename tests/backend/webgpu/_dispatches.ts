/** Dispatches by hand, of no shader. */

import type {
  Dispatch,
  GpuTensor,
  Memory,
} from "../../../src/backend/webgpu/dispatch.ts";

/** All of a piece of memory of its own. */
export function tensor(
  name: string,
  lifetime: Memory["lifetime"],
  length = 64,
): GpuTensor {
  const memory = { name, sizeBytes: 4 * length, lifetime };
  return { dtype: "f32", length, offset: 0, memory };
}

/** Lives from its first dispatch in the phase to its last. */
export function temp(name: string, length = 64): GpuTensor {
  return tensor(name, { phase: "p" }, length);
}

/** Some numbers of a tensor. */
export function part(
  { dtype, memory }: GpuTensor,
  { from, length }: { from: number; length: number },
): GpuTensor {
  return { dtype, memory, offset: 4 * from, length };
}

/** What is written is read as well. */
export function dispatch(
  reads: readonly GpuTensor[],
  writes: readonly GpuTensor[],
  label = "test",
): Dispatch {
  const binding = (written: boolean) => (tensor: GpuTensor) => ({
    name: tensor.memory.name,
    type: "f32",
    tensor,
    written,
  });
  return {
    label,
    code: "",
    workgroups: [1, 1, 1],
    bindings: [...reads.map(binding(false)), ...writes.map(binding(true))],
  };
}
