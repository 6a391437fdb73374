/**
 * How each call is laid out in the words that the kernels read.
 *
 * One table for both sides: `encode.ts` writes a record per call in this
 * order, and scripts/build_kernels.ts turns the table into the classes of
 * kernels/calls.ts, through which the kernels read it. Numbers that are better
 * computed once in double precision (`1 - beta1`, a dropout threshold) have a
 * field of their own.
 *
 * @module
 */

import type { OpName } from "../../graph/ops.ts";

/** What a field holds; every field is one 32-bit word. */
export type FieldType = "pointer" | "u32" | "i32" | "f32" | "table";

/** The settings of a call by name; all are numbers. */
export type CallAttrs = Readonly<Record<string, number>>;

/** One field of a record. */
export interface Field {
  readonly name: string;
  /** `pointer` 0 means absent; `table` points at numbers behind the record. */
  readonly type: FieldType;
  /** For numbers: the value. */
  readonly value?: (attrs: CallAttrs) => number;
  /** For tables: the f64 numbers. */
  readonly table?: (attrs: CallAttrs) => number[];
}

/** Tensors by name, outputs or inputs; an output that is an input is one. */
function tensors(names: string): Field[] {
  return names.split(" ").map((name) => ({ name, type: "pointer" }));
}

/** Whole numbers, straight from the settings. */
function ints(names: string): Field[] {
  return names.split(" ").map((name) => ({
    name,
    type: "i32",
    value: (attrs) => attrs[name],
  }));
}

/** A number in single precision: a setting, or computed in double. */
function float(
  name: string,
  value: (attrs: CallAttrs) => number = (attrs) => attrs[name],
): Field {
  return { name, type: "f32", value };
}

/** Numbers are kept when their random word is at least this. */
const threshold: Field = {
  name: "threshold",
  type: "u32",
  value: ({ p }) => Math.floor(p * 2 ** 32),
};

/** What dropout multiplies the kept numbers by. */
const keepScale = float("keepScale", (a) => 1 / (1 - a.p));

const ATTENTION_SETTINGS = [
  ...ints("B T H Hkv D site"),
  threshold,
  keepScale,
  float("scale", (a) => 1 / Math.sqrt(a.D)),
];

/** The fields of every op's record, after its opcode and size. */
export const CALL_LAYOUT: Record<OpName, readonly Field[]> = {
  fill: [...tensors("out"), ...ints("n"), float("value")],
  add: [...tensors("out a b"), ...ints("n")],
  scale: [...tensors("out x"), ...ints("n"), float("factor")],
  embedding: [...tensors("out table ids addTo"), ...ints("rows V C")],
  embeddingBackward: [...tensors("out dOut ids addTo"), ...ints("rows V C")],
  matmul: [...tensors("out a b bias addTo"), ...ints("M N K transA transB")],
  sumRows: [...tensors("out x addTo"), ...ints("rows C")],
  layerNorm: [
    ...tensors("out mean rstd x weight bias"),
    ...ints("rows C"),
    float("eps"),
  ],
  layerNormBackward: [
    ...tensors("out dOut x weight mean rstd addTo"),
    ...ints("rows C"),
  ],
  rmsNorm: [
    ...tensors("out rstd x weight"),
    ...ints("rows C"),
    float("eps"),
  ],
  rmsNormBackward: [
    ...tensors("out dOut x weight rstd addTo"),
    ...ints("rows C"),
  ],
  normWeightBackward: [
    ...tensors("out dOut x mean rstd addTo"),
    ...ints("rows C"),
  ],
  rope: [
    ...tensors("out x positions"),
    ...ints("rows width nRotated D inverse"),
    {
      name: "frequencies",
      type: "table",
      table: ({ D, theta }) =>
        Array.from({ length: D / 2 }, (_, i) => theta ** (-2 * i / D)),
    },
  ],
  attention: [...tensors("out lse qkv rng"), ...ATTENTION_SETTINGS],
  attentionBackward: [
    ...tensors("dQkv dOut qkv out lse rng"),
    ...ATTENTION_SETTINGS,
  ],
  attentionCached: [
    ...tensors("out kCache vCache qkv position"),
    ...ints("T S H Hkv D"),
    float("scale", (a) => 1 / Math.sqrt(a.D)),
  ],
  sample: [
    ...tensors("id drawn used logits settings choice"),
    ...ints("V"),
  ],
  gelu: [...tensors("out x"), ...ints("n tanh")],
  geluBackward: [...tensors("out dOut x"), ...ints("n tanh")],
  swiglu: [...tensors("out x"), ...ints("rows F")],
  swigluBackward: [...tensors("out dOut x"), ...ints("rows F")],
  dropout: [
    ...tensors("out x rng addTo"),
    ...ints("n site"),
    threshold,
    keepScale,
  ],
  crossEntropy: [...tensors("rowLoss lse logits targets"), ...ints("rows V")],
  crossEntropyBackward: [
    ...tensors("out dRowLoss logits targets lse"),
    ...ints("rows V"),
  ],
  meanLoss: [
    ...tensors("loss rowLoss targets addTo"),
    ...ints("rows"),
    float("scale"),
  ],
  meanLossBackward: [
    ...tensors("out dLoss targets"),
    ...ints("rows"),
    float("scale"),
  ],
  sumSquares: [...tensors("out partials x addTo"), ...ints("n")],
  clipScale: [
    ...tensors("gradNorm scale sumSquares"),
    float("maxNorm"),
  ],
  recordStep: tensors("log hyper loss gradNorm scale slot schedule"),
  adamw: [
    ...tensors("param m v grad scale hyper"),
    ...ints("n"),
    float("beta1"),
    float("oneMinusBeta1", (a) => 1 - a.beta1),
    float("beta2"),
    float("oneMinusBeta2", (a) => 1 - a.beta2),
    float("eps"),
    float("weightDecay"),
  ],
};

/** Op names in order of their opcodes. */
export const OP_NAMES = Object.keys(CALL_LAYOUT) as OpName[];

/** Words before the fields: the opcode, and the record's size in bytes. */
export const HEADER_WORDS = 2;
