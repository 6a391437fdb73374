/**
 * Draws of a token: each setting alone and all together, over few and many
 * ids, among them equals, ids beyond the vocabulary, and what is no number.
 * Large vocabularies go other ways on a GPU, by a short list of ids or by all.
 *
 * @module
 */

import { PhiloxStream } from "../../src/base/philox.ts";
import { f32, normal, opCase, u32 } from "./_op_inputs.ts";
import type { OpCase, OpInput } from "./_run_op_case.ts";

/** Temperature, topP, penalty, topK. */
const SETTINGS: readonly (readonly [number, number, number, number])[] = [
  [0, 1, 1, 0],
  [0, 1, 1.5, 3],
  [1, 1, 1, 0],
  [0.7, 1, 1, 5],
  [1.5, 0.9, 1, 0],
  [1, 0.5, 1.3, 40],
  [1e-6, 0.3, 1, 0],
  [2, 0.999, 0.8, 200],
];
/** Of large vocabularies: those that few ids are enough for, and others. */
const LARGE_SETTINGS: typeof SETTINGS = [
  [0, 1, 1.5, 3],
  [1, 1, 1, 0],
  [0.8, 1, 1, 200],
  [0.4, 0.9, 1, 0],
  [2, 0.95, 1.2, 0],
  [1, 0.9, 1.3, 40],
  [1, 1, 1, 1500],
  [1.5, 0.97, 1, 900],
];
const ROWS = 4;

/** Cases for all executors; part of the table in _op_cases.ts. */
export const sampleCases: readonly OpCase[] = [
  ...[[5, 5], [1009, 1003]].flatMap(([V, n]) =>
    [normal(V, [1, V], { scale: 2 }), fewValues(V)].flatMap((logits, ties) =>
      SETTINGS.map((settings, i) =>
        sampleCase(`V=${V} ${ties ? "equals " : ""}${settings}`, {
          logits,
          settings,
          n,
          draw: 7 * i + V + ties,
        })
      )
    )
  ),
  ...[[3001, 2990], [70_001, 70_000]].flatMap(([V, n]) =>
    LARGE_SETTINGS.map((settings, i) =>
      sampleCase(`V=${V} ${settings}`, {
        logits: normal(V, [1, V], { scale: 2 }),
        settings,
        n,
        draw: 5 * i + V,
      })
    )
  ),
  ...LARGE_SETTINGS.map((settings, i) =>
    sampleCase(`V=3001 equals ${settings}`, {
      logits: fewValues(3001),
      settings,
      n: 2499,
      draw: i,
    })
  ),
  ...[0, 1, 2, 3, 4, 5].map((draw) =>
    sampleCase(`V=3001 draw ${draw}`, {
      logits: normal(3, [1, 3001]),
      settings: [1, 1, 1, draw % 2 * 50],
      n: 3001,
      draw,
    })
  ),
  sampleCase("V=3001 of NaN", {
    logits: { shape: [1, 3001], data: withNaN(3001) },
    settings: [1, 1, 1, 50],
    n: 3001,
    draw: 0,
  }),
  // Over all ids, the number that is drawn decides.
  ...[0, 1, 2, 3, 4, 1001, 1002, 1003].map((draw) =>
    sampleCase(`draw ${draw}`, {
      logits: normal(3, [1, 1009]),
      settings: [1, 1, 1, 0],
      n: 1009,
      draw,
    })
  ),
  ...[NaN, Infinity, -Infinity].map((value) =>
    sampleCase(`of ${value}`, {
      logits: f32([1, 5], 1, 2, value, 3, 4),
      settings: [1, 1, 1, 0],
      n: 5,
      draw: 0,
    })
  ),
];

function sampleCase(
  title: string,
  { logits, settings: [temperature, topP, penalty, topK], n, draw }: {
    logits: OpInput;
    settings: readonly [number, number, number, number];
    n: number;
    draw: number;
  },
): OpCase {
  const V = logits.shape[1];
  const words = Math.ceil(V / 32);
  const used = Uint32Array.from({ length: words }, (_, i) => 0x88421109 + i);
  return opCase("sample", title, {
    in: {
      logits,
      settings: f32([3], temperature, topP, penalty),
      choice: u32(0x89abcdef, 0x1234, draw, draw % ROWS, topK, n),
      used: { shape: [words], data: used },
      drawn: u32(9, 9, 9, 9),
    },
    out: { id: [1], drawn: [ROWS], used: [words] },
    attrs: { V, rows: ROWS },
    tolerance: 0,
    reason: "an id; none of these draws is within 1e-6 of another",
  });
}

function withNaN(V: number): Float32Array {
  const data = Float32Array.from({ length: V }, (_, i) => i % 7);
  data[V - 2] = NaN;
  return data;
}

/** Many are equal, also across threads and at every bound. */
function fewValues(V: number): OpInput {
  const stream = new PhiloxStream(5, 97, V);
  return {
    shape: [1, V],
    data: Float32Array.from({ length: V }, () => stream.below(4) - 1.5),
  };
}
