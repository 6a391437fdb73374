import assert from "node:assert/strict";
import { ggufTensors } from "../../src/export/gguf_tensors.ts";
import { huggingFaceTensors } from "../../src/model/huggingface.ts";
import { resolveModel } from "../../src/model/model_config.ts";
import { MODELS } from "./_checkpoint.ts";

const tiny = resolveModel({
  arch: "llama",
  nLayer: 1,
  nHead: 2,
  nEmbd: 8, // heads of 4
  seqLen: 4,
  bias: false,
  dropout: 0,
  gelu: "tanh",
  ropeTheta: 10000,
  normEps: 1e-5,
  tieEmbeddings: true,
}, 3);

Deno.test("ggufTensors() interleaves the rows of llama's queries and keys", async () => {
  const shape = [8, 8];
  const data = Float32Array.from({ length: 64 }, (_, i) => Math.floor(i / 8));
  const [q, v] = ggufTensors(tiny, [
    { name: "model.layers.0.self_attn.q_proj.weight", shape, data },
    { name: "model.layers.0.self_attn.v_proj.weight", shape, data },
  ], "F32");
  assert.deepEqual([q.name, v.name], [
    "blk.0.attn_q.weight",
    "blk.0.attn_v.weight",
  ]);
  const firstOfRows = (values: Float32Array) =>
    Array.from({ length: 8 }, (_, row) => values[row * 8]);
  // Hugging Face rotates rows (0, 2) and (1, 3) of a head, llama.cpp
  // neighbors.
  assert.deepEqual(firstOfRows(await q.read()), [0, 2, 1, 3, 4, 6, 5, 7]);
  assert.deepEqual(firstOfRows(await v.read()), [0, 1, 2, 3, 4, 5, 6, 7]);
});

Deno.test("ggufTensors() turns gpt2's matrices to (out, in)", async () => {
  const [fc, bias] = ggufTensors(MODELS.gpt2, [
    {
      name: "transformer.h.1.mlp.c_fc.weight",
      shape: [2, 3],
      data: Float32Array.of(1, 2, 3, 4, 5, 6),
    },
    {
      name: "transformer.h.1.mlp.c_fc.bias",
      shape: [3],
      data: Float32Array.of(7, 8, 9),
    },
  ], "F16");
  assert.equal(fc.name, "blk.1.ffn_up.weight");
  assert.deepEqual(fc.shape, [3, 2]);
  assert.deepEqual(await fc.read(), Float32Array.of(1, 4, 2, 5, 3, 6));
  assert.equal(bias.name, "blk.1.ffn_up.bias");
  assert.deepEqual([fc.type, bias.type], ["F16", "F32"]);
});

Deno.test("ggufTensors() keeps positions exact, and odd rows out of blocks", () => {
  const tensors = (sizes: number[]) =>
    sizes.map((cols, i) => ({
      name: ["transformer.wte.weight", "transformer.wpe.weight"][i],
      shape: [4, cols],
      data: new Float32Array(4 * cols),
    }));
  const types = (sizes: number[]) =>
    ggufTensors(MODELS.gpt2, tensors(sizes), "Q8_0").map((t) => t.type);
  assert.deepEqual(types([64, 64]), ["Q8_0", "F32"]);
  assert.deepEqual(types([48, 48]), ["F16", "F32"]);
});

Deno.test("ggufTensors() refuses what its type would make infinite", async () => {
  const read = (cols: number, value: number, type: "F32" | "F16" | "Q8_0") => {
    const data = new Float32Array(2 * cols).fill(1);
    data[cols] = value;
    const name = "transformer.wte.weight", shape = [2, cols];
    return ggufTensors(MODELS.gpt2, [{ name, shape, data }], type)[0].read();
  };
  // Rows of 48 are f16 in place of blocks; a block's scale is its 127th.
  await assert.rejects(read(48, -65536, "Q8_0"), {
    message: 'Cannot export tensor "transformer.wte.weight" in f16: it has ' +
      "the value -65536, the format ends at 65504",
  });
  await assert.rejects(read(32, 9e6, "Q8_0"), /q8_0: .* ends at 8319008$/);
  await assert.rejects(read(32, 65536, "F16"), /ends at 65504$/);
  for (
    const [cols, value, type] of [
      [48, 65504, "Q8_0"],
      [32, -8319008, "Q8_0"],
      [32, 65504, "F16"],
      [48, 1e30, "F32"],
    ] as const
  ) {
    assert.equal((await read(cols, value, type))[cols], Math.fround(value));
  }
});

for (const [name, config] of Object.entries(MODELS)) {
  Deno.test(`ggufTensors() has a place for every tensor of ${name}`, () => {
    const tensors = huggingFaceTensors(config)
      .map((t) => ({ ...t, data: new Float32Array() }));
    const names = ggufTensors(config, tensors, "F32").map((t) => t.name);
    assert.equal(new Set(names).size, tensors.length);
    for (const name of names) {
      assert.match(
        name,
        /^(token_embd|position_embd|output_norm|output|blk\.[01]\.(attn|ffn)_\w+)\.(weight|bias)$/,
      );
    }
  });
}
