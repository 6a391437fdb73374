/**
 * The records of calls. Made by scripts/build_kernels.ts; not to be edited.
 *
 * @module
 */

/** What every record starts with. */
@unmanaged
export class AnyCall {
  opcode: u32;
  bytes: u32;
}

/** Opcodes. */
export const enum Op {
  fill,
  add,
  scale,
  embedding,
  embeddingBackward,
  matmul,
  sumRows,
  layerNorm,
  layerNormBackward,
  rmsNorm,
  rmsNormBackward,
  normWeightBackward,
  rope,
  attention,
  attentionBackward,
  attentionCached,
  sample,
  gelu,
  geluBackward,
  swiglu,
  swigluBackward,
  dropout,
  crossEntropy,
  crossEntropyBackward,
  meanLoss,
  meanLossBackward,
  sumSquares,
  clipScale,
  recordStep,
  adamw,
}

@unmanaged
export class FillCall extends AnyCall {
  out: usize;
  n: i32;
  value: f32;
}

@unmanaged
export class AddCall extends AnyCall {
  out: usize;
  a: usize;
  b: usize;
  n: i32;
}

@unmanaged
export class ScaleCall extends AnyCall {
  out: usize;
  x: usize;
  n: i32;
  factor: f32;
}

@unmanaged
export class EmbeddingCall extends AnyCall {
  out: usize;
  table: usize;
  ids: usize;
  addTo: usize;
  rows: i32;
  V: i32;
  C: i32;
}

@unmanaged
export class EmbeddingBackwardCall extends AnyCall {
  out: usize;
  dOut: usize;
  ids: usize;
  addTo: usize;
  rows: i32;
  V: i32;
  C: i32;
}

@unmanaged
export class MatmulCall extends AnyCall {
  out: usize;
  a: usize;
  b: usize;
  bias: usize;
  addTo: usize;
  M: i32;
  N: i32;
  K: i32;
  transA: i32;
  transB: i32;
}

@unmanaged
export class SumRowsCall extends AnyCall {
  out: usize;
  x: usize;
  addTo: usize;
  rows: i32;
  C: i32;
}

@unmanaged
export class LayerNormCall extends AnyCall {
  out: usize;
  mean: usize;
  rstd: usize;
  x: usize;
  weight: usize;
  bias: usize;
  rows: i32;
  C: i32;
  eps: f32;
}

@unmanaged
export class LayerNormBackwardCall extends AnyCall {
  out: usize;
  dOut: usize;
  x: usize;
  weight: usize;
  mean: usize;
  rstd: usize;
  addTo: usize;
  rows: i32;
  C: i32;
}

@unmanaged
export class RmsNormCall extends AnyCall {
  out: usize;
  rstd: usize;
  x: usize;
  weight: usize;
  rows: i32;
  C: i32;
  eps: f32;
}

@unmanaged
export class RmsNormBackwardCall extends AnyCall {
  out: usize;
  dOut: usize;
  x: usize;
  weight: usize;
  rstd: usize;
  addTo: usize;
  rows: i32;
  C: i32;
}

@unmanaged
export class NormWeightBackwardCall extends AnyCall {
  out: usize;
  dOut: usize;
  x: usize;
  mean: usize;
  rstd: usize;
  addTo: usize;
  rows: i32;
  C: i32;
}

@unmanaged
export class RopeCall extends AnyCall {
  out: usize;
  x: usize;
  positions: usize;
  rows: i32;
  width: i32;
  nRotated: i32;
  D: i32;
  inverse: i32;
  frequencies: usize;
}

@unmanaged
export class AttentionCall extends AnyCall {
  out: usize;
  lse: usize;
  qkv: usize;
  rng: usize;
  B: i32;
  T: i32;
  H: i32;
  Hkv: i32;
  D: i32;
  site: i32;
  threshold: u32;
  keepScale: f32;
  scale: f32;
}

@unmanaged
export class AttentionBackwardCall extends AnyCall {
  dQkv: usize;
  dOut: usize;
  qkv: usize;
  out: usize;
  lse: usize;
  rng: usize;
  B: i32;
  T: i32;
  H: i32;
  Hkv: i32;
  D: i32;
  site: i32;
  threshold: u32;
  keepScale: f32;
  scale: f32;
}

@unmanaged
export class AttentionCachedCall extends AnyCall {
  out: usize;
  kCache: usize;
  vCache: usize;
  qkv: usize;
  position: usize;
  T: i32;
  S: i32;
  H: i32;
  Hkv: i32;
  D: i32;
  scale: f32;
}

@unmanaged
export class SampleCall extends AnyCall {
  id: usize;
  drawn: usize;
  used: usize;
  logits: usize;
  settings: usize;
  choice: usize;
  V: i32;
}

@unmanaged
export class GeluCall extends AnyCall {
  out: usize;
  x: usize;
  n: i32;
  tanh: i32;
}

@unmanaged
export class GeluBackwardCall extends AnyCall {
  out: usize;
  dOut: usize;
  x: usize;
  n: i32;
  tanh: i32;
}

@unmanaged
export class SwigluCall extends AnyCall {
  out: usize;
  x: usize;
  rows: i32;
  F: i32;
}

@unmanaged
export class SwigluBackwardCall extends AnyCall {
  out: usize;
  dOut: usize;
  x: usize;
  rows: i32;
  F: i32;
}

@unmanaged
export class DropoutCall extends AnyCall {
  out: usize;
  x: usize;
  rng: usize;
  addTo: usize;
  n: i32;
  site: i32;
  threshold: u32;
  keepScale: f32;
}

@unmanaged
export class CrossEntropyCall extends AnyCall {
  rowLoss: usize;
  lse: usize;
  logits: usize;
  targets: usize;
  rows: i32;
  V: i32;
}

@unmanaged
export class CrossEntropyBackwardCall extends AnyCall {
  out: usize;
  dRowLoss: usize;
  logits: usize;
  targets: usize;
  lse: usize;
  rows: i32;
  V: i32;
}

@unmanaged
export class MeanLossCall extends AnyCall {
  loss: usize;
  rowLoss: usize;
  targets: usize;
  addTo: usize;
  rows: i32;
  scale: f32;
}

@unmanaged
export class MeanLossBackwardCall extends AnyCall {
  out: usize;
  dLoss: usize;
  targets: usize;
  rows: i32;
  scale: f32;
}

@unmanaged
export class SumSquaresCall extends AnyCall {
  out: usize;
  partials: usize;
  x: usize;
  addTo: usize;
  n: i32;
}

@unmanaged
export class ClipScaleCall extends AnyCall {
  gradNorm: usize;
  scale: usize;
  sumSquares: usize;
  maxNorm: f32;
}

@unmanaged
export class RecordStepCall extends AnyCall {
  log: usize;
  hyper: usize;
  loss: usize;
  gradNorm: usize;
  scale: usize;
  slot: usize;
  schedule: usize;
}

@unmanaged
export class AdamwCall extends AnyCall {
  param: usize;
  m: usize;
  v: usize;
  grad: usize;
  scale: usize;
  hyper: usize;
  n: i32;
  beta1: f32;
  oneMinusBeta1: f32;
  beta2: f32;
  oneMinusBeta2: f32;
  eps: f32;
  weightDecay: f32;
}
