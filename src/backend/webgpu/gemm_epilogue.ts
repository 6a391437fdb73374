/**
 * What becomes of the results of a product before they reach memory: the
 * element-wise op that would read them next, done while they are in registers.
 *
 * @module
 */

import type { Call } from "../../graph/ops.ts";
import type { GpuTensor } from "./dispatch.ts";
import { geluOf } from "./gelu.ts";
import { dropoutFunctions } from "./philox.ts";

/** Ops that a product can end with. */
export type EpilogueOp = "gelu" | "geluBackward" | "dropout";

/** One of these on tensors. */
export type EpilogueCall<T> = { [K in EpilogueOp]: Call<K, T> }[EpilogueOp];

/** Stores results, four at a time. */
export interface Epilogue {
  /** Read and written where the results are, as vectors. */
  readonly read: Record<string, GpuTensor | undefined>;
  readonly write: Record<string, GpuTensor | undefined>;
  /** Read as a whole. */
  readonly whole: Record<string, GpuTensor | undefined>;
  /** Declarations for the module. @param names Variables of the tensors. */
  readonly declare: (names: Record<string, string>) => string;
  /** Statements that store `v`, the results of vector `at`. */
  readonly store: (names: Record<string, string>) => string;
}

/**
 * The op on a product's results.
 *
 * @param options.kept The results themselves, where others read them too.
 */
export function epilogueOf(
  call: EpilogueCall<GpuTensor>,
  { kept }: { kept?: GpuTensor },
): Epilogue {
  const write = { kept, result: call.out.out };
  switch (call.op) {
    case "gelu": {
      const { functions, value } = geluOf(call.attrs.tanh);
      return {
        read: {},
        write,
        whole: {},
        declare: () => `alias V = vec4<f32>;${functions}`,
        store: ({ kept: before, result }) => `
      let x = v;
      ${kept ? `${before}[at] = x;` : ""}
      ${result}[at] = ${value};`,
      };
    }
    case "geluBackward": {
      const { functions, slope } = geluOf(call.attrs.tanh);
      return {
        read: { before: call.in.x },
        write,
        whole: {},
        declare: () => `alias V = vec4<f32>;${functions}`,
        store: ({ before, result }) => `
      let x = ${before}[at];
      ${slope}
      ${result}[at] = v * slope;`,
      };
    }
    case "dropout": {
      const { in: { rng, addTo }, attrs: { p, site } } = call;
      return {
        read: { residual: addTo },
        write,
        whole: { rng },
        declare: ({ rng }) => dropoutFunctions({ p, site, rng }),
        store: ({ residual, result }) => `
      ${result}[at] = ${addTo ? `${residual}[at] + ` : ""}v * dropout4(at);`,
      };
    }
  }
}
