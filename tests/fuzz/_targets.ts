/**
 * What reads files of strangers, each with valid inputs to damage and the
 * errors that it may refuse them with.
 *
 * @module
 */

import { join } from "node:path";
import { UserError } from "../../src/base/errors.ts";
import { parseJson } from "../../src/base/parse_json.ts";
import type { PhiloxStream } from "../../src/base/philox.ts";
import { readSafetensors } from "../base/_safetensors.ts";
import { openAdapter } from "./_adapter_targets.ts";
import { openCheckpoint, openTrainer } from "./_checkpoint_targets.ts";
import {
  openJsonLines,
  openParquet,
  openText,
  openTokens,
  openZip,
} from "./_data_targets.ts";
import {
  mutateBytes,
  mutateHeader,
  mutateJson,
  mutateText,
  safetensors,
} from "./_mutate.ts";
import { openBundle, openExport } from "./_export_targets.ts";
import { openImport, openWasmTokenizer } from "./_model_targets.ts";
import { openNames } from "./_name_targets.ts";
import { openDownload, openHub } from "./_net_targets.ts";
import { openMachine } from "./_machine_targets.ts";
import { openRaw } from "./_raw_targets.ts";
import {
  openManifest,
  openMeta,
  openMetrics,
  openPrepared,
  openRunFiles,
  openState,
} from "./_run_targets.ts";
import { openReport, openShown } from "./_shown_targets.ts";
import { parseFileLayer } from "../../src/config/parse.ts";
import { loadConfig } from "../../src/config/load.ts";
import { PROFILES } from "../../src/config/profiles.ts";
import { writeSafetensors } from "../../src/base/safetensors.ts";
import { huggingFaceTensors } from "../../src/model/huggingface.ts";
import { configFromHf, hfConfig } from "../../src/model/huggingface_config.ts";
import { readByteLevel } from "../../src/tokenizer/byte_level_bpe.ts";
import { readCharacters } from "../../src/tokenizer/characters.ts";
import { loadTokenizer } from "../../src/tokenizer/mod.ts";
import { parseTokenizerJson } from "../../src/tokenizer/tokenizer_json.ts";
import { TINY_MODELS } from "./_tiny_models.ts";

/** A reader, ready to be fed. */
export interface OpenTarget {
  /** Makes one input and has it read. */
  feed(random: PhiloxStream): Promise<void>;
  /** Whether an error is one that it documents. */
  mayThrow(error: unknown): boolean;
}

/** A reader. */
interface Target {
  /** @param dir Its own directory. */
  open(dir: string): Promise<OpenTarget>;
  /** It gets one input where others get so many: it is slow. */
  rarer: number;
}

/** For readers that promise `UserError` for all that can be wrong. */
export const isUserError = (error: unknown) => error instanceof UserError;

const FIXTURES = new URL("../fixtures/tokenizer/", import.meta.url);
const TEXT = "Once upon a time, <|endoftext|> \u{1f98a}\ud800 a fox\n";

/** By name. */
export const TARGETS = {
  safetensors: { open: openSafetensors, rarer: 1 },
  tokenizer: { open: openTokenizer, rarer: 1 },
  "tokenizer-wasm": { open: openWasmTokenizer, rarer: 10 },
  import: { open: openImport, rarer: 1 },
  hub: { open: openHub, rarer: 1 },
  download: { open: openDownload, rarer: 1 },
  raw: { open: openRaw, rarer: 1 },
  "config-json": { open: openConfigJson, rarer: 1 },
  manifest: { open: openManifest, rarer: 1 },
  checkpoint: { open: openCheckpoint, rarer: 1 },
  adapter: { open: openAdapter, rarer: 1 },
  bundle: { open: openBundle, rarer: 1 },
  export: { open: openExport, rarer: 1 },
  trainer: { open: openTrainer, rarer: 1 },
  state: { open: openState, rarer: 1 },
  meta: { open: openMeta, rarer: 1 },
  metrics: { open: openMetrics, rarer: 1 },
  prepared: { open: openPrepared, rarer: 1 },
  tokens: { open: openTokens, rarer: 1 },
  yaml: { open: openYaml, rarer: 1 },
  text: { open: openText, rarer: 1 },
  jsonl: { open: openJsonLines, rarer: 1 },
  zip: { open: openZip, rarer: 1 },
  parquet: { open: openParquet, rarer: 1 },
  "run-files": { open: openRunFiles, rarer: 1 },
  machine: { open: openMachine, rarer: 1 },
  shown: { open: openShown, rarer: 1 },
  report: { open: openReport, rarer: 1 },
  names: { open: openNames, rarer: 1 },
} as const satisfies Record<string, Target>;

/** Name of a target. */
export type TargetName = keyof typeof TARGETS;

async function openSafetensors(dir: string): Promise<OpenTarget> {
  const path = join(dir, "a.safetensors");
  const seeds: Uint8Array[] = [];
  const data = (n: number) => Float32Array.from({ length: n }, (_, i) => i);
  for (
    const tensors of [
      [{ name: "w", shape: [2, 3], data: data(6) }],
      [
        { name: "a", shape: [], data: data(1) },
        { name: "b.weight", shape: [0, 4], data: data(0) },
        { name: "c", shape: [5], data: data(5) },
      ],
    ]
  ) {
    await writeSafetensors(path, tensors, { metadata: { step: "5" } });
    seeds.push(await Deno.readFile(path));
  }
  for (const dtype of ["F16", "BF16"]) {
    const json = JSON.stringify({
      w: { dtype, shape: [2, 2], data_offsets: [0, 8] },
    });
    seeds.push(safetensors(json, new Uint8Array(8)));
  }
  return {
    async feed(random) {
      const seed = seeds[random.below(seeds.length)];
      await Deno.writeFile(
        path,
        random.below(2) === 0
          ? mutateBytes(seed, random, seeds)
          : mutateHeader(seed, random),
      );
      await readSafetensors(path);
    },
    mayThrow: isUserError,
  };
}

async function tokenizerSeeds(names: string[]): Promise<string[]> {
  return await Promise.all(
    names.map((name) => Deno.readTextFile(new URL(name, FIXTURES))),
  );
}

async function openTokenizer(): Promise<OpenTarget> {
  const seeds = (await tokenizerSeeds(["byte.json", "char.json"]))
    .concat(JSON.stringify(smallBpe()));
  return {
    async feed(random) {
      const json = mutateJson(seeds[random.below(seeds.length)], random);
      const file = parseTokenizerJson(json, "tokenizer.json");
      // Hugging Face's code, for other shapes, has a target of its own.
      if (!readByteLevel(file) && !readCharacters(file)) return;
      const tokenizer = await loadTokenizer(json);
      tokenizer.countUnknown(TEXT);
      tokenizer.decode(tokenizer.encode(TEXT));
      tokenizer.decode([0, 1, 2 ** 31, 2 ** 32 - 1, tokenizer.vocabSize]);
    },
    mayThrow: isUserError,
  };
}

/** Byte-level BPE with a few merges: small, so that damage strikes them. */
function smallBpe() {
  return {
    added_tokens: [{
      id: 256,
      content: "<|endoftext|>",
      ...{ single_word: false, lstrip: false, rstrip: false },
      ...{ normalized: false, special: true },
    }],
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false },
    decoder: { type: "ByteLevel" },
    model: {
      type: "BPE",
      vocab: Object.fromEntries(
        [...BYTES, "<|endoftext|>", "on", "ce"].map((word, id) => [word, id]),
      ),
      merges: ["o n", "c e"],
    },
  };
}

/** The characters that stand for bytes in GPT-2's vocabulary. */
const BYTES = Array.from({ length: 256 }, (_, byte) => {
  const printable = byte >= 33 && byte <= 126 || byte >= 161 && byte !== 173;
  const before = byte < 33 ? byte : byte < 161 ? byte - 94 : 67;
  return String.fromCodePoint(printable ? byte : 256 + before);
});

function openConfigJson(): Promise<OpenTarget> {
  const seeds = TINY_MODELS.flatMap((model) => {
    const { hearth: _, ...others } = hfConfig(model);
    return [hfConfig(model), others];
  }).map((value) => JSON.stringify(value));
  return Promise.resolve({
    feed(random) {
      const json = mutateJson(seeds[random.below(seeds.length)], random);
      huggingFaceTensors(configFromHf(parseJson(json)));
      return Promise.resolve();
    },
    mayThrow: (error) => isUserError(error) || error instanceof SyntaxError,
  });
}

async function openYaml(dir: string): Promise<OpenTarget> {
  const seeds = Object.values(PROFILES).map(({ text }) => text).concat(
    "a: &a [1, 2]\nmodel:\n  nLayer: *a\n",
    "seed: 1\ndata: {dataset: [a.txt, {source: b.txt, weight: 2}]}\n",
  );
  const path = join(dir, "a.yaml");
  return await Promise.resolve({
    async feed(random) {
      const seed = seeds[random.below(seeds.length)];
      const text = mutateText(seed, random, seeds);
      parseFileLayer(text, "a.yaml");
      await Deno.writeTextFile(path, text);
      await loadConfig({ file: path });
    },
    mayThrow: isUserError,
  });
}
