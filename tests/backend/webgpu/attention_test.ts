import assert from "node:assert/strict";
import { openReferenceBackend } from "../../../src/backend/reference/backend.ts";
import {
  productMemory,
  STAGED_BYTES,
} from "../../../src/backend/webgpu/attention/attention_products.ts";
import { rowDots } from "../../../src/backend/webgpu/attention/attention_row_dots.ts";
import { attentionShape } from "../../../src/backend/webgpu/attention/attention_tile.ts";
import { assertOpClose, opCases, runOpCase } from "../_op_cases.ts";
import { tensor } from "./_dispatches.ts";
import { noAdapter, openTestGpu } from "./_webgpu.ts";

// A software adapter is given the other kernels by itself, and takes seconds to
// compile each of these.
Deno.test("webgpu computes attention through workgroup memory", {
  ignore: noAdapter,
}, async () => {
  const reference = openReferenceBackend();
  const gpu = await openTestGpu({ attention: () => ({ flow: "staged" }) });
  const sizes = [
    "B=1 T=37 H=2 Hkv=2 D=5", // heads that are no vectors
    "B=2 T=37 H=4 Hkv=1 D=64", // shared keys
    "B=2 T=65 H=2 Hkv=1 D=12", // several tiles, dropout, keys in four parts
    "B=1 T=70 H=2 Hkv=1 D=32", // in two parts
  ];
  const cases = opCases.filter(({ name }) =>
    sizes.some((size) => name.startsWith(`attention ${size}`)) ||
    sizes.some((size) => name.startsWith(`attentionBackward ${size}`)) ||
    name.startsWith("attentionCached T=70 S=200 H=2 Hkv=1 D=32")
  );
  assert.equal(cases.length, 2 * sizes.length + 1);
  for (const one of cases) {
    const got = await runOpCase(gpu, one);
    assertOpClose(one, got, await runOpCase(reference, one));
  }
  await gpu.dispose();
});

Deno.test("webgpu computes attention's gradient from kept scores", {
  ignore: noAdapter,
}, async (t) => {
  const sizes = {
    "B=1 T=130 H=2 Hkv=1 D=16": {}, // three tiles, shared keys, short heads
    "B=1 T=128 H=2 Hkv=1 D=80": {}, // whole tiles, heads that are cut in two
    // Rows of scores that begin in the middle of a block of random words.
    "B=1 T=13 H=6 Hkv=3 D=7": {},
    // Two sequences, then one: each has 4 heads of a tile, 64 x 64 twice.
    "B=3 T=17 H=4 Hkv=2 D=8": { mostKeptBytes: 2 * 4 * 2 * 4 * 64 * 64 },
    // Nothing can be kept.
    "B=1 T=70 H=2 Hkv=1 D=32": { mostKeptBytes: 0 },
  };
  const reference = openReferenceBackend();
  for (const [size, options] of Object.entries(sizes)) {
    await t.step(size, async () => {
      const attention = () => ({ flow: "kept" as const });
      const gpu = await openTestGpu({ attention, ...options });
      const [one] = opCases.filter(({ name }) =>
        name.startsWith(`attentionBackward ${size}`)
      );
      const got = await runOpCase(gpu, one);
      assertOpClose(one, got, await runOpCase(reference, one));
      await gpu.dispose();
    });
  }
});

Deno.test("rowDots() of more rows than fit one dimension begins no further ones", () => {
  // 65,536 workgroups of 64 rows: two of the other dimension, one of 65,535.
  const attrs = { B: 64, T: 2048, H: 32, Hkv: 32, D: 4, p: 0, site: 0 };
  const of = (name: string, length: number) => tensor(name, "input", length);
  const { code, workgroups } = rowDots({
    dOut: of("dOut", 2 ** 24),
    out: of("out", 2 ** 24),
    rowDots: of("rowDots", 2 ** 22),
  }, attentionShape(attrs, "kept"));
  assert.deepEqual(workgroups, [65535, 2, 1]);
  assert.match(code, /if \(work >= 65536u\) \{ return; \}/);
});

Deno.test("staged attention declares no more memory than STAGED_BYTES", () => {
  const attrs = { B: 1, T: 64, H: 1, Hkv: 1, D: 128, p: 0, site: 0 };
  const shape = attentionShape(attrs, "tall");
  let vectors = 0;
  for (const [, type] of productMemory(shape).matchAll(/: ([^;]*);/g)) {
    const sizes = [...type.matchAll(/, (\d+)>/g)].map(([, n]) => Number(n));
    vectors += sizes.reduce((product, n) => product * n, 1);
  }
  assert.ok(16 * vectors <= STAGED_BYTES, `${16 * vectors} bytes`);
});
