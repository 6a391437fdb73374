/**
 * The closed list of ops: what each reads, writes and is told.
 *
 * Everything Hearth runs is made of these. An executor (`backend/*`) has one
 * kernel per op; `gradients.ts` has one backward rule per differentiable op.
 * Shape letters are those of the design: B batch, T time, C channels, H heads,
 * D head size, V vocabulary; `rows` is B * T, K, M and N are matrix sizes.
 *
 * Conventions:
 * - All tensors are row-major f32, except where `u32` is said.
 * - `addTo` is added to the result: `out = addTo + op(...)`. The plan lets
 *   `out` take the place of `addTo` when nobody reads `addTo` later, so a
 *   kernel must read each element of `addTo` before it writes that element.
 *   The same holds for the inputs named in {@linkcode IN_PLACE}.
 * - `rng` is u32 (4): seed low, seed high, micro-step low, micro-step high.
 *
 * @module
 */

/** Inputs, outputs and settings of every op; `T` stands for a tensor. */
export interface Ops<T> {
  /** `out = value` everywhere. */
  fill: {
    in: Record<never, T>;
    out: { out: T };
    attrs: { n: number; value: number };
  };

  /** `out = a + b`; n elements. */
  add: { in: { a: T; b: T }; out: { out: T }; attrs: { n: number } };

  /** `out = factor * x`; n elements. */
  scale: {
    in: { x: T };
    out: { out: T };
    attrs: { n: number; factor: number };
  };

  /** Row lookup: `out[r] = table[ids[r]]`. table (V, C), ids u32 (rows). */
  embedding: {
    in: { table: T; ids: T; addTo?: T };
    out: { out: T };
    attrs: { rows: number; V: number; C: number };
  };
  /**
   * Gradient of the table (V, C): `out[ids[r]] += dOut[r]`, rows in ascending
   * order so that the sum has one fixed order.
   */
  embeddingBackward: {
    in: { dOut: T; ids: T; addTo?: T };
    out: { out: T };
    attrs: { rows: number; V: number; C: number };
  };

  /**
   * `out = op(a) op(b) + bias`, shape (M, N), inner size K. `op(a)` is (M, K):
   * `a` itself, or the transpose of `a` (K, M) when `transA` is 1; likewise
   * `op(b)` (K, N) from `b` or from (N, K). bias (N).
   */
  matmul: {
    in: { a: T; b: T; bias?: T; addTo?: T };
    out: { out: T };
    attrs: { M: number; N: number; K: number; transA: Bit; transB: Bit };
  };
  /** Column sums, `out[c] = sum_r x[r, c]`: the gradient of a bias. */
  sumRows: {
    in: { x: T; addTo?: T };
    out: { out: T };
    attrs: { rows: number; C: number };
  };

  /**
   * Layer normalization, Ba et al. 2016. weight, bias (C); mean, rstd (rows)
   * are kept for the backward pass; rstd = 1 / sqrt(variance + eps).
   */
  layerNorm: {
    in: { x: T; weight: T; bias?: T };
    out: { out: T; mean: T; rstd: T };
    attrs: { rows: number; C: number; eps: number };
  };
  /** Gradient of {@linkcode Ops.layerNorm} by x, (rows, C). */
  layerNormBackward: {
    in: { dOut: T; x: T; weight: T; mean: T; rstd: T; addTo?: T };
    out: { out: T };
    attrs: { rows: number; C: number };
  };
  /** RMSNorm, Zhang & Sennrich 2019: `x * weight * rstd`; rstd (rows). */
  rmsNorm: {
    in: { x: T; weight: T };
    out: { out: T; rstd: T };
    attrs: { rows: number; C: number; eps: number };
  };
  /** Gradient of {@linkcode Ops.rmsNorm} by x, (rows, C). */
  rmsNormBackward: {
    in: { dOut: T; x: T; weight: T; rstd: T; addTo?: T };
    out: { out: T };
    attrs: { rows: number; C: number };
  };
  /**
   * Gradient of a norm's weight (C): `sum_r dOut * (x - mean) * rstd`, with
   * mean taken as 0 when absent (RMSNorm).
   */
  normWeightBackward: {
    in: { dOut: T; x: T; mean?: T; rstd: T; addTo?: T };
    out: { out: T };
    attrs: { rows: number; C: number };
  };

  /**
   * Rotary positions, Su et al. 2021, in the half-split layout of Llama
   * checkpoints: element i < D/2 of a head pairs with element i + D/2, angle
   * `positions[r] * theta^(-2i/D)`. The first `nRotated * D` columns of x
   * (rows, width) are rotated, the others are copied. `inverse` rotates back,
   * which is the gradient. positions u32 (rows).
   */
  rope: {
    in: { x: T; positions: T };
    out: { out: T };
    attrs: {
      rows: number;
      width: number;
      nRotated: number;
      D: number;
      theta: number;
      inverse: Bit;
    };
  };

  /**
   * Causal softmax attention over packed rows [q: H*D | k: Hkv*D | v: Hkv*D].
   * Query head h reads key head floor(h * Hkv / H). Scores are scaled by
   * 1/sqrt(D). out (B*T, H*D); lse (B, H, T) is the log-sum-exp of each row of
   * scores, kept for the backward pass, which computes the scores anew.
   * Dropout on the probabilities: see {@linkcode Ops.dropout}, element index
   * `((b*H + h)*T + i)*T + j`.
   */
  attention: {
    in: { qkv: T; rng?: T };
    out: { out: T; lse: T };
    attrs: AttentionAttrs;
  };
  /** Gradient by the packed rows; out and lse are those of the forward op. */
  attentionBackward: {
    in: { dOut: T; qkv: T; out: T; lse: T; rng?: T };
    out: { dQkv: T };
    attrs: AttentionAttrs;
  };
  /**
   * Attention of T new rows of one sequence, the first at `position[0]` (u32),
   * over a cache: writes the new keys and values to kCache and vCache
   * (S, Hkv*D) and attends to everything up to itself. Generation only.
   */
  attentionCached: {
    in: { qkv: T; kCache: T; vCache: T; position: T };
    out: { out: T; kCache: T; vCache: T };
    attrs: { T: number; S: number; H: number; Hkv: number; D: number };
  };

  /**
   * Draws the next token by logits (1, V), one of the first `n` ids, and notes
   * it: `id` u32 (1), row `slot` of `drawn` u32 (rows), and its bit in `used`
   * u32 (ceil(V / 32)), the set of ids to penalize. Generation only.
   *
   * `settings` f32 (3): temperature, topP, penalty. `choice` u32 (6): seed low,
   * seed high, number of the draw, slot, topK, n. In this order: the penalty
   * divides positive and multiplies negative logits of ids in `used`;
   * temperature divides, 0 taking the first of the largest at once; topK keeps
   * that many of the largest (0: all), topP the fewest, likeliest first, whose
   * probabilities reach it. Of equals the lower id comes first. In the order of
   * ids, the first is taken whose probabilities so far exceed the draw's number
   * of the Philox stream `STREAM.sampling`. Where a logit is not finite, row
   * `slot` becomes {@linkcode NO_TOKEN}, id 0 and `used` stays.
   */
  sample: {
    in: { logits: T; settings: T; choice: T; used: T; drawn: T };
    out: { id: T; drawn: T; used: T };
    attrs: { V: number; rows: number };
  };

  /** GELU: exact with erf, or by tanh when `tanh` is 1. n elements. */
  gelu: { in: { x: T }; out: { out: T }; attrs: { n: number; tanh: Bit } };
  /** Gradient by x: `dOut * gelu'(x)`. */
  geluBackward: {
    in: { dOut: T; x: T };
    out: { out: T };
    attrs: { n: number; tanh: Bit };
  };
  /** SwiGLU of packed rows [gate: F | up: F]: `silu(gate) * up`, (rows, F). */
  swiglu: {
    in: { x: T };
    out: { out: T };
    attrs: { rows: number; F: number };
  };
  /** Gradient by the packed rows, (rows, 2F). */
  swigluBackward: {
    in: { dOut: T; x: T };
    out: { out: T };
    attrs: { rows: number; F: number };
  };

  /**
   * Inverted dropout: `out = addTo + x * keep / (1 - p)`. Element i is kept
   * when word i%4 of philox([i/4, site, micro-step low, micro-step high],
   * seed), as a u32, is at least `p * 2^32` (rounded down). Its own backward.
   */
  dropout: {
    in: { x: T; rng: T; addTo?: T };
    out: { out: T };
    attrs: { n: number; p: number; site: number };
  };

  /**
   * Cross entropy per row in nats: `rowLoss = lse - logits[target]`, with
   * lse (rows) kept for the backward pass. targets u32 (rows); a target of
   * {@linkcode IGNORED_TARGET} gives 0. logits (rows, V).
   */
  crossEntropy: {
    in: { logits: T; targets: T };
    out: { rowLoss: T; lse: T };
    attrs: { rows: number; V: number };
  };
  /** `out = dRowLoss[r] * (softmax(logits[r]) - onehot(target))`, (rows, V). */
  crossEntropyBackward: {
    in: { dRowLoss: T; logits: T; targets: T; lse: T };
    out: { out: T };
    attrs: { rows: number; V: number };
  };
  /** `loss = addTo + scale * mean of rowLoss over the rows not ignored`. */
  meanLoss: {
    in: { rowLoss: T; targets: T; addTo?: T };
    out: { loss: T };
    attrs: { rows: number; scale: number };
  };
  /** `out[r] = dLoss[0] * scale / count`, or 0 where the target is ignored. */
  meanLossBackward: {
    in: { dLoss: T; targets: T };
    out: { out: T };
    attrs: { rows: number; scale: number };
  };

  /**
   * `out[0] = addTo[0] + sum x^2`, by chunks of {@linkcode SUM_CHUNK} whose
   * sums go to `partials` (ceil(n / SUM_CHUNK)) and are added in order.
   */
  sumSquares: {
    in: { x: T; addTo?: T };
    out: { out: T; partials: T };
    attrs: { n: number };
  };
  /**
   * From a sum of squares: gradNorm = sqrt(sumSquares), and the factor for
   * the gradients, `min(1, maxNorm / (gradNorm + 1e-6))`; maxNorm 0 means no
   * clipping. A norm that is not finite gives scale 0: skip this step.
   */
  clipScale: {
    in: { sumSquares: T };
    out: { gradNorm: T; scale: T };
    attrs: { maxNorm: number };
  };
  /**
   * The end of a step, for a host that looks at the device only now and then:
   * row `slot[0]` (u32) of `log` (rows, 4) becomes
   * [loss, gradNorm, scale, updates], where `updates` counts the rows so far
   * whose scale is not 0; and `hyper` (3) becomes what `adamw` needs, by a
   * `schedule` (rows, 3): lr from the step's row, and both corrections from
   * the row of this update, which is the number of updates before it.
   */
  recordStep: {
    in: { loss: T; gradNorm: T; scale: T; slot: T; schedule: T; log: T };
    out: { log: T; hyper: T };
    attrs: { rows: number };
  };
  /**
   * AdamW, Loshchilov & Hutter 2019, one parameter, in place. `hyper` f32 (3):
   * lr, 1 - beta1^t, 1 - beta2^t. Does nothing when scale[0] is 0.
   *
   *     g = grad * scale;  m = beta1 m + (1-beta1) g;  v = beta2 v + (1-beta2) g^2
   *     param -= lr * weightDecay * param
   *     param -= lr * (m / hyper[1]) / (sqrt(v / hyper[2]) + eps)
   */
  adamw: {
    in: { param: T; grad: T; m: T; v: T; scale: T; hyper: T };
    out: { param: T; m: T; v: T };
    attrs: {
      n: number;
      beta1: number;
      beta2: number;
      eps: number;
      weightDecay: number;
    };
  };
}

/** A flag that kernels read as a number. */
export type Bit = 0 | 1;

/** Settings of {@linkcode Ops.attention}; p and site as in dropout. */
export interface AttentionAttrs {
  /** Sequences. */
  B: number;
  /** Tokens of each. */
  T: number;
  /** Query heads. */
  H: number;
  /** Heads of keys and values; a divisor of H. */
  Hkv: number;
  /** Channels of a head. */
  D: number;
  /** Probability of dropping an attention weight; 0 is no dropout. */
  p: number;
  /** Which dropout of the model this is. */
  site: number;
}

/** The name of an op. */
export type OpName = keyof Ops<unknown>;

/** One use of op `K` on things of type `T`: tensors, or arrays of numbers. */
export interface Call<K extends OpName, T> {
  /** Which op. */
  readonly op: K;
  /** What it reads, by the names of {@linkcode Ops}. */
  readonly in: Ops<T>[K]["in"];
  /** What it writes, likewise; in place where a thing is in both. */
  readonly out: Ops<T>[K]["out"];
  /** Sizes and settings: fixed when the call is recorded. */
  readonly attrs: Ops<T>[K]["attrs"];
}

/** One use of any op. */
export type AnyCall<T> = { [K in OpName]: Call<K, T> }[OpName];

/** The same call on other tensors. */
export function mapCall<A, B>(
  call: AnyCall<A>,
  map: (tensor: A) => B,
): AnyCall<B> {
  const mapAll = (tensors: Record<string, A>) =>
    Object.fromEntries(
      Object.entries(tensors).map(([name, tensor]) => [name, map(tensor)]),
    );
  // Keys are kept, so the mapped call is of the same op.
  return {
    op: call.op,
    in: mapAll(call.in),
    out: mapAll(call.out),
    attrs: call.attrs,
  } as unknown as AnyCall<B>;
}

/** A target that no loss is taken for (padding of the last batch). */
export const IGNORED_TARGET = 0xffffffff;

/** In place of a token where the logits are not numbers. */
export const NO_TOKEN = 0xffffffff;

/** Elements per partial sum of `sumSquares`: the order of that sum. */
export const SUM_CHUNK = 8192;

/**
 * Which output may take the place of which input when that input is not read
 * later: kernels of these ops work element by element, or row by row.
 */
export const IN_PLACE: Partial<Record<OpName, Record<string, string[]>>> = {
  add: { out: ["a", "b"] },
  scale: { out: ["x"] },
  embedding: { out: ["addTo"] },
  embeddingBackward: { out: ["addTo"] },
  matmul: { out: ["addTo"] },
  sumRows: { out: ["addTo"] },
  layerNormBackward: { out: ["addTo", "dOut"] },
  rmsNormBackward: { out: ["addTo", "dOut"] },
  normWeightBackward: { out: ["addTo"] },
  rope: { out: ["x"] },
  geluBackward: { out: ["dOut"] },
  dropout: { out: ["addTo", "x"] },
  crossEntropyBackward: { out: ["logits"] },
  meanLoss: { loss: ["addTo"] },
  sumSquares: { out: ["addTo"] },
};
