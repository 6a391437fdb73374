import assert from "node:assert/strict";
import { encodeFloats } from "../../src/base/float_formats.ts";
import { exportModel } from "../../src/export/export_model.ts";
import { encodeQ8 } from "../../src/export/q8_0.ts";
import { fillNormals } from "../../src/base/normals.ts";
import { inTempDir } from "../base/_helpers.ts";
import { checkpointOf, MODELS } from "./_checkpoint.ts";
import { findPackages, python } from "./_python.ts";

const { missing, found } = await findPackages("gguf", "numpy");

Deno.test({
  name: `f16, bf16 and q8_0 have the bits of Python's gguf (${found})`,
  ignore: missing,
  async fn() {
    const values = new Float32Array(64 * 32);
    fillNormals(values, { seed: 5, stream: 1, index: 0, std: 0.02 });
    values.set([0, -0, 1e-30, 65000, -1e-6], 40);
    const script = `
import json, sys, base64, numpy as np
from gguf import quants, GGMLQuantizationType as T
x = np.frombuffer(base64.b64decode(json.load(sys.stdin)), "<f4").reshape(64, 32)
print(json.dumps({n: base64.b64encode(np.ascontiguousarray(quants.quantize(x, getattr(T, n))).tobytes()).decode() for n in ["F16", "BF16", "Q8_0"]}))`;
    const input = new Uint8Array(values.buffer).toBase64();
    const output = await python(["-c", script], JSON.stringify(input));
    assert.ok(output, "the script failed");
    const theirs = JSON.parse(output);
    const ours = {
      F16: encodeFloats(values, "F16"),
      BF16: encodeFloats(values, "BF16"),
      Q8_0: encodeQ8(values),
    };
    for (const [name, bytes] of Object.entries(ours)) {
      assert.deepEqual(bytes, Uint8Array.fromBase64(theirs[name]), name);
    }
  },
});

for (const [name, config] of Object.entries(MODELS)) {
  Deno.test({
    name: `Python's gguf reads every tensor of an exported ${name} (${found})`,
    ignore: missing,
    fn: () =>
      inTempDir(async (dir) => {
        const output = `${dir}/model.gguf`;
        await exportModel({
          chosen: checkpointOf(config),
          meta: null,
          format: "gguf",
          dtype: "q8_0",
          output,
        });
        const script = `
import json, sys
from gguf import GGUFReader
from gguf.quants import dequantize
reader = GGUFReader(sys.argv[1])
print(json.dumps({t.name: [t.tensor_type.name, [int(n) for n in t.shape],
      float(abs(dequantize(t.data, t.tensor_type)).max())] for t in reader.tensors}))`;
        const printed = await python(["-c", script, output]);
        assert.ok(printed, "the script failed");
        const tensors = JSON.parse(printed);
        const embedding = tensors["token_embd.weight"];
        assert.deepEqual(embedding.slice(0, 2), ["Q8_0", [64, 257]]);
        // The weights are uniform in ±0.15.
        assert.ok(Math.abs(embedding[2] - 0.15) < 1e-3, String(embedding[2]));
        assert.equal(tensors["blk.1.attn_norm.weight"][0], "F32");
      }),
  });
}
