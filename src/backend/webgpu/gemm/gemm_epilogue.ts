/**
 * What becomes of the results of a product before they reach memory: the
 * element-wise op that would read them next, done while they are in registers.
 *
 * @module
 */

import type { Call } from "../../../graph/ops.ts";
import type { GpuTensor } from "../dispatch.ts";
import { geluOf } from "../gelu.ts";
import type { KernelContext } from "../kernel.ts";
import { dropoutFunctions, siteTable } from "../philox.ts";
import { sigmoid, SWIGLU_SLOPES } from "../sigmoid.ts";

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
  /**
   * WGSL: `finish(at, v)`, which stores vector `at` of the results.
   *
   * @param names Variables of the tensors.
   */
  readonly declare: (names: Record<string, string>) => string;
}

/**
 * The op on a product's results.
 *
 * @param options.kept The results themselves, where others read them too.
 */
export function epilogueOf(
  call: EpilogueCall<GpuTensor>,
  { kept, context }: { kept?: GpuTensor; context: KernelContext },
): Epilogue {
  const write = { kept, result: call.out.out };
  const finish = (body: string) => `
fn finish(at: u32, v: vec4<f32>) {
  ${body}
}
`;
  switch (call.op) {
    case "gelu": {
      const { functions, value } = geluOf(call.attrs.tanh);
      return {
        read: {},
        write,
        whole: {},
        declare: (names) => `
alias V = vec4<f32>;
${functions}${
          finish(`
  let x = v;
  ${kept ? `${names.kept}[at] = x;` : ""}
  ${names.result}[at] = ${value};`)
        }`,
      };
    }
    case "geluBackward": {
      const { functions, slope } = geluOf(call.attrs.tanh);
      return {
        read: { before: call.in.x },
        write,
        whole: {},
        declare: (names) => `
alias V = vec4<f32>;
${functions}${
          finish(`
  let x = ${names.before}[at];
  ${slope}
  ${names.result}[at] = v * slope;`)
        }`,
      };
    }
    case "swigluBackward": {
      const quarter = call.attrs.F / 4;
      return {
        read: { before: call.in.x },
        write,
        whole: {},
        declare: (names) =>
          sigmoid(4) + finish(`
  let atGate = at / ${quarter}u * ${2 * quarter}u + at % ${quarter}u;
  let atUp = atGate + ${quarter}u;
  let gate = ${names.before}[atGate];
  let up = ${names.before}[atUp];
  let dy = v;
  ${SWIGLU_SLOPES}
  ${names.result}[atGate] = toGate;
  ${names.result}[atUp] = toUp;`),
      };
    }
    case "dropout": {
      const { in: { rng, addTo }, attrs } = call;
      const { p } = attrs;
      return {
        read: { residual: addTo },
        write,
        whole: { rng, site: siteTable(attrs, context) },
        declare: (names) =>
          dropoutFunctions({ p, site: names.site, rng: names.rng }, context) +
          finish(`
  ${names.result}[at] = ${
            addTo ? `${names.residual}[at] + ` : ""
          }v * dropout4(at);`),
      };
    }
  }
}
