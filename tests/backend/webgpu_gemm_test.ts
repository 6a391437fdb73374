import assert from "node:assert/strict";
import { openReferenceBackend } from "../../src/backend/reference/backend.ts";
import {
  chooseGemm,
  gemmCandidates,
} from "../../src/backend/webgpu/gemm_choice.ts";
import { assertOpClose, type OpCase, runOpCase } from "./_op_cases.ts";
import { normal, opCase } from "./_op_inputs.ts";
import { noAdapter, openTestGpu } from "./_webgpu.ts";

Deno.test("chooseGemm() splits k only where tiles are few and k is long", () => {
  const choose = (M: number, N: number, K: number) =>
    chooseGemm({ M, N, K, transA: false, transB: false }, { software: false });
  assert.equal(choose(4096, 4096, 4096).splitK, 1);
  assert.equal(choose(128, 128, 128).splitK, 1);
  assert.equal(choose(384, 384, 16384).splitK, 14); // 512 / 36 tiles
  assert.equal(choose(64, 64, 1 << 20).splitK, 32);
});

// Every variant that a GPU may be given, also on the software adapter, which
// is given others by itself.
for (const [i, candidate] of gemmCandidates().entries()) {
  const variant = { ...candidate, splitK: i === 0 ? 3 : 1 };
  const { tileM, tileN, perThread, staged, splitK } = variant;
  const name = `webgpu multiplies in tiles of ${tileM} x ${tileN}, ` +
    `${perThread} x ${perThread} per thread${staged ? ", staged" : ""}` +
    (splitK > 1 ? `, k in ${splitK} parts` : "");
  Deno.test(name, { ignore: noAdapter }, async () => {
    const reference = openReferenceBackend();
    const gpu = await openTestGpu({ gemmVariant: () => variant });
    for (const one of products()) {
      const got = await runOpCase(gpu, one);
      assertOpClose(one, got, await runOpCase(reference, one));
    }
    await gpu.dispose();
  });
}

/** Whole tiles, and sizes that are no multiple of a tile or of 4. */
function products(): OpCase[] {
  const sizes = [[128, 128, 64], [72, 132, 100], [37, 65, 50]];
  const layouts = [[0, 0], [0, 1], [1, 0]] as const; // as a training step has
  return sizes.flatMap(([M, N, K], i) => {
    const [transA, transB] = layouts[i];
    return opCase("matmul", `M=${M} N=${N} K=${K}`, {
      in: {
        a: normal(1, transA ? [K, M] : [M, K]),
        b: normal(2, transB ? [N, K] : [K, N]),
        bias: normal(3, [N]),
        addTo: normal(4, [M, N]),
      },
      out: { out: [M, N] },
      attrs: { M, N, K, transA, transB },
      tolerance: 2e-5,
      reason: "f32 sums of a hundred terms of size 1, in any order",
    });
  });
}
