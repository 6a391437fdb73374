/**
 * A graph: tensors, and the calls that fill them, in order of execution.
 *
 * A model is a function that calls the methods of a {@linkcode Graph}; each
 * checks its shapes, records one call and returns its result. Nothing is
 * computed here. What each op computes is said in ops.ts; the backward ops
 * have no method, as only backward_rules.ts records them.
 *
 * @module
 */

import { type AttentionAttrs, type Ops, SUM_CHUNK } from "./ops.ts";
import { type Into, Recorder } from "./recorder.ts";
import {
  expectF32,
  expectIntegers,
  expectMatrix,
  expectPersistent,
  expectSetting,
  expectShape,
} from "./shape_checks.ts";
import { sizeOf, type Tensor } from "./tensor.ts";

export type { Into } from "./recorder.ts";
export { type DType, sizeOf, type Tensor, type TensorKind } from "./tensor.ts";

/** Where the random numbers of a dropout come from, and how many it drops. */
export interface DropoutOptions {
  /** Probability of dropping an element, in [0, 1). */
  p: number;
  /** Which dropout of the model this is: a u32, different at every place. */
  site: number;
  /** u32 (4), see ops.ts. */
  rng: Tensor;
}

/** Records calls; see the module. */
export class Graph extends Recorder {
  /** `value` everywhere. */
  fill(
    shape: readonly number[],
    value: number,
    { out }: { out?: Tensor } = {},
  ): Tensor {
    const result = this.result("fill", shape, { out });
    const attrs = { n: sizeOf(shape), value };
    return this.record("fill", { in: {}, out: { out: result }, attrs }).out;
  }

  /** `a + b`, two tensors of one shape. */
  add(a: Tensor, b: Tensor, { out }: { out?: Tensor } = {}): Tensor {
    expectF32("add", { a });
    expectShape("add", "b", b, a.shape);
    const result = this.result("add", a.shape, { out });
    const attrs = { n: sizeOf(a.shape) };
    return this.record("add", { in: { a, b }, out: { out: result }, attrs })
      .out;
  }

  /** `table[ids]`: (V, C) and as many ids as rows give (rows, C). */
  embedding(table: Tensor, ids: Tensor, into: Into = {}): Tensor {
    const [V, C] = expectMatrix("embedding", "table", table);
    const rows = sizeOf(ids.shape);
    expectIntegers("embedding", "ids", ids, rows);
    const out = this.result("embedding", [rows, C], into);
    return this.record("embedding", {
      in: { table, ids, addTo: into.addTo },
      out: { out },
      attrs: { rows, V, C },
    }).out;
  }

  /** `op(a) op(b) + bias + addTo`, (M, N); see ops.ts for the layouts. */
  matmul(
    a: Tensor,
    b: Tensor,
    options: Into & { transA?: boolean; transB?: boolean; bias?: Tensor } = {},
  ): Tensor {
    const { transA = false, transB = false, bias, addTo } = options;
    const [aRows, aColumns] = expectMatrix("matmul", "a", a);
    const [bRows, bColumns] = expectMatrix("matmul", "b", b);
    const [M, K] = transA ? [aColumns, aRows] : [aRows, aColumns];
    const [bK, N] = transB ? [bColumns, bRows] : [bRows, bColumns];
    if (K !== bK) {
      throw new RangeError(
        `Cannot record matmul: inner sizes differ, a is (${
          a.shape.join(", ")
        })` +
          `${transA ? " transposed" : ""} and b is (${b.shape.join(", ")})` +
          `${transB ? " transposed" : ""}`,
      );
    }
    expectShape("matmul", "bias", bias, [N]);
    const out = this.result("matmul", [M, N], options);
    return this.record("matmul", {
      in: { a, b, bias, addTo },
      out: { out },
      attrs: { M, N, K, transA: transA ? 1 : 0, transB: transB ? 1 : 0 },
    }).out;
  }

  /** Column sums (C) of x (rows, C). */
  sumRows(x: Tensor, into: Into = {}): Tensor {
    const [rows, C] = expectMatrix("sumRows", "x", x);
    const out = this.result("sumRows", [C], into);
    return this.record("sumRows", {
      in: { x, addTo: into.addTo },
      out: { out },
      attrs: { rows, C },
    }).out;
  }

  /** Layer normalization of x (rows, C); `bias` null leaves it out. */
  layerNorm(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | null,
    eps: number,
  ): Ops<Tensor>["layerNorm"]["out"] {
    const [rows, C] = expectMatrix("layerNorm", "x", x);
    expectShape("layerNorm", "weight", weight, [C]);
    expectShape("layerNorm", "bias", bias, [C]);
    return this.record("layerNorm", {
      in: { x, weight, bias: bias ?? undefined },
      out: {
        out: this.temp([rows, C]),
        mean: this.temp([rows]),
        rstd: this.temp([rows]),
      },
      attrs: { rows, C, eps },
    });
  }

  /** RMSNorm of x (rows, C). */
  rmsNorm(
    x: Tensor,
    weight: Tensor,
    eps: number,
  ): Ops<Tensor>["rmsNorm"]["out"] {
    const [rows, C] = expectMatrix("rmsNorm", "x", x);
    expectShape("rmsNorm", "weight", weight, [C]);
    return this.record("rmsNorm", {
      in: { x, weight },
      out: { out: this.temp([rows, C]), rstd: this.temp([rows]) },
      attrs: { rows, C, eps },
    });
  }

  /** Rotates the first `nRotated` heads of every row of x (rows, width). */
  rope(
    x: Tensor,
    positions: Tensor,
    { nRotated, D, theta, inverse = false }: {
      nRotated: number;
      D: number;
      theta: number;
      inverse?: boolean;
    },
  ): Tensor {
    const [rows, width] = expectMatrix("rope", "x", x);
    expectIntegers("rope", "positions", positions, rows);
    expectSetting("rope", "D", D, D > 0 && D % 2 === 0, "an even number");
    const fits = nRotated >= 0 && nRotated * D <= width;
    expectSetting("rope", "nRotated * D", nRotated * D, fits, `<= ${width}`);
    return this.record("rope", {
      in: { x, positions },
      out: { out: this.temp([rows, width]) },
      attrs: { rows, width, nRotated, D, theta, inverse: inverse ? 1 : 0 },
    }).out;
  }

  /** Causal attention of B sequences over packed rows; see ops.ts. */
  attention(
    qkv: Tensor,
    { dropout, ...sizes }:
      & Omit<AttentionAttrs, "p" | "site">
      & { dropout?: DropoutOptions },
  ): Ops<Tensor>["attention"]["out"] {
    const { B, T, H, Hkv, D } = sizes;
    expectGroups("attention", H, Hkv);
    expectShape("attention", "qkv", qkv, [B * T, (H + 2 * Hkv) * D]);
    if (dropout) expectDropout("attention", dropout);
    const { p = 0, site = 0, rng } = dropout ?? {};
    return this.record("attention", {
      in: { qkv, rng },
      out: { out: this.temp([B * T, H * D]), lse: this.temp([B, H, T]) },
      attrs: { ...sizes, p, site },
    });
  }

  /** Attention of T new rows over a cache of S rows, which it extends. */
  attentionCached(
    qkv: Tensor,
    { kCache, vCache, position, ...sizes }:
      & { kCache: Tensor; vCache: Tensor; position: Tensor }
      & Ops<Tensor>["attentionCached"]["attrs"],
  ): Tensor {
    const { T, S, H, Hkv, D } = sizes;
    expectGroups("attentionCached", H, Hkv);
    expectShape("attentionCached", "qkv", qkv, [T, (H + 2 * Hkv) * D]);
    expectShape("attentionCached", "kCache", kCache, [S, Hkv * D]);
    expectShape("attentionCached", "vCache", vCache, [S, Hkv * D]);
    expectPersistent("attentionCached", "kCache", kCache);
    expectPersistent("attentionCached", "vCache", vCache);
    expectIntegers("attentionCached", "position", position, 1);
    return this.record("attentionCached", {
      in: { qkv, kCache, vCache, position },
      out: { out: this.temp([T, H * D]), kCache, vCache },
      attrs: { T, S, H, Hkv, D },
    }).out;
  }

  /** GELU: exact, or by tanh. */
  gelu(x: Tensor, { tanh }: { tanh: boolean }): Tensor {
    expectF32("gelu", { x });
    return this.record("gelu", {
      in: { x },
      out: { out: this.temp(x.shape) },
      attrs: { n: sizeOf(x.shape), tanh: tanh ? 1 : 0 },
    }).out;
  }

  /** `silu(gate) * up`, (rows, F), of packed rows [gate: F | up: F]. */
  swiglu(x: Tensor): Tensor {
    const [rows, width] = expectMatrix("swiglu", "x", x);
    expectSetting("swiglu", "width", width, width % 2 === 0, "an even number");
    const F = width / 2;
    return this.record("swiglu", {
      in: { x },
      out: { out: this.temp([rows, F]) },
      attrs: { rows, F },
    }).out;
  }

  /** Inverted dropout of x, added to `addTo` when that is given. */
  dropout(x: Tensor, options: DropoutOptions & { addTo?: Tensor }): Tensor {
    const { p, site, rng, addTo } = options;
    expectF32("dropout", { x });
    expectDropout("dropout", options);
    const out = this.result("dropout", x.shape, { addTo });
    return this.record("dropout", {
      in: { x, rng, addTo },
      out: { out },
      attrs: { n: sizeOf(x.shape), p, site },
    }).out;
  }

  /** Cross entropy of each row of logits (rows, V), in nats. */
  crossEntropy(
    logits: Tensor,
    targets: Tensor,
  ): Ops<Tensor>["crossEntropy"]["out"] {
    const [rows, V] = expectMatrix("crossEntropy", "logits", logits);
    expectIntegers("crossEntropy", "targets", targets, rows);
    return this.record("crossEntropy", {
      in: { logits, targets },
      out: { rowLoss: this.temp([rows]), lse: this.temp([rows]) },
      attrs: { rows, V },
    });
  }

  /** `scale` times the mean of rowLoss (rows), shape (1). */
  meanLoss(
    rowLoss: Tensor,
    targets: Tensor,
    { scale, ...into }: Into & { scale: number },
  ): Tensor {
    const rows = sizeOf(rowLoss.shape);
    expectShape("meanLoss", "rowLoss", rowLoss, [rows]);
    expectIntegers("meanLoss", "targets", targets, rows);
    const loss = this.result("meanLoss", [1], into);
    return this.record("meanLoss", {
      in: { rowLoss, targets, addTo: into.addTo },
      out: { loss },
      attrs: { rows, scale },
    }).loss;
  }

  /** Sum of the squares of all elements of x, shape (1). */
  sumSquares(x: Tensor, into: Into = {}): Tensor {
    expectF32("sumSquares", { x });
    const n = sizeOf(x.shape);
    const out = this.result("sumSquares", [1], into);
    const partials = this.temp([Math.ceil(n / SUM_CHUNK)]);
    return this.record("sumSquares", {
      in: { x, addTo: into.addTo },
      out: { out, partials },
      attrs: { n },
    }).out;
  }

  /**
   * Norm of all gradients and the factor that clips it, both (1).
   *
   * @param options.gradNorm A persistent tensor for the norm.
   * @param options.scale A persistent tensor for the factor.
   */
  clipScale(
    sumSquares: Tensor,
    options: { maxNorm: number; gradNorm?: Tensor; scale?: Tensor },
  ): Ops<Tensor>["clipScale"]["out"] {
    const { maxNorm } = options;
    expectShape("clipScale", "sumSquares", sumSquares, [1]);
    expectSetting("clipScale", "maxNorm", maxNorm, maxNorm >= 0, ">= 0");
    const gradNorm = this.result("clipScale", [1], { out: options.gradNorm });
    const scale = this.result("clipScale", [1], { out: options.scale });
    return this.record("clipScale", {
      in: { sumSquares },
      out: { gradNorm, scale },
      attrs: { maxNorm },
    });
  }

  /** One AdamW update of one parameter, in place. */
  adamw(
    tensors: Ops<Tensor>["adamw"]["in"],
    settings: Omit<Ops<Tensor>["adamw"]["attrs"], "n">,
  ): void {
    const { param, grad, m, v, scale, hyper } = tensors;
    expectF32("adamw", { param });
    for (const [name, tensor] of Object.entries({ grad, m, v })) {
      expectShape("adamw", name, tensor, param.shape);
    }
    for (const [name, tensor] of Object.entries({ param, m, v })) {
      expectPersistent("adamw", name, tensor);
    }
    expectShape("adamw", "scale", scale, [1]);
    expectShape("adamw", "hyper", hyper, [3]);
    this.record("adamw", {
      in: { param, grad, m, v, scale, hyper },
      out: { param, m, v },
      attrs: { n: sizeOf(param.shape), ...settings },
    });
  }
}

function expectGroups(op: string, H: number, Hkv: number): void {
  expectSetting(op, "Hkv", Hkv, H % Hkv === 0, `a divisor of H = ${H}`);
}

function expectDropout(op: string, { p, site, rng }: DropoutOptions): void {
  expectSetting(op, "p", p, p >= 0 && p < 1, "at least 0 and below 1");
  expectSetting(op, "site", site, site === site >>> 0, "a u32");
  expectIntegers(op, "rng", rng, 4);
}
