/**
 * Models that others made: folders, and tokenizers of all their shapes.
 *
 * @module
 */

import { join } from "node:path";
import { UserError } from "../../src/base/errors.ts";
import { valuesOf, writeSafetensors } from "../../src/base/safetensors.ts";
import { openModelFolder } from "../../src/export/model_folder.ts";
import { hfConfig } from "../../src/model/huggingface_config.ts";
import { parameters } from "../../src/model/parameters.ts";
import { loadTokenizer } from "../../src/tokenizer/mod.ts";
import { toHuggingFace } from "../model/_huggingface.ts";
import { damageFile } from "./_damage.ts";
import { mutateJson } from "./_mutate.ts";
import type { OpenTarget } from "./_targets.ts";
import { TINY_MODELS } from "./_tiny_models.ts";

const isUserError = (error: unknown) => error instanceof UserError;
const INDEX = "model.safetensors.index.json";

/** A folder as `save_pretrained` writes it, whole or in shards. */
export async function openImport(root: string): Promise<OpenTarget> {
  const tokenizer = await Deno.readFile(
    new URL("../fixtures/tokenizer/byte.json", import.meta.url),
  );
  const seeds: { dir: string; files: Map<string, Uint8Array> }[] = [];
  for (const model of TINY_MODELS) {
    const all = parameters(model);
    const tensors = toHuggingFace(model, (name) => {
      const { shape } = all.find((one) => one.name === name)!;
      return new Float32Array(shape.reduce((a, b) => a * b, 1));
    });
    for (const shards of [1, 2]) {
      const dir = join(root, `${model.arch}-${shards}`);
      await Deno.mkdir(dir);
      const weight_map: Record<string, string> = {};
      for (let i = 0; i < shards; i++) {
        const file = shards === 1
          ? "model.safetensors"
          : `model-0000${i + 1}-of-00002.safetensors`;
        const part = tensors.filter((_, k) => k % shards === i);
        await writeSafetensors(join(dir, file), part);
        for (const { name } of part) weight_map[name] = file;
      }
      const { hearth: _, ...config } = hfConfig(model);
      const write = (name: string, value: unknown) =>
        Deno.writeTextFile(join(dir, name), JSON.stringify(value));
      await write("config.json", config);
      if (shards > 1) await write(INDEX, { metadata: {}, weight_map });
      await Deno.writeFile(join(dir, "tokenizer.json"), tokenizer);
      const files = new Map<string, Uint8Array>();
      for (const { name } of await Array.fromAsync(Deno.readDir(dir))) {
        files.set(name, await Deno.readFile(join(dir, name)));
      }
      seeds.push({ dir, files });
    }
  }
  return {
    async feed(random) {
      const { dir, files } = seeds[random.below(seeds.length)];
      // Tokenizers have targets of their own, as WebAssembly is slow.
      const names = [...files.keys()].filter((name) =>
        name !== "tokenizer.json" || random.below(200) === 0
      );
      const name = names[random.below(names.length)];
      const whole = files.get(name)!;
      await Deno.writeFile(
        join(dir, name),
        damageFile(name, whole, random, [...files.values()]),
      );
      try {
        const { tensors } = await openModelFolder(dir);
        for (const tensor of tensors) await valuesOf(tensor);
      } finally {
        await Deno.writeFile(join(dir, name), whole);
      }
    },
    mayThrow: isUserError,
  };
}

const words = ["[UNK]", "Once", "upon", "a", "##n", "o", "n", "c", "e", "on"];
const vocab = Object.fromEntries(words.map((word, id) => [word, id]));
const scores = words.map((word, id) => [word, id === 0 ? 0 : -id]);
const added_tokens = [{
  ...{ id: 0, content: "[UNK]", single_word: false, lstrip: false },
  ...{ rstrip: false, normalized: false, special: true },
}];

/** Small, so that damage strikes what matters. */
const SHAPES = [
  {
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "BertNormalizer", lowercase: false, strip_accents: null },
        { type: "Replace", pattern: { Regex: " {2,}" }, content: " " },
        { type: "NFKC" },
      ],
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    model: {
      ...{ type: "WordPiece", unk_token: "[UNK]" },
      ...{ continuing_subword_prefix: "##", max_input_chars_per_word: 9 },
      vocab,
    },
  },
  {
    normalizer: { type: "Prepend", prepend: "_" },
    pre_tokenizer: {
      ...{ type: "Metaspace", replacement: "_" },
      ...{ prepend_scheme: "always", split: true },
    },
    decoder: { type: "Metaspace", replacement: "_", prepend_scheme: "always" },
    model: { type: "Unigram", unk_id: 0, vocab: scores, byte_fallback: false },
  },
  {
    normalizer: { type: "Strip", strip_left: true, strip_right: false },
    pre_tokenizer: {
      type: "Split",
      pattern: { Regex: "(\\w+|[^\\w\\s])+?" },
      ...{ behavior: "Isolated", invert: false },
    },
    decoder: { type: "Fuse" },
    model: { type: "WordLevel", vocab, unk_token: "[UNK]" },
  },
  {
    normalizer: null,
    pre_tokenizer: { type: "Sequence", pretokenizers: [{ type: "Digits" }] },
    decoder: {
      type: "Sequence",
      decoders: [{ type: "ByteFallback" }, { type: "Strip", content: " " }],
    },
    model: {
      ...{ type: "BPE", unk_token: "[UNK]", fuse_unk: true },
      ...{ byte_fallback: true, ignore_merges: false, vocab },
      merges: [["o", "n"]],
    },
  },
].map((shape) =>
  JSON.stringify({
    ...{ version: "1.0", truncation: null, padding: null },
    ...{ added_tokens, post_processor: null },
    ...shape,
  })
);
const TEXT = "Once upon  a time \u{1f98a}\ud800 a fox\n";

/** Tokenizers that Hugging Face's code encodes, in WebAssembly. */
export async function openWasmTokenizer(): Promise<OpenTarget> {
  const llama = await Deno.readTextFile(
    new URL("../fixtures/tokenizer/llama.json", import.meta.url),
  );
  const seeds = [...SHAPES, llama];
  compileOnce();
  return {
    async feed(random) {
      const seed = seeds[random.below(seeds.length)];
      const tokenizer = await loadTokenizer(mutateJson(seed, random));
      tokenizer.countUnknown(TEXT);
      tokenizer.decode(tokenizer.encode(TEXT));
      tokenizer.decode([0, 1, 2 ** 31, tokenizer.vocabSize]);
    },
    mayThrow: isUserError,
  };
}

/** Each tokenizer has an instance of its own; to compile it takes the time. */
export function compileOnce(): void {
  const { instantiate } = WebAssembly;
  let module: Promise<WebAssembly.Module> | undefined;
  const instantiateCached = async (
    bytes: BufferSource,
    imports?: WebAssembly.Imports,
  ) => {
    const compiled = await (module ??= WebAssembly.compile(bytes));
    return { module: compiled, instance: await instantiate(compiled, imports) };
  };
  Object.assign(WebAssembly, { instantiate: instantiateCached });
}
