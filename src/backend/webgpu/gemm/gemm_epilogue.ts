/**
 * What becomes of the results of a product before they reach memory: the
 * element-wise op that would read them next, done while they are in registers.
 *
 * @module
 */

import type { Call } from "../../../graph/ops.ts";
import type { GpuTensor } from "../dispatch.ts";
import type { KernelContext } from "../kernel.ts";
import { geluOf } from "../shader/gelu.ts";
import {
  dropoutFunctions,
  rngWords,
  siteNumber,
  siteTable,
} from "../shader/philox.ts";
import { sigmoid, SWIGLU_SLOPES } from "../shader/sigmoid.ts";
import { storedVectors } from "../shader/two_byte_access.ts";

/** Ops that a product can end with. */
export type EpilogueOp =
  | "gelu"
  | "geluBackward"
  | "swigluBackward"
  | "dropout";

/** One of these on tensors. */
export type EpilogueCall<T> = { [K in EpilogueOp]: Call<K, T> }[EpilogueOp];

/** Stores results, four at a time. */
export interface Epilogue {
  /** Read and written where the results are, as vectors. */
  readonly read: Record<string, GpuTensor | undefined>;
  readonly write: Record<string, GpuTensor | undefined>;
  /** Read as a whole. */
  readonly whole: Record<string, GpuTensor | undefined>;
  /** The parts of WGSL. @param names Variables of the tensors. */
  readonly code: (names: Record<string, string>) => EpilogueCode;
}

/** How one is written, around the sums. */
export interface EpilogueCode {
  /**
   * Declares `finish(at, v, …inputs, …settings)`, which stores vector `at` of
   * the results.
   */
  readonly declarations: string;
  /** What it reads for each vector, which may be done ahead. */
  readonly inputs: readonly Read[];
  /** WGSL of what it reads that is the same for all. */
  readonly settings: readonly string[];
}

/** A read of one vector. */
export interface Read {
  readonly type: string;
  /** WGSL; `at` is the vector of the results. */
  readonly read: (at: string) => string;
}

/**
 * WGSL that calls `finish` for vector `at` of the results.
 *
 * @param given Variables of what was read before; else it is read there.
 */
export function finishAt(
  { inputs, settings }: EpilogueCode,
  { at, v }: { at: string; v: string },
  given?: { inputs: readonly string[]; settings: readonly string[] },
): string {
  const args = [
    ...given?.inputs ?? inputs.map(({ read }) => read(at)),
    ...given?.settings ?? settings,
  ];
  return `finish(${[at, v, ...args].join(", ")});`;
}

/** The results themselves, where others read them too, and what ops ask for. */
interface EndingContext {
  readonly kept?: GpuTensor;
  readonly context: KernelContext;
}

/** The op on a product's results. */
export function epilogueOf(
  call: EpilogueCall<GpuTensor>,
  options: EndingContext,
): Epilogue {
  switch (call.op) {
    case "gelu":
      return gelu(call, options);
    case "geluBackward":
      return geluBackward(call, options);
    case "swigluBackward":
      return swigluBackward(call, options);
    case "dropout":
      return dropout(call, options);
  }
}

/** WGSL of `finish`, which {@linkcode finishAt} calls. */
function finish(body: string, parameters: readonly string[] = []): string {
  return `
fn finish(${["at: u32", "v: vec4<f32>", ...parameters].join(", ")}) {
  ${body}
}
`;
}

function gelu(
  { attrs, out: { out } }: Call<"gelu", GpuTensor>,
  { kept }: EndingContext,
): Epilogue {
  const { functions, value } = geluOf(attrs.tanh);
  return {
    read: {},
    write: { kept, result: out },
    whole: {},
    code: (names) => ({
      inputs: [],
      settings: [],
      declarations: `
alias V = vec4<f32>;
${functions}${
        finish(`
  let x = v;
  ${kept ? `${names.kept}[at] = x;` : ""}
  ${names.result}[at] = ${value};`)
      }`,
    }),
  };
}

function geluBackward(
  { in: { x }, attrs, out: { out } }: Call<"geluBackward", GpuTensor>,
  { kept }: EndingContext,
): Epilogue {
  const { functions, slope } = geluOf(attrs.tanh);
  return {
    read: { before: x },
    write: { kept, result: out },
    whole: {},
    code: (names) => {
      const before = storedVectors(x, names.before);
      const body = `
  let x = ${before.numbers("stored")};
  ${slope}
  ${names.result}[at] = v * slope;`;
      return {
        inputs: [before],
        settings: [],
        declarations: `
alias V = vec4<f32>;
${functions}${finish(body, [`stored: ${before.type}`])}`,
      };
    },
  };
}

function swigluBackward(
  { in: { x }, attrs: { F }, out: { out } }: Call<"swigluBackward", GpuTensor>,
  { kept }: EndingContext,
): Epilogue {
  const quarter = F / 4;
  return {
    read: { before: x },
    write: { kept, result: out },
    whole: {},
    code: (names) => {
      const { type, read, numbers } = storedVectors(x, names.before);
      const body = `
  let atGate = gateOf(at);
  let gate = ${numbers("storedGate")};
  let up = ${numbers("storedUp")};
  let dy = v;
  ${SWIGLU_SLOPES}
  ${names.result}[atGate] = toGate;
  ${names.result}[atGate + ${quarter}u] = toUp;`;
      return {
        inputs: [
          { type, read: (at) => read(`gateOf(${at})`) },
          { type, read: (at) => read(`gateOf(${at}) + ${quarter}u`) },
        ],
        settings: [],
        declarations: `${sigmoid(4)}
fn gateOf(at: u32) -> u32 {
  return at / ${quarter}u * ${2 * quarter}u + at % ${quarter}u;
}
${finish(body, [`storedGate: ${type}`, `storedUp: ${type}`])}`,
      };
    },
  };
}

function dropout(
  { in: { rng, addTo }, attrs, out: { out } }: Call<"dropout", GpuTensor>,
  { kept, context }: EndingContext,
): Epilogue {
  const { p } = attrs;
  return {
    read: { residual: addTo },
    write: { kept, result: out },
    whole: { rng, site: siteTable(attrs, context) },
    code: (names) => {
      const residual = addTo && storedVectors(addTo, names.residual);
      const added = residual ? `${residual.numbers("stored")} + ` : "";
      const body = `
  ${names.result}[at] = ${added}v * dropoutBy(at, rngWords, siteNumber);`;
      const parameters = [
        ...residual ? [`stored: ${residual.type}`] : [],
        "rngWords: vec4<u32>",
        "siteNumber: u32",
      ];
      const dropped = { p, site: names.site, rng: names.rng };
      return {
        inputs: residual ? [residual] : [],
        settings: [rngWords(names.rng), siteNumber(names.site)],
        declarations: dropoutFunctions(dropped, context) +
          finish(body, parameters),
      };
    },
  };
}
