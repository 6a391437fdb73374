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

import { CallRecorder, type Into } from "./call_recorder.ts";
import { type AttentionAttrs, type Ops, SUM_CHUNK } from "./ops.ts";
import { ShapeChecks } from "./shape_checks.ts";
import { sizeOf, type Tensor } from "./tensor.ts";

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
export class Graph extends CallRecorder {
  /** `value` everywhere. */
  fill(
    shape: readonly number[],
    value: number,
    { out }: { out?: Tensor } = {},
  ): Tensor {
    return this.record("fill", {
      in: {},
      out: { out: this.result("fill", shape, { out }) },
      attrs: { n: sizeOf(shape), value },
    }).out;
  }

  /** `a + b`, two tensors of one shape. */
  add(a: Tensor, b: Tensor, { out }: { out?: Tensor } = {}): Tensor {
    const check = new ShapeChecks("add");
    check.shape({ a, b }, a.shape);
    return this.record("add", {
      in: { a, b },
      out: { out: this.result("add", a.shape, { out }) },
      attrs: { n: sizeOf(a.shape) },
    }).out;
  }

  /** `factor * x`. */
  scale(x: Tensor, factor: number): Tensor {
    new ShapeChecks("scale").f32({ x });
    return this.record("scale", {
      in: { x },
      out: { out: this.temp(x.shape) },
      attrs: { n: sizeOf(x.shape), factor },
    }).out;
  }

  /** `table[ids]`: (V, C) and as many ids as rows give (rows, C). */
  embedding(table: Tensor, ids: Tensor, into: Into = {}): Tensor {
    const check = new ShapeChecks("embedding");
    const [V, C] = check.matrix({ table });
    const rows = sizeOf(ids.shape);
    check.integers({ ids }, rows);
    return this.record("embedding", {
      in: { table, ids, addTo: into.addTo },
      out: { out: this.result("embedding", [rows, C], into) },
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
    const check = new ShapeChecks("matmul");
    const [aRows, aColumns] = check.matrix({ a });
    const [bRows, bColumns] = check.matrix({ b });
    const [M, K] = transA ? [aColumns, aRows] : [aRows, aColumns];
    const [bK, N] = transB ? [bColumns, bRows] : [bRows, bColumns];
    check.setting(
      K === bK,
      `inner sizes differ, a is (${a.shape.join(", ")})` +
        `${transA ? " transposed" : ""} and b is (${b.shape.join(", ")})` +
        `${transB ? " transposed" : ""}`,
    );
    check.shape({ bias }, [N]);
    return this.record("matmul", {
      in: { a, b, bias, addTo },
      out: { out: this.result("matmul", [M, N], options) },
      attrs: { M, N, K, transA: transA ? 1 : 0, transB: transB ? 1 : 0 },
    }).out;
  }

  /** Column sums (C) of x (rows, C). */
  sumRows(x: Tensor, into: Into = {}): Tensor {
    const [rows, C] = new ShapeChecks("sumRows").matrix({ x });
    return this.record("sumRows", {
      in: { x, addTo: into.addTo },
      out: { out: this.result("sumRows", [C], into) },
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
    const check = new ShapeChecks("layerNorm");
    const [rows, C] = check.matrix({ x });
    check.shape({ weight, bias }, [C]);
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
    const check = new ShapeChecks("rmsNorm");
    const [rows, C] = check.matrix({ x });
    check.shape({ weight }, [C]);
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
    const check = new ShapeChecks("rope");
    const [rows, width] = check.matrix({ x });
    check.integers({ positions }, rows);
    check.setting(
      D > 0 && D % 2 === 0,
      `D is ${D}, expected an even number`,
    );
    check.setting(
      nRotated >= 0 && nRotated * D <= width,
      `nRotated * D is ${nRotated * D}, expected 0 to width = ${width}`,
    );
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
    const check = new ShapeChecks("attention");
    checkGroups(check, sizes);
    check.shape({ qkv }, [B * T, (H + 2 * Hkv) * D]);
    if (dropout) checkDropout(check, dropout);
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
    const check = new ShapeChecks("attentionCached");
    checkGroups(check, sizes);
    check.shape({ qkv }, [T, (H + 2 * Hkv) * D]);
    check.shape({ kCache, vCache }, [S, Hkv * D]);
    check.persistent({ kCache, vCache });
    check.integers({ position }, 1);
    return this.record("attentionCached", {
      in: { qkv, kCache, vCache, position },
      out: { out: this.temp([T, H * D]), kCache, vCache },
      attrs: { T, S, H, Hkv, D },
    }).out;
  }

  /** Draws a token by logits (1, V), and notes it; see ops.ts. */
  sample(
    logits: Tensor,
    tensors: Omit<Ops<Tensor>["sample"]["in"], "logits"> & { id: Tensor },
  ): void {
    const { settings, choice, used, drawn, id } = tensors;
    const check = new ShapeChecks("sample");
    const [rows, V] = check.matrix({ logits });
    check.setting(rows === 1, `logits have ${rows} rows, expected 1`);
    check.shape({ settings }, [3]);
    check.integers({ choice }, 6);
    check.integers({ used }, Math.ceil(V / 32));
    check.integers({ drawn }, sizeOf(drawn.shape));
    check.integers({ id }, 1);
    check.persistent({ used, drawn, id });
    this.record("sample", {
      in: { logits, settings, choice, used, drawn },
      out: { id, drawn, used },
      attrs: { V, rows: sizeOf(drawn.shape) },
    });
  }

  /** GELU: exact, or by tanh. */
  gelu(x: Tensor, { tanh }: { tanh: boolean }): Tensor {
    new ShapeChecks("gelu").f32({ x });
    return this.record("gelu", {
      in: { x },
      out: { out: this.temp(x.shape) },
      attrs: { n: sizeOf(x.shape), tanh: tanh ? 1 : 0 },
    }).out;
  }

  /** `silu(gate) * up`, (rows, F), of packed rows [gate: F | up: F]. */
  swiglu(x: Tensor): Tensor {
    const check = new ShapeChecks("swiglu");
    const [rows, width] = check.matrix({ x });
    check.setting(
      width % 2 === 0,
      `x has ${width} columns, expected an even number`,
    );
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
    const check = new ShapeChecks("dropout");
    check.f32({ x });
    checkDropout(check, options);
    return this.record("dropout", {
      in: { x, rng, addTo },
      out: { out: this.result("dropout", x.shape, { addTo }) },
      attrs: { n: sizeOf(x.shape), p, site },
    }).out;
  }

  /** Cross entropy of each row of logits (rows, V), in nats. */
  crossEntropy(
    logits: Tensor,
    targets: Tensor,
  ): Ops<Tensor>["crossEntropy"]["out"] {
    const check = new ShapeChecks("crossEntropy");
    const [rows, V] = check.matrix({ logits });
    check.integers({ targets }, rows);
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
    const check = new ShapeChecks("meanLoss");
    check.shape({ rowLoss }, [rows]);
    check.integers({ targets }, rows);
    return this.record("meanLoss", {
      in: { rowLoss, targets, addTo: into.addTo },
      out: { loss: this.result("meanLoss", [1], into) },
      attrs: { rows, scale },
    }).loss;
  }

  /** Sum of the squares of all elements of x, shape (1). */
  sumSquares(x: Tensor, into: Into = {}): Tensor {
    new ShapeChecks("sumSquares").f32({ x });
    const n = sizeOf(x.shape);
    return this.record("sumSquares", {
      in: { x, addTo: into.addTo },
      out: {
        out: this.result("sumSquares", [1], into),
        partials: this.temp([Math.ceil(n / SUM_CHUNK)]),
      },
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
    const { maxNorm, gradNorm, scale } = options;
    const check = new ShapeChecks("clipScale");
    check.shape({ sumSquares, gradNorm, scale }, [1]);
    check.persistent({ gradNorm, scale });
    check.setting(maxNorm >= 0, `maxNorm is ${maxNorm}, expected at least 0`);
    return this.record("clipScale", {
      in: { sumSquares },
      out: {
        gradNorm: gradNorm ?? this.temp([1]),
        scale: scale ?? this.temp([1]),
      },
      attrs: { maxNorm },
    });
  }

  /**
   * Writes a step's numbers to row `slot` of `log`, and looks up its rates.
   *
   * @returns `hyper` of {@linkcode adamw}.
   */
  recordStep(tensors: Ops<Tensor>["recordStep"]["in"]): Tensor {
    const { loss, gradNorm, scale, slot, schedule, log } = tensors;
    const check = new ShapeChecks("recordStep");
    check.shape({ loss, gradNorm, scale }, [1]);
    check.integers({ slot }, 1);
    const [rows] = check.matrix({ schedule, log });
    check.shape({ schedule }, [rows, 3]);
    check.shape({ log }, [rows, 4]);
    check.persistent({ log });
    return this.record("recordStep", {
      in: { loss, gradNorm, scale, slot, schedule, log },
      out: { log, hyper: this.temp([3]) },
      attrs: { rows },
    }).hyper;
  }

  /** One AdamW update of one parameter, in place. */
  adamw(
    tensors: Ops<Tensor>["adamw"]["in"],
    settings: Omit<Ops<Tensor>["adamw"]["attrs"], "n">,
  ): void {
    const { param, grad, m, v, scale, hyper } = tensors;
    const check = new ShapeChecks("adamw");
    check.shape({ param, grad, m, v }, param.shape);
    check.persistent({ param, m, v });
    check.shape({ scale }, [1]);
    check.shape({ hyper }, [3]);
    this.record("adamw", {
      in: { param, grad, m, v, scale, hyper },
      out: { param, m, v },
      attrs: { n: sizeOf(param.shape), ...settings },
    });
  }
}

function checkGroups(
  check: ShapeChecks,
  { H, Hkv }: { H: number; Hkv: number },
): void {
  check.setting(
    H % Hkv === 0,
    `Hkv is ${Hkv}, expected a divisor of H = ${H}`,
  );
}

function checkDropout(
  check: ShapeChecks,
  { p, site, rng }: DropoutOptions,
): void {
  check.setting(p >= 0 && p < 1, `p is ${p}, expected at least 0, below 1`);
  check.setting(site === site >>> 0, `site is ${site}, expected a u32`);
  check.integers({ rng }, 4);
}
