/** Bundles, and what an export makes of a damaged checkpoint. @module */

import { join } from "node:path";
import { UserError } from "../../src/base/errors.ts";
import type { PhiloxStream } from "../../src/base/philox.ts";
import { sealOf } from "../../src/base/sealed_file.ts";
import { configSchema } from "../../src/config/schema.ts";
import { parseBundledModel } from "../../src/export/bundle/bundled_model.ts";
import {
  appendModel,
  openBundledModel,
} from "../../src/export/bundle/model_section.ts";
import {
  type ExportDtype,
  type ExportFormat,
  exportModel,
} from "../../src/export/export_model.ts";
import { eachFromHuggingFace } from "../../src/model/huggingface.ts";
import { configFromHf, hfConfig } from "../../src/model/huggingface_config.ts";
import { parameters } from "../../src/model/parameters.ts";
import { openWeights } from "../../src/run/checkpoints/checkpoint_files.ts";
import { loadCheckpoint } from "../../src/run/checkpoints/checkpoint_list.ts";
import {
  loadManifest,
  type Manifest,
} from "../../src/run/checkpoints/manifest.ts";
import { initialMeta, loadMeta } from "../../src/run/files/meta.ts";
import { parseTokenizerJson } from "../../src/tokenizer/tokenizer_json.ts";
import { run } from "../cli/_fake_io.ts";
import { toHuggingFace } from "../model/_huggingface.ts";
import { compileOnce } from "./_model_targets.ts";
import { damageFile } from "./_damage.ts";
import { mutateBytes, mutateJson, mutateText, safetensors } from "./_mutate.ts";
import { checkHarmless } from "./_shown_targets.ts";
import type { OpenTarget } from "./_targets.ts";
import { TINY_MODELS, writeTinyCheckpoint } from "./_tiny_models.ts";

const isUserError = (error: unknown) => error instanceof UserError;
const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

const FIXTURES = new URL("../fixtures/tokenizer/", import.meta.url);
/** What stands in for the program, in front of the model. */
const PROGRAM = bytesOf("#!/bin/sh\nexit 1\n".repeat(9));

/** The model at the end of a file, and the words that say where it is. */
export async function openBundle(dir: string): Promise<OpenTarget> {
  const path = join(dir, "poet");
  const tokenizerJson = await Deno.readTextFile(new URL("byte.json", FIXTURES));
  const seeds: Uint8Array[] = [];
  for (const model of TINY_MODELS) {
    await Deno.writeFile(path, new Uint8Array());
    const all = parameters(model);
    await appendModel(path, {
      ...{ runId: "owl-1", checkpoint: "step-00000005", step: 5, dtype: "F32" },
      ...{ modelConfig: hfConfig(model), tokenizerJson },
      tensors: toHuggingFace(model, (name) => {
        const { shape } = all.find((one) => one.name === name)!;
        return new Float32Array(shape.reduce((a, b) => a * b, 1));
      }),
    });
    seeds.push(await Deno.readFile(path));
  }
  return {
    async feed(random) {
      const whole = seeds[random.below(seeds.length)];
      const model = random.below(4) === 0
        ? mutateBytes(whole, random, seeds)
        : damageSection(whole, random);
      await Deno.writeFile(path, new Uint8Array([...PROGRAM, ...model]));
      let from = PROGRAM.length;
      if (random.below(20) === 0) from += random.below(2 * model.length + 1);
      const { sha256 } = await sealOf(path, { from });
      const right = `${String(from).padEnd(12)} ${sha256} ${path}`;
      const bundledModel = random.below(10) === 0
        ? mutateText(right, random, [right, "9".repeat(400)])
        : right;
      if (random.below(4) > 0) {
        const bundled = parseBundledModel(bundledModel);
        const { content, step } = await openBundledModel(bundled);
        if (!Number.isSafeInteger(step)) throw new Error(`at step ${step}`);
        const config = configFromHf(content.modelConfig);
        parseTokenizerJson(content.tokenizerJson, "tokenizer.json");
        for await (const _ of eachFromHuggingFace(config, content.params));
        return;
      }
      const flag = ["--help", "--version", "--temperature=x"][random.below(3)];
      const { code, out, err } = await run([flag], { bundledModel, tty: true });
      // deno-lint-ignore no-control-regex -- colors are the program's own
      checkHarmless((out + err).replaceAll(/\x1b\[\d+m/g, ""), flag);
      if (/went wrong that should not/.test(err)) throw new Error(err);
      if (code !== 0) throw new Refused();
    },
    mayThrow: (error) => isUserError(error) || error instanceof Refused,
  };
}

/** The command line said no. */
class Refused extends Error {}

/**
 * Damages the header, whose metadata has texts that are JSON again, and texts
 * that reach a terminal.
 */
function damageSection(file: Uint8Array, random: PhiloxStream): Uint8Array {
  const length = Number(new DataView(file.buffer).getBigUint64(0, true));
  const json = textOf(file.subarray(8, 8 + length));
  const data = file.subarray(8 + length);
  const header = JSON.parse(json);
  const metadata = header.__metadata__;
  switch (random.below(4)) {
    case 0:
      return safetensors(mutateJson(json, random), data);
    case 1: { // what is in a text
      const key = ["config", "tokenizer"][random.below(2)];
      metadata[key] = mutateJson(metadata[key], random);
      break;
    }
    case 2: { // of the metadata alone, which may be no JSON any more
      const damaged = mutateJson(JSON.stringify(metadata), random);
      const tensors = JSON.stringify({ ...header, __metadata__: undefined });
      const text = `{"__metadata__":${damaged},${tensors.slice(1)}`;
      return safetensors(text, data);
    }
    default: {
      const key = ["runId", "checkpoint", "step"][random.below(3)];
      const put = ["\x1b[2J", "\x07", "\n", "\u202e", "-1", "1e999", " "];
      metadata[key] = put[random.below(put.length)] + metadata[key];
    }
  }
  return safetensors(JSON.stringify(header), data);
}

const FORMATS: [ExportFormat, ExportDtype][] = [
  ...[["hf", "f32"], ["safetensors", "bf16"], ["gguf", "f16"]] as const,
  ...[["gguf", "q8_0"], ["gguf", "f32"], ["peft", "f32"]] as const,
].map(([format, dtype]) => [format, dtype]);

/** A checkpoint and its run, as far as each format needs them. */
export async function openExport(root: string): Promise<OpenTarget> {
  const names = [
    ...["model.safetensors", "trainer.json", "config.json", "tokenizer.json"],
    "meta.json",
  ];
  const others = await Promise.all(
    ["byte", "char", "gpt2", "llama"].map((name) =>
      Deno.readFile(new URL(`${name}.json`, FIXTURES))
    ),
  );
  const seeds: {
    dir: string;
    files: Map<string, Uint8Array>;
    manifest: Manifest;
  }[] = [];
  const meta = JSON.stringify({
    ...initialMeta({
      ...{ runId: "owl-1", config: configSchema.parse({}) },
      commandLine: ["hearth"],
    }),
    sessions: [{ startedAt: "2026-01-01T00:00:00Z", commandLine: ["a b"] }],
  });
  for (const tiny of TINY_MODELS) {
    const model = { ...tiny, vocabSize: 600 }; // for all of the tokenizers
    const dir = join(root, model.arch, "step-00000005");
    await Deno.mkdir(dir, { recursive: true });
    await writeTinyCheckpoint(dir, model);
    await Deno.writeTextFile(join(dir, "meta.json"), meta);
    const files = new Map<string, Uint8Array>();
    for (const name of names) {
      files.set(name, await Deno.readFile(join(dir, name)));
    }
    seeds.push({ dir, files, manifest: await loadManifest(dir) });
  }
  compileOnce();
  return {
    async feed(random) {
      const { dir, files, manifest } = seeds[random.below(seeds.length)];
      const name = names[random.below(names.length)];
      const path = join(dir, name), whole = files.get(name)!;
      const seed = name === "tokenizer.json"
        ? others[random.below(others.length)]
        : whole;
      try {
        await Deno.writeFile(path, damageFile(name, seed, random, others));
        const sealed = { ...manifest.files, [name]: await sealOf(path) };
        await Deno.writeTextFile(
          join(dir, "manifest.json"),
          JSON.stringify({ ...manifest, files: sealed }),
        );
        const loaded = await loadCheckpoint(join(dir, ".."), {
          ...{ choice: "5", read: openWeights },
        });
        const [format, dtype] = FORMATS[random.below(FORMATS.length)];
        await exportModel({
          ...{ format, dtype, output: join(root, "out"), force: true },
          chosen: { ...loaded, runId: "owl-1" },
          meta: await loadMeta(join(dir, "meta.json")).catch(() => null),
        });
      } finally {
        await Deno.writeFile(path, whole);
        await Deno.remove(join(root, "out"), { recursive: true })
          .catch(() => {}); // it may not have come so far
      }
    },
    mayThrow: isUserError,
  };
}
