/**
 * Tensors of a program as pieces of device memory.
 *
 * Every persistent tensor has a piece of its own, or a part of one of the
 * long arrays of flat_update.ts. Temporaries that take each other's place
 * share one, by the same rules as the plan of the program
 * (graph/liveness.ts); where the plan put them makes no difference here, as
 * device memory is cut in another way (../loading/memory_plan.ts).
 *
 * @module
 */

import { tempBuffers } from "../../../graph/liveness.ts";
import type { AnyCall } from "../../../graph/ops.ts";
import type { PlacedTensor, Program } from "../../../graph/program.ts";
import { sizeOf, type Tensor } from "../../../graph/tensor.ts";
import type { MatrixUnit } from "../device/matrix_unit.ts";
import {
  bytesPerNumber,
  type GpuTensor,
  type Memory,
  rowOf,
  type StoredAs,
  storedLength,
  type StoredPrecision,
  type StoredType,
} from "../dispatch.ts";
import {
  FLAT_ROLES,
  type FlatRole,
  type FlatUpdate,
} from "../kernels/flat_adamw.ts";
import { chooseStorage } from "./storage.ts";

/** An update and its arrays. */
export interface PlacedUpdate extends FlatUpdate {
  readonly arrays: Record<FlatRole, GpuTensor>;
}

/** By name, tensors that are not stored as the program has them. */
export type StoredTensors = Readonly<Record<string, StoredAs>>;

/** Where every persistent tensor of a program lies, by name. */
export function persistentViews(
  program: Program,
  { updates, stored = {} }: {
    updates: readonly PlacedUpdate[];
    stored?: StoredTensors;
  },
): Map<string, GpuTensor> {
  const views = new Map<string, GpuTensor>();
  for (const { calls, starts, arrays } of updates) {
    calls.forEach((call, i) => {
      for (const role of FLAT_ROLES) {
        const { name, dtype, shape } = call.in[role];
        const { memory } = arrays[role];
        const length = sizeOf(shape), offset = 4 * starts[i];
        views.set(name, { dtype, length, memory, offset });
      }
    });
  }
  const written = writtenTensors(program);
  for (const tensor of program.persistent.values()) {
    const { name, kind } = tensor;
    if (views.has(name)) continue;
    const constant = kind === "input" && !written.has(name);
    const lifetime = constant ? "input" : "persistent";
    const as = stored[name] ?? tensor.dtype;
    const sizeBytes = storedLength(tensor.shape, as) * bytesPerNumber(as);
    views.set(
      name,
      view(tensor, { as, memory: { name, sizeBytes, lifetime } }),
    );
  }
  return views;
}

/** The arrays of an update, each a piece of memory. */
export function arraysOf(
  { calls, length }: FlatUpdate,
): PlacedUpdate["arrays"] {
  const array = (role: FlatRole): GpuTensor => ({
    dtype: "f32",
    length,
    offset: 0,
    memory: {
      name: calls[0].in[role].name,
      sizeBytes: 4 * length,
      lifetime: "persistent",
    },
  });
  return {
    param: array("param"),
    grad: array("grad"),
    m: array("m"),
    v: array("v"),
  };
}

/** Where the temporaries of a phase lie. */
export function tempViews(
  { phase, calls, precision, unit, scales }: {
    phase: string;
    calls: readonly AnyCall<PlacedTensor>[];
    precision: StoredPrecision;
    /** What products may use. */
    unit?: MatrixUnit | null;
    /** Of gradients, where they are f16. */
    scales: ReadonlyMap<PlacedTensor, number>;
  },
): Map<PlacedTensor, GpuTensor> {
  const views = new Map<PlacedTensor, GpuTensor>();
  const storage = chooseStorage(calls, precision, unit);
  const results = describeResults(calls);
  // Temporaries of the calls are those of the plan, which knows them placed.
  const storedAs = (tensor: Tensor) =>
    storage.get(tensor as PlacedTensor) ?? tensor.dtype;
  const bytesOf = (tensor: Tensor) =>
    storedLength(tensor.shape, storedAs(tensor)) *
    bytesPerNumber(storedAs(tensor));
  const isAlike = (a: Tensor, b: Tensor) => storedAs(a) === storedAs(b);
  const options = { inPlace: true, bytesOf, isAlike };
  for (const buffer of tempBuffers(calls, options)) {
    const { sizeBytes, tensors } = buffer;
    const largest = tensors.reduce((a, b) => bytesOf(b) > bytesOf(a) ? b : a);
    const name = results.get(largest as PlacedTensor) ?? largest.name;
    const memory = { name, sizeBytes, lifetime: { phase } };
    for (const tensor of tensors) {
      const placed = tensor as PlacedTensor, as = storedAs(tensor);
      const scale = as === "f16" ? scales.get(placed) : undefined;
      views.set(placed, {
        ...view(tensor, { as, memory }),
        ...scale !== undefined && { scale },
      });
    }
  }
  return views;
}

/** Temporaries have numbers for names; people are told what makes them. */
function describeResults(
  calls: readonly AnyCall<PlacedTensor>[],
): Map<PlacedTensor, string> {
  const results = new Map<PlacedTensor, string>();
  for (const { op, out } of calls) {
    for (const tensor of Object.values<PlacedTensor>(out)) {
      results.set(tensor, `${op} of ${tensor.shape.join(" x ")}`);
    }
  }
  return results;
}

/** All of a piece of memory. */
function view(
  { shape }: Pick<Tensor, "shape">,
  { as, memory }: { as: StoredType | StoredAs; memory: Memory },
): GpuTensor {
  const row = rowOf(shape, as);
  return {
    dtype: as === "filled" ? "f32" : as,
    ...{ length: storedLength(shape, as), memory, offset: 0 },
    ...row !== (shape.at(-1) ?? 1) && { row },
  };
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
