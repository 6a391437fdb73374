/**
 * Turns the calls of a program into dispatches over pieces of memory.
 *
 * Some calls become one: neighbours that have a kernel together (fusion.ts),
 * and all updates, or sums, of a phase (flat_update.ts). Which piece of memory
 * a tensor is, views.ts says. The order of dispatches is schedule.ts's.
 *
 * @module
 */

import {
  type AnyCall,
  type AttentionAttrs,
  mapCall,
  type OpName,
  SUM_CHUNK,
} from "../../../graph/ops.ts";
import type { PlacedTensor, Program } from "../../../graph/program.ts";
import type { AttentionChoice } from "../attention/attention_tile.ts";
import type { MatrixUnit } from "../device/matrix_unit.ts";
import type { Dispatch, GpuTensor, StoredPrecision } from "../dispatch.ts";
import type { GemmShape, GemmVariant } from "../gemm/gemm_variant.ts";
import type { Kernel, KernelContext } from "../kernel.ts";
import { webgpuKernels } from "../kernels.ts";
import {
  MOST_KEPT_BYTES,
  TIMES_FOR_ONE_HEAD,
} from "../kernels/attention_backward.ts";
import { flatAdamw } from "../kernels/flat_adamw.ts";
import { FactorCopies, findFactorUses } from "./factor_copies.ts";
import {
  findFlatUpdates,
  findSumChains,
  type SumChain,
} from "./flat_update.ts";
import { findFused, type Fused } from "./fusion.ts";
import { findGradients, gradientScale } from "./gradients.ts";
import { lowerFused } from "./lower_fused.ts";
import { schedule } from "./schedule.ts";
import {
  arraysOf,
  persistentViews,
  type PlacedUpdate,
  type StoredTensors,
  tempViews,
} from "./views.ts";

/** A program as dispatches. */
export interface LoweredProgram {
  /** In order of execution, by phase. */
  readonly phases: ReadonlyMap<string, readonly Dispatch[]>;
  /** Persistent tensors by name. */
  readonly persistent: ReadonlyMap<string, GpuTensor>;
}

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
  const { precision, unit } = choices;
  const scale = precision === "fp16" ? gradientScale(calls) : 1;
  const gradients = findGradients(calls);
  const temps = tempViews({
    ...{ phase, calls, precision, unit },
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
  const groups = findGroups(calls, { fused, updates });
  const dispatches = calls.flatMap((call) => {
    if (groups.absorbed.has(call)) return [];
    const context = callContext({
      ...{ phase, op: call.op, choices, factorScale, copies },
    });
    return copies.around(lowerCall(call, { groups, viewOf, context }));
  });
  return choices.overlap ?? true ? schedule(dispatches) : dispatches;
}

/** Calls that are one, by the one in whose place all are computed. */
interface Groups {
  /** By the first. */
  readonly fused: ReadonlyMap<AnyCall<PlacedTensor>, Fused>;
  /** By the last. */
  readonly updates: ReadonlyMap<AnyCall<PlacedTensor>, PlacedUpdate>;
  /** By the last. */
  readonly chains: ReadonlyMap<AnyCall<PlacedTensor>, SumChain>;
  /** The others of each. */
  readonly absorbed: ReadonlySet<AnyCall<PlacedTensor>>;
}

function findGroups(
  calls: readonly AnyCall<PlacedTensor>[],
  { fused, updates }: {
    fused: readonly Fused[];
    updates: readonly PlacedUpdate[];
  },
): Groups {
  const chains = findSumChains(calls);
  const absorbed = [
    ...fused.flatMap(({ at, count }) => calls.slice(at + 1, at + count)),
    ...updates.flatMap((update) => update.calls.slice(0, -1)),
    ...chains.values().flatMap((chain) => chain.slice(0, -1)),
  ];
  return {
    fused: new Map(fused.map((one) => [calls[one.at], one])),
    updates: new Map(updates.map((one) => [one.calls.at(-1)!, one])),
    chains,
    absorbed: new Set(absorbed),
  };
}

/** Dispatches of a call, and of those that are one with it. */
function lowerCall(
  call: AnyCall<PlacedTensor>,
  { groups, viewOf, context }: {
    groups: Groups;
    viewOf: (tensor: PlacedTensor) => GpuTensor;
    context: KernelContext;
  },
): Dispatch[] {
  const fused = groups.fused.get(call);
  if (fused) return lowerFused(fused, { viewOf, context });
  const update = groups.updates.get(call);
  if (update) {
    const { scale, hyper } = update.calls[0].in;
    const arrays = {
      ...update.arrays,
      scale: viewOf(scale),
      hyper: viewOf(hyper),
    };
    return [flatAdamw(update, arrays, context)];
  }
  const chain = groups.chains.get(call);
  if (chain) {
    const updates = [...groups.updates.values()];
    return sumAll(chain, { updates, viewOf, context });
  }
  // Call and kernel are of one op, which a lookup cannot express.
  const kernel = webgpuKernels[call.op] as Kernel<OpName>;
  return kernel(mapCall(call, viewOf), context);
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
  const { fuse, mostKeptBytes = MOST_KEPT_BYTES, maxBindingBytes } = choices;
  const kept = (times: number) =>
    fuse ? Math.min(times * mostKeptBytes, maxBindingBytes) : 0;
  return {
    attention: (op, attrs) => choices.attention({ op, attrs }, phase),
    mostKeptBytes: kept(1),
    mostHeadBytes: kept(TIMES_FOR_ONE_HEAD),
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
