/**
 * Every op at small and odd shapes: sizes 1, primes, and sizes that are no
 * multiple of a vector's or a tile's width. All executors run this one table.
 *
 * What a backward op reads from the forward pass is computed here by the
 * reference kernels. Inputs are normal numbers of size 1 unless said.
 *
 * @module
 */

import { type Bit, SUM_CHUNK } from "../../src/graph/ops.ts";
import { attentionCases } from "./_attention_cases.ts";
import { opEdgeCases } from "./_op_edge_cases.ts";
import {
  compute,
  cross,
  describe,
  empty,
  f32,
  integers,
  normal,
  opCase,
  rngWords,
  someIgnored,
  u32,
} from "./_op_inputs.ts";
import type { OpCase } from "./_run_op_case.ts";
import { sampleCases } from "./_sample_cases.ts";
import {
  type Allowed,
  EXACT,
  FEW_ROUNDINGS,
  FUNCTIONS,
  SHORT_SUM,
  sumOf,
} from "./_tolerances.ts";

export {
  agreesWithReference,
  assertOpClose,
  type OpCase,
  runOpCase,
} from "./_run_op_case.ts";

/** The table; see the module. */
export const opCases: readonly OpCase[] = [
  ...fillAddScale(),
  ...embedding(),
  ...matmul(),
  ...norms(),
  ...rope(),
  ...attentionCases(),
  ...activations(),
  ...dropout(),
  ...losses(),
  ...optimizer(),
  ...opEdgeCases,
  ...sampleCases,
];

function fillAddScale(): OpCase[] {
  return [1, 13, 1003].flatMap((n) => [
    opCase("fill", `n=${n}`, {
      in: {},
      out: { out: [n] },
      attrs: { n, value: -2.5 },
      ...EXACT,
    }),
    opCase("add", `n=${n}`, {
      in: { a: normal(1, [n]), b: normal(2, [n]) },
      out: { out: [n] },
      attrs: { n },
      ...EXACT,
    }),
    opCase("scale", `n=${n}`, {
      in: { x: normal(1, [n]) },
      out: { out: [n] },
      attrs: { n, factor: -2.625 }, // no rounding of its own
      ...EXACT,
    }),
  ]);
}

function embedding(): OpCase[] {
  const sizes = [
    [1, 1, 1],
    [3, 7, 5],
    [37, 11, 17],
    [41, 503, 64],
    [391, 5, 12],
  ];
  return cross(sizes, [false, true]).flatMap(([[rows, V, C], adds]) => {
    const title = `rows=${rows} V=${V} C=${C}${adds ? " addTo" : ""}`;
    const ids = integers(1, [rows], { below: V });
    const attrs = { rows, V, C };
    const addTo = (shape: number[]) => adds ? { addTo: normal(2, shape) } : {};
    return [
      opCase("embedding", title, {
        in: { table: normal(3, [V, C]), ids, ...addTo([rows, C]) },
        out: { out: [rows, C] },
        attrs,
        ...EXACT,
      }),
      opCase("embeddingBackward", title, {
        in: { dOut: normal(4, [rows, C]), ids, ...addTo([V, C]) },
        out: { out: [V, C] },
        attrs,
        ...SHORT_SUM,
      }),
    ];
  });
}

function matmul(): OpCase[] {
  const sizes = [
    [1, 1, 1],
    [1, 3, 257],
    [5, 7, 3],
    [33, 1, 29],
    [17, 31, 13],
    [37, 65, 64],
    [67, 70, 257],
    [130, 49, 100],
  ];
  const bits: Bit[] = [0, 1], flags = [false, true];
  const products = cross(cross(sizes, bits), cross(cross(bits, flags), flags))
    .map(([[[M, N, K], transA], [[transB, hasBias], adds]]) => {
      const title = `M=${M} N=${N} K=${K}${transA ? " transA" : ""}` +
        `${transB ? " transB" : ""}${hasBias ? " bias" : ""}` +
        `${adds ? " addTo" : ""}`;
      return opCase("matmul", title, {
        in: {
          a: normal(1, transA ? [K, M] : [M, K]),
          b: normal(2, transB ? [N, K] : [K, N]),
          ...hasBias ? { bias: normal(3, [N]) } : {},
          ...adds ? { addTo: normal(4, [M, N]) } : {},
        },
        out: { out: [M, N] },
        attrs: { M, N, K, transA, transB },
        ...sumOf(K),
      });
    });
  const sums = cross([[1, 1], [3, 1003], [37, 5], [257, 33]], flags)
    .map(([[rows, C], adds]) =>
      opCase("sumRows", `rows=${rows} C=${C}${adds ? " addTo" : ""}`, {
        in: {
          x: normal(5, [rows, C]),
          ...adds ? { addTo: normal(6, [C]) } : {},
        },
        out: { out: [C] },
        attrs: { rows, C },
        ...SHORT_SUM,
      })
    );
  return [...products, ...sums];
}

function norms(): OpCase[] {
  const eps = 1e-5;
  const sizes = [[1, 1], [3, 5], [37, 64], [5, 257], [2, 1003]];
  const shifted: Allowed = {
    tolerance: 1e-4,
    reason: "a mean of 50 loses 50 * 6e-8 per element, times a few",
  };
  const forward = sizes.flatMap(([rows, C]) => {
    const title = `rows=${rows} C=${C}`;
    const weight = normal(2, [C]), bias = normal(3, [C]);
    const attrs = { rows, C, eps };
    const out = { out: [rows, C], mean: [rows], rstd: [rows] };
    return [
      opCase("layerNorm", title, {
        in: { x: normal(1, [rows, C]), weight },
        out,
        attrs,
        ...SHORT_SUM,
      }),
      opCase("layerNorm", `${title} bias, mean 50`, {
        in: { x: normal(1, [rows, C], { shift: 50 }), weight, bias },
        out,
        attrs,
        ...shifted,
      }),
      opCase("rmsNorm", title, {
        in: { x: normal(1, [rows, C]), weight },
        out: { out: [rows, C], rstd: [rows] },
        attrs,
        ...SHORT_SUM,
      }),
    ];
  });
  const backward = cross(sizes, [false, true]).flatMap(([[rows, C], adds]) => {
    const title = `rows=${rows} C=${C}${adds ? " addTo" : ""}`;
    const x = normal(1, [rows, C]), weight = normal(2, [C]);
    const dOut = normal(3, [rows, C]);
    const attrs = { rows, C };
    const addTo = (shape: number[]) => adds ? { addTo: normal(4, shape) } : {};
    const out = { out: empty([rows, C]), rstd: empty([rows]) };
    const mean = empty([rows]);
    const kept = { mean, rstd: empty([rows]) };
    compute("layerNorm", {
      in: { x, weight },
      out: { ...kept, out: empty([rows, C]) },
      attrs: { ...attrs, eps },
    });
    compute("rmsNorm", { in: { x, weight }, out, attrs: { ...attrs, eps } });
    return [
      opCase("layerNormBackward", title, {
        in: { dOut, x, weight, ...kept, ...addTo([rows, C]) },
        out: { out: [rows, C] },
        attrs,
        ...SHORT_SUM,
      }),
      opCase("rmsNormBackward", title, {
        in: { dOut, x, weight, rstd: out.rstd, ...addTo([rows, C]) },
        out: { out: [rows, C] },
        attrs,
        ...SHORT_SUM,
      }),
      opCase("normWeightBackward", `${title} mean`, {
        in: { dOut, x, ...kept, ...addTo([C]) },
        out: { out: [C] },
        attrs,
        ...SHORT_SUM,
      }),
      opCase("normWeightBackward", title, {
        in: { dOut, x, rstd: out.rstd, ...addTo([C]) },
        out: { out: [C] },
        attrs,
        ...SHORT_SUM,
      }),
    ];
  });
  return [...forward, ...backward];
}

function rope(): OpCase[] {
  const sizes = [
    { rows: 1, width: 2, nRotated: 1, D: 2, maxPosition: 1 },
    { rows: 3, width: 16, nRotated: 3, D: 4, maxPosition: 10 },
    { rows: 37, width: 70, nRotated: 5, D: 10, maxPosition: 37 },
    { rows: 5, width: 321, nRotated: 4, D: 64, maxPosition: 64 },
    { rows: 7, width: 24, nRotated: 2, D: 6, maxPosition: 2048 },
    { rows: 9, width: 56, nRotated: 3, D: 16, maxPosition: 2048 },
    { rows: 5, width: 320, nRotated: 5, D: 64, maxPosition: 64 },
    { rows: 3, width: 5, nRotated: 0, D: 2, maxPosition: 5 },
  ];
  const bits: Bit[] = [0, 1];
  return cross(sizes, bits).map(([{ maxPosition, ...sizes }, inverse]) =>
    opCase(
      "rope",
      `${describe(sizes)} position<${maxPosition}` +
        `${inverse ? " inverse" : ""}`,
      {
        in: {
          x: normal(1, [sizes.rows, sizes.width]),
          positions: integers(2, [sizes.rows], { below: maxPosition }),
        },
        out: { out: [sizes.rows, sizes.width] },
        attrs: { ...sizes, theta: 10_000, inverse },
        tolerance: 1e-6 + maxPosition * 5e-7,
        reason: "an angle of f32 is off by its size times 6e-8, times |x|",
      },
    )
  );
}

function activations(): OpCase[] {
  const bits: Bit[] = [0, 1];
  const gelus = cross([1, 13, 1003], bits).flatMap(([n, tanh]) => {
    const title = `n=${n}${tanh ? " tanh" : ""}`;
    const x = normal(1, [n], { scale: 4 });
    const out = { out: [n] };
    const attrs = { n, tanh };
    return [
      opCase("gelu", title, { in: { x }, out, attrs, ...FUNCTIONS }),
      opCase("geluBackward", title, {
        in: { dOut: normal(2, [n]), x },
        out,
        attrs,
        ...FUNCTIONS,
      }),
    ];
  });
  const sizes = [[1, 1], [3, 5], [37, 64], [5, 129]];
  const swiglus = sizes.flatMap(([rows, F]) => {
    const title = `rows=${rows} F=${F}`;
    const x = normal(3, [rows, 2 * F], { scale: 4 });
    const attrs = { rows, F };
    return [
      opCase("swiglu", title, {
        in: { x },
        out: { out: [rows, F] },
        attrs,
        ...FUNCTIONS,
      }),
      opCase("swigluBackward", title, {
        in: { dOut: normal(4, [rows, F]), x },
        out: { out: [rows, 2 * F] },
        attrs,
        ...FUNCTIONS,
      }),
    ];
  });
  return [...gelus, ...swiglus];
}

function dropout(): OpCase[] {
  const drops = cross(cross([1, 13, 1003], [0, 0.1, 0.5]), [false, true]);
  // Of vectors, in one workgroup that is not full.
  drops.push([[20, 0.5], true]);
  return drops.map(([[n, p], adds]) =>
    opCase("dropout", `n=${n} p=${p}${adds ? " addTo" : ""}`, {
      in: {
        x: normal(1, [n]),
        rng: rngWords(),
        ...adds ? { addTo: normal(2, [n]) } : {},
      },
      out: { out: [n] },
      attrs: { n, p, site: 11 },
      ...FEW_ROUNDINGS,
    })
  );
}

function losses(): OpCase[] {
  const sizes = [[1, 1], [3, 5], [37, 65], [5, 1003]];
  const entropies = cross(sizes, [1, 1e4]).flatMap(([[rows, V], scale]) => {
    const title = `rows=${rows} V=${V}${scale > 1 ? " large logits" : ""}`;
    const logits = normal(1, [rows, V], { scale });
    const targets = someIgnored(integers(2, [rows], { below: V }));
    const attrs = { rows, V };
    const out = { rowLoss: empty([rows]), lse: empty([rows]) };
    compute("crossEntropy", { in: { logits, targets }, out, attrs });
    return [
      opCase("crossEntropy", title, {
        in: { logits, targets },
        out: { rowLoss: [rows], lse: [rows] },
        attrs,
        ...FUNCTIONS,
      }),
      opCase("crossEntropyBackward", title, {
        in: { dRowLoss: normal(3, [rows]), logits, targets, lse: out.lse },
        out: { out: [rows, V] },
        attrs,
        ...FUNCTIONS,
      }),
    ];
  });
  const means = cross([1, 37, 257], [false, true]).map(([rows, adds]) =>
    opCase("meanLoss", `rows=${rows}${adds ? " addTo" : ""}`, {
      in: {
        rowLoss: normal(5, [rows], { shift: 3 }),
        targets: someIgnored(integers(4, [rows], { below: 50 })),
        ...adds ? { addTo: normal(6, [1]) } : {},
      },
      out: { loss: [1] },
      attrs: { rows, scale: 0.25 },
      ...FEW_ROUNDINGS,
    })
  );
  const shares = [1, 37, 257].map((rows) =>
    opCase("meanLossBackward", `rows=${rows}`, {
      in: {
        dLoss: normal(7, [1]),
        targets: someIgnored(integers(4, [rows], { below: 50 })),
      },
      out: { out: [rows] },
      attrs: { rows, scale: 0.25 },
      ...FEW_ROUNDINGS,
    })
  );
  return [...entropies, ...means, ...shares];
}

function optimizer(): OpCase[] {
  const counts = [1, 13, SUM_CHUNK, SUM_CHUNK + 1, 20_011];
  const squares = cross(counts, [false, true]).map(([n, adds]) =>
    opCase("sumSquares", `n=${n}${adds ? " addTo" : ""}`, {
      in: {
        x: normal(1, [n]),
        ...adds ? { addTo: normal(2, [1], { shift: 100 }) } : {},
      },
      out: { out: [1], partials: [Math.ceil(n / SUM_CHUNK)] },
      attrs: { n },
      ...SHORT_SUM,
    })
  );
  const norms = cross([0, 0.25, 9, Infinity, NaN], [0, 1]).map((
    [sumSquares, maxNorm],
  ) =>
    opCase("clipScale", `of ${sumSquares} to ${maxNorm}`, {
      in: { sumSquares: f32([1], sumSquares) },
      out: { gradNorm: [1], scale: [1] },
      attrs: { maxNorm },
      ...FEW_ROUNDINGS,
    })
  );
  const steps = cross([0, 2, 4], [0.5, 0]).map(([slot, scale]) =>
    opCase("recordStep", `in row ${slot} with scale ${scale}`, {
      in: {
        loss: f32([1], 3.25),
        gradNorm: f32([1], scale === 0 ? Infinity : 7),
        scale: f32([1], scale),
        slot: u32(slot),
        schedule: normal(1, [5, 3]),
        // Two of the first four steps were updates.
        // deno-fmt-ignore
        log: f32([5, 4], 1, 2, 1, 1,  3, 4, 0, 1,  5, 6, 1, 2,  7, 8, 0, 2,
          9, 9, 9, 9),
      },
      out: { log: [5, 4], hyper: [3] },
      attrs: { rows: 5 },
      tolerance: 0,
      reason: "copies, and a count",
    })
  );
  const updates = cross(cross([1, 13, 1003], [1, 0.37, 0]), [0, 0.1]).map((
    [[n, scale], weightDecay],
  ) => {
    const v = normal(4, [n]);
    v.data.forEach((value, i) => v.data[i] = value ** 2);
    return opCase("adamw", `n=${n} scale=${scale} decay=${weightDecay}`, {
      in: {
        param: normal(1, [n]),
        grad: normal(2, [n]),
        m: normal(3, [n]),
        v,
        scale: f32([1], scale),
        // Step 3 of lr 1e-2 with the betas below.
        hyper: f32([3], 1e-2, 1 - 0.9 ** 3, 1 - 0.95 ** 3),
      },
      out: { param: [n], m: [n], v: [n] },
      attrs: { n, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay },
      tolerance: 1e-5,
      reason: "a division by sqrt(v), which is small for some elements",
    });
  });
  return [...squares, ...norms, ...steps, ...updates];
}
