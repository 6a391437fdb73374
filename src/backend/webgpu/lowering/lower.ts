/**
 * Turns the calls of a program into dispatches over pieces of memory.
 *
 * Every persistent tensor has a piece of its own, or a part of one of the
 * long arrays of flat_update.ts. Temporaries that take each other's place
 * share one, by the same rules as the plan of the program
 * (graph/liveness.ts); where the plan put them makes no difference here, as
 * device memory is cut in another way.
 *
 * @module
 */

import { tempBuffers } from "../../../graph/liveness.ts";
import {
  type AnyCall,
  type AttentionAttrs,
  mapCall,
  type OpName,
  SUM_CHUNK,
} from "../../../graph/ops.ts";
import type { PlacedTensor, Program } from "../../../graph/program.ts";
import { sizeOf, type Tensor } from "../../../graph/tensor.ts";
import type { AttentionChoice } from "../attention/attention_tile.ts";
import type { MatrixUnit } from "../device/matrix_unit.ts";
import {
  bytesPerNumber,
  type Dispatch,
  type GpuTensor,
  type Memory,
  rowOf,
  type StoredAs,
  storedLength,
  type StoredPrecision,
  type StoredType,
} from "../dispatch.ts";
import type { GemmShape, GemmVariant } from "../gemm/gemm_variant.ts";
import type { Kernel, KernelContext } from "../kernel.ts";
import { webgpuKernels } from "../kernels.ts";
import { MOST_KEPT_BYTES } from "../kernels/attention_backward.ts";
import { flatAdamw } from "../kernels/flat_adamw.ts";
import { FactorCopies, findFactorUses } from "./factor_copies.ts";
import {
  findFlatUpdates,
  findSumChains,
  FLAT_ROLES,
  type FlatRole,
  type FlatUpdate,
  type SumChain,
} from "./flat_update.ts";
import { findFused } from "./fusion.ts";
import { findGradients, gradientScale } from "./gradients.ts";
import { lowerFused } from "./lower_fused.ts";
import { schedule } from "./schedule.ts";
import { chooseStorage } from "./storage.ts";

/** A program as dispatches. */
export interface LoweredProgram {
  /** In order of execution, by phase. */
  readonly phases: ReadonlyMap<string, readonly Dispatch[]>;
  /** Persistent tensors by name. */
  readonly persistent: ReadonlyMap<string, GpuTensor>;
}

/** An update and its arrays. */
interface PlacedUpdate extends FlatUpdate {
  readonly arrays: Record<FlatRole, GpuTensor>;
}

/** By name, tensors that are not stored as the program has them. */
export type StoredTensors = Readonly<Record<string, StoredAs>>;

/** How a product of many rows is computed: a pure function. */
export type ChooseGemm = (shape: GemmShape, phase: string) => GemmVariant;

/** How attention or its gradient is computed: a pure function. */
export type ChooseAttention = (
  call: { op: "attention" | "attentionBackward"; attrs: AttentionAttrs },
  phase: string,
) => AttentionChoice;

/** What shaders are generated for. */
export interface LowerOptions {
  /** The largest piece of memory that a shader can be given. */
  readonly maxBindingBytes: number;
  /** How many of them at once. */
  readonly maxBindings: number;
  /** Workgroup memory; absent is what every WebGPU device has. */
  readonly workgroupBytes?: number;
  readonly gemmVariant: ChooseGemm;
  readonly attention: ChooseAttention;
  /** Most that a gradient of attention keeps; see {@linkcode MOST_KEPT_BYTES}. */
  readonly mostKeptBytes?: number;
  /** Whether shaders may use u64. */
  readonly hasU64?: boolean;
  /** Whether a CPU computes; absent is for a card. */
  readonly isSoftware?: boolean;
  /** How activations are stored. */
  readonly precision: StoredPrecision;
  /** What products may use; gradients in fp16 are stored as it takes them. */
  readonly unit?: MatrixUnit | null;
  /**
   * Persistent tensors that are stored in another way, by name. For timing:
   * they are written and read with what fills up rows, and those of two bytes
   * a number as words of two.
   */
  readonly stored?: StoredTensors;
  /**
   * Whether neighbouring calls become one kernel where they can, and gradients
   * keep what saves computing it again. False is for comparisons.
   */
  readonly fuse: boolean;
  /**
   * Whether dispatches that do not need each other stand side by side, which
   * is so if absent. False is for comparisons.
   */
  readonly overlap?: boolean;
  /**
   * Whether factors that products on matrix units read often are rounded once,
   * which is so if absent. False is for comparisons.
   */
  readonly copyFactors?: boolean;
}

/** The least that `maxComputeWorkgroupStorageSize` may be. */
const WORKGROUP_BYTES = 16384;

/** Lowers all phases. */
export function lower(
  program: Program,
  choices: LowerOptions,
): LoweredProgram {
  const updates = findFlatUpdates(program, {
    maxBytes: choices.maxBindingBytes,
  })
    .map((update): PlacedUpdate => ({ ...update, arrays: arraysOf(update) }));
  const persistent = persistentViews(program, {
    updates,
    stored: choices.stored,
  });
  const phases = new Map<string, readonly Dispatch[]>();
  for (const [phase, calls] of Object.entries(program.phases)) {
    phases.set(
      phase,
      lowerPhase({ phase, calls, updates, persistent, choices }),
    );
  }
  return { phases, persistent };
}

function lowerPhase(
  { phase, calls, updates, persistent, choices }: {
    phase: string;
    calls: readonly AnyCall<PlacedTensor>[];
    updates: readonly PlacedUpdate[];
    persistent: ReadonlyMap<string, GpuTensor>;
    choices: LowerOptions;
  },
): Dispatch[] {
  const fused = choices.fuse ? findFused(calls) : [];
  const { precision } = choices;
  const scale = precision === "fp16" ? gradientScale(calls) : 1;
  const gradients = findGradients(calls);
  const temps = tempViews({
    ...{ phase, calls, choices },
    scales: new Map([...gradients].map((tensor) => [tensor, scale])),
  });
  const viewOf = (tensor: PlacedTensor) =>
    temps.get(tensor) ?? persistent.get(tensor.name)!;
  const scaled = new Set([...gradients].map(viewOf));
  const factorScale = (factor: GpuTensor) => scaled.has(factor) ? scale : 1;
  const uses = choices.copyFactors ?? true
    ? findFactorUses(calls, {
      ...{ fused, viewOf, factorScale },
      gemmVariant: (shape) => choices.gemmVariant(shape, phase),
    })
    : [];
  const copies = new FactorCopies(phase, uses);
  const chains = findSumChains(calls);
  // Calls that are part of a larger one, which stands where its last call is.
  const absorbed = new Set<AnyCall<PlacedTensor>>();
  for (const chain of chains.values()) {
    for (const call of chain.slice(0, -1)) absorbed.add(call);
  }
  const updateOf = new Map<AnyCall<PlacedTensor>, PlacedUpdate>();
  for (const update of updates) {
    for (const call of update.calls.slice(0, -1)) absorbed.add(call);
    updateOf.set(update.calls.at(-1)!, update);
  }
  const fusedAt = new Map(fused.map((one) => [one.at, one]));
  const lowerCall = (call: AnyCall<PlacedTensor>, at: number): Dispatch[] => {
    const { op } = call;
    const context = callContext({
      ...{ phase, op, choices, factorScale, copies },
    });
    const one = fusedAt.get(at);
    if (one) {
      for (const part of calls.slice(at, at + one.count)) absorbed.add(part);
      return lowerFused(one, { viewOf, context });
    }
    const update = updateOf.get(call);
    if (update) {
      const { scale, hyper } = update.calls[0].in;
      const arrays = {
        ...update.arrays,
        scale: viewOf(scale),
        hyper: viewOf(hyper),
      };
      return [flatAdamw(update, arrays, context)];
    }
    const chain = chains.get(call);
    if (chain) return sumAll(chain, { updates, viewOf, context });
    // Call and kernel are of one op, which a lookup cannot express.
    const kernel = webgpuKernels[call.op] as Kernel<OpName>;
    return kernel(mapCall(call, viewOf), context);
  };
  const dispatches = calls.flatMap((call, at) =>
    absorbed.has(call) ? [] : copies.around(lowerCall(call, at))
  );
  return choices.overlap ?? true ? schedule(dispatches) : dispatches;
}

/** A chain of sums: the arrays that it covers as a whole, then the others. */
function sumAll(
  chain: SumChain,
  { updates, viewOf, context }: {
    updates: readonly PlacedUpdate[];
    viewOf: (tensor: PlacedTensor) => GpuTensor;
    context: KernelContext;
  },
): Dispatch[] {
  const left = new Set(chain.map((call) => call.in.x));
  const summands: GpuTensor[] = [];
  for (const { calls, arrays } of updates) {
    const grads = calls.map((call) => call.in.grad);
    if (!grads.every((grad) => left.has(grad))) continue;
    for (const grad of grads) left.delete(grad);
    summands.push(arrays.grad);
  }
  summands.push(...[...left].map(viewOf));
  const out = viewOf(chain.at(-1)!.out.out);
  const { addTo } = chain[0].in;
  return summands.flatMap((x, i) => {
    const before = i > 0 ? out : addTo && viewOf(addTo);
    const n = x.length;
    return webgpuKernels.sumSquares({
      op: "sumSquares",
      in: { x, addTo: before },
      out: { out, partials: context.scratch(Math.ceil(n / SUM_CHUNK)) },
      attrs: { n },
    }, context);
  });
}

function persistentViews(
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

function arraysOf({ calls, length }: FlatUpdate): PlacedUpdate["arrays"] {
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

function tempViews(
  { phase, calls, choices: { precision, unit }, scales }: {
    phase: string;
    calls: readonly AnyCall<PlacedTensor>[];
    choices: LowerOptions;
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

function callContext(
  { phase, op, choices, factorScale, copies }: {
    phase: string;
    op: OpName;
    choices: LowerOptions;
    factorScale: KernelContext["factorScale"];
    copies: FactorCopies;
  },
): KernelContext {
  const scratch = (dtype: "f32" | "u32", length: number): GpuTensor => ({
    dtype,
    length,
    offset: 0,
    memory: {
      name: `scratch of ${op}`,
      sizeBytes: 4 * length,
      lifetime: { phase },
    },
  });
  return {
    attention: (op, attrs) => choices.attention({ op, attrs }, phase),
    mostKeptBytes: choices.fuse
      ? Math.min(
        choices.mostKeptBytes ?? MOST_KEPT_BYTES,
        choices.maxBindingBytes,
      )
      : 0,
    mostBindings: choices.maxBindings,
    workgroupBytes: choices.workgroupBytes ?? WORKGROUP_BYTES,
    hasU64: choices.hasU64 ?? false,
    isSoftware: choices.isSoftware ?? false,
    gemmVariant: (shape) => choices.gemmVariant(shape, phase),
    factorScale,
    copyOf: (factor, scalar) => copies.of(factor, scalar),
    copyBeside: (result) => copies.beside(result),
    scratch: (length) => scratch("f32", length),
    scratchU32: (length) => scratch("u32", length),
    table: (content) => ({
      dtype: "f32",
      length: content.length,
      offset: 0,
      memory: {
        name: `table of ${op}`,
        sizeBytes: content.byteLength,
        lifetime: "input",
        content,
      },
    }),
  };
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
