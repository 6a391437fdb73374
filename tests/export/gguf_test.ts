import assert from "node:assert/strict";
import { gguf } from "@huggingface/gguf";
import { readFixture } from "../model/_oracle.ts";
import { UserError } from "../../src/base/errors.ts";
import {
  type ExportDtype,
  exportModel,
} from "../../src/export/export_model.ts";
import { ggufTokenizer } from "../../src/export/gguf_tokenizer.ts";
import type { ModelConfig } from "../../src/model/model_config.ts";
import { trainTokenizer } from "../../src/tokenizer/mod.ts";
import { inTempDir } from "../base/_helpers.ts";
import { checkpointOf, MODELS } from "./_checkpoint.ts";

/** Exports a model and reads the file with Hugging Face's parser. */
async function written(
  dir: string,
  config: ModelConfig,
  dtype: ExportDtype = "f32",
) {
  const output = `${dir}/model-${dtype}.gguf`;
  await exportModel({
    chosen: checkpointOf(config),
    meta: null,
    format: "gguf",
    dtype,
    output,
  });
  const file = await gguf(output, { allowLocalFile: true });
  return { ...file, bytes: await Deno.readFile(output) };
}

Deno.test("exportModel() writes a gguf that Hugging Face's parser reads: llama", () =>
  inTempDir(async (dir) => {
    const { metadata, tensorInfos } = await written(dir, MODELS.llama);
    const { version, tensor_count, kv_count: _, ...rest } = metadata;
    assert.equal(version, 3);
    assert.equal(tensor_count, 21n); // 9 of each layer, and 3
    const {
      "tokenizer.ggml.tokens": tokens,
      "tokenizer.ggml.token_type": types,
      ...others
    } = rest as Record<string, unknown>;
    assert.deepEqual(others, {
      "general.architecture": "llama",
      "general.type": "model",
      "general.name": "owl-1",
      "general.file_type": 0,
      "general.quantization_version": 2,
      "llama.block_count": 2,
      "llama.context_length": 96,
      "llama.embedding_length": 64,
      "llama.feed_forward_length": 96,
      "llama.attention.head_count": 4,
      "llama.attention.head_count_kv": 2,
      "llama.attention.key_length": 16,
      "llama.attention.value_length": 16,
      "llama.attention.layer_norm_rms_epsilon": Math.fround(1e-5),
      "llama.rope.dimension_count": 16,
      "llama.rope.freq_base": 10000,
      "llama.vocab_size": 257,
      "tokenizer.ggml.model": "gpt2",
      "tokenizer.ggml.pre": "gpt-2",
      "tokenizer.ggml.merges": [],
      "tokenizer.ggml.bos_token_id": 256,
      "tokenizer.ggml.eos_token_id": 256,
      "tokenizer.ggml.add_bos_token": false,
      "tokenizer.ggml.add_eos_token": false,
    });
    assert.equal((tokens as string[]).length, 257);
    assert.equal((tokens as string[])[256], "<|endoftext|>");
    assert.deepEqual((types as number[]).slice(254), [1, 1, 3]);
    const q = tensorInfos.find(({ name }) => name === "blk.1.attn_k.weight")!;
    assert.deepEqual(q.shape, [64n, 32n]); // innermost first
  }));

Deno.test("exportModel() aligns the tensors of a gguf, in every dtype", () =>
  inTempDir(async (dir) => {
    // Bytes of 64 numbers.
    const sizes = { f32: 256, f16: 128, bf16: 128, q8_0: 68 } as const;
    for (const dtype of ["f32", "f16", "bf16", "q8_0"] as const) {
      const { metadata, tensorInfos, tensorDataOffset, bytes } = await written(
        dir,
        MODELS.gpt2,
        dtype,
      );
      // llama.cpp's LLAMA_FTYPE_ALL_F32, then LLAMA_FTYPE_MOSTLY_…
      const types = { f32: 0, f16: 1, q8_0: 7, bf16: 32 };
      assert.partialDeepStrictEqual(metadata, {
        "general.file_type": types[dtype],
      });
      assert.equal(tensorDataOffset % 32n, 0n);
      let end = 0;
      for (const { name, offset, shape, dtype: id } of tensorInfos) {
        assert.equal(Number(offset), end, name);
        const count = Number(shape.reduce((n, size) => n * size, 1n));
        const isF32 = shape.length === 1 || name === "position_embd.weight";
        assert.equal(
          id,
          isF32 ? 0 : { f32: 0, f16: 1, q8_0: 8, bf16: 30 }[dtype],
        );
        const size = isF32 ? 4 * count : count / 64 * sizes[dtype];
        end += Math.ceil(size / 32) * 32;
      }
      assert.equal(bytes.length, Number(tensorDataOffset) + end);
    }
  }));

Deno.test("exportModel() writes the values of a gguf where its head says", () =>
  inTempDir(async (dir) => {
    const { tensorInfos, tensorDataOffset, bytes } = await written(
      dir,
      MODELS.gpt2,
    );
    const at = (name: string) => {
      const { offset, shape } = tensorInfos.find((t) => t.name === name)!;
      const count = Number(shape.reduce((n, size) => n * size, 1n));
      const from = Number(tensorDataOffset) + Number(offset);
      return new Float32Array(bytes.slice(from, from + 4 * count).buffer);
    };
    const { params } = checkpointOf(MODELS.gpt2).content;
    const of = (name: string) => {
      const tensor = params.find((t) => t.name === `transformer.${name}`)!;
      return (tensor as { data: Float32Array }).data;
    };
    assert.deepEqual(at("token_embd.weight"), of("wte.weight"));
    assert.deepEqual(at("output_norm.bias"), of("ln_f.bias"));
    const fc = at("blk.0.ffn_up.weight"), theirs = of("h.0.mlp.c_fc.weight");
    assert.equal(fc[5 * 64 + 9], theirs[9 * 256 + 5]);
  }));

const CONFIG = { bos_token_id: null, eos_token_id: null };

function tokenizerOf(json: string, vocabSize: number, config = CONFIG) {
  const entries = ggufTokenizer(json, { vocabSize, config });
  return Object.fromEntries(
    entries.map(([key, value]) => [
      key.replace("tokenizer.ggml.", ""),
      Object.values(value)[0] as unknown,
    ]),
  ) as Record<string, unknown> & { tokens: string[]; token_type: number[] };
}

Deno.test("ggufTokenizer() writes characters as bytes that llama.cpp matches", async () => {
  const settings = { type: "char", vocabSize: 999 } as const;
  const { json } = await trainTokenizer(settings, ["aß\n\\ ☺"]);
  const { model, tokens, token_type, ...rest } = tokenizerOf(json, 8);
  assert.equal(model, "rwkv");
  assert.deepEqual(tokens, [
    "\\x0a",
    " ",
    "\\x5c",
    "a",
    "\\xc3\\x9f",
    "\\xe2\\x98\\xba",
    "[PAD6]",
    "[PAD7]",
  ]);
  assert.deepEqual(token_type, [1, 1, 1, 1, 1, 1, 5, 5]);
  assert.equal(rest.unknown_token_id, 1);
  assert.equal(rest.eos_token_id, undefined);
});

Deno.test("ggufTokenizer() writes Llama's pieces with scores and a first token", () => {
  const json = JSON.stringify(readFixture("tokenizer/llama.json"));
  const parsed = JSON.parse(json);
  const config = { bos_token_id: 1, eos_token_id: 2 } as never;
  const { tokens, scores, ...rest } = tokenizerOf(json, 600, config);
  assert.equal(rest.model, "llama");
  assert.deepEqual(
    [rest.bos_token_id, rest.eos_token_id, rest.unknown_token_id],
    [1, 2, 0],
  );
  assert.equal(rest.add_bos_token, true);
  assert.equal(rest.add_space_prefix, true);
  const [unk, bos, eos] = rest.token_type;
  assert.deepEqual([unk, bos, eos], [2, 3, 3]);
  assert.equal(rest.token_type[tokens.indexOf("<0x0A>")], 6);
  // The first merge is tried first, so what it gives has the best score.
  const first = parsed.model.merges[0].join("");
  const score = (token: string) => (scores as number[])[tokens.indexOf(token)];
  assert.equal(score(first), -1);
  assert.ok(score(parsed.model.merges[9].join("")) < -1);
});

Deno.test("ggufTokenizer() names no ids that the model does not have", () => {
  const file = readFixture("tokenizer/llama.json") as {
    model: Record<string, unknown>;
  };
  const config = { bos_token_id: -1, eos_token_id: 2 ** 40 } as never;
  for (const unk_id of [600, 2 ** 32 - 2]) {
    const json = JSON.stringify({ ...file, model: { ...file.model, unk_id } });
    const { token_type, ...rest } = tokenizerOf(json, 600, config);
    assert.equal(token_type.length, 600);
    assert.equal(rest.unknown_token_id, undefined);
    // Of the tokenizer, in place of those.
    assert.deepEqual([rest.bos_token_id, rest.eos_token_id], [2, 2]);
  }
});

/** As the tokenizer.json of a model of that name has it. */
const LLAMA3 = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|` +
  String.raw`[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|` +
  String.raw`\s*[\r\n]+|\s+(?!\S)|\s+`;
const QWEN2 = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|` +
  String.raw`[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|` +
  String.raw`\s*[\r\n]+|\s+(?!\S)|\s+`;

Deno.test("ggufTokenizer() names the words of byte-level BPE, or refuses", () => {
  const file = readFixture("tokenizer/gpt2.json") as object;
  const bytes = { type: "ByteLevel", add_prefix_space: false };
  const noRegex = { ...bytes, use_regex: false };
  const split = (Regex: string) => ({ type: "Split", pattern: { Regex } });
  const digits = { type: "Digits", individual_digits: true };
  const cases: [name: string | null, ...steps: object[]][] = [
    ["gpt-2", bytes],
    ["gpt-2", { ...bytes, use_regex: true }],
    ["smollm", digits, bytes],
    ["llama-bpe", split(LLAMA3), noRegex],
    ["qwen2", split(QWEN2), noRegex],
    [null, noRegex],
    [null, { ...bytes, add_prefix_space: true }],
    [null, { type: "Metaspace" }],
    [null, digits, noRegex],
    [null, { ...digits, individual_digits: false }, bytes],
    [null, split(LLAMA3), bytes],
    [null, split(LLAMA3.slice(1)), noRegex],
    [null, { type: "Whitespace", pattern: { Regex: LLAMA3 } }, noRegex],
    [null, digits, split(LLAMA3), bytes],
    [null],
  ];
  for (const [name, ...pretokenizers] of cases) {
    const given = pretokenizers.length === 1
      ? pretokenizers[0]
      : { type: "Sequence", pretokenizers };
    const json = JSON.stringify({ ...file, pre_tokenizer: given });
    const what = JSON.stringify(given);
    if (name === null) {
      assert.throws(() => tokenizerOf(json, 600), UserError, what);
    } else assert.equal(tokenizerOf(json, 600).pre, name, what);
  }
});

Deno.test("ggufTokenizer() refuses what llama.cpp cannot read", () => {
  const json = JSON.stringify({
    pre_tokenizer: { type: "Whitespace" },
    model: { type: "WordLevel", vocab: { a: 0 }, unk_token: "a" },
  });
  assert.throws(() => tokenizerOf(json, 1), (error) => {
    assert.ok(error instanceof UserError);
    assert.match(error.message, /^Cannot export as gguf: llama.cpp has no/);
    return true;
  });
});
