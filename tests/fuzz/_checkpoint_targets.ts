/** Whole checkpoints with one damaged file, sealed again. @module */

import { join } from "node:path";
import { UserError } from "../../src/base/errors.ts";
import { parseJson } from "../../src/base/parse_json.ts";
import { sealOf } from "../../src/base/sealed_file.ts";
import { valuesOf } from "../../src/base/safetensors.ts";
import { configSchema } from "../../src/config/schema.ts";
import { eachFromHuggingFace } from "../../src/model/huggingface.ts";
import { configFromHf } from "../../src/model/huggingface_config.ts";
import { openSnapshot } from "../../src/run/checkpoints/checkpoint_files.ts";
import {
  DamagedCheckpoint,
  loadManifest,
  type Manifest,
} from "../../src/run/checkpoints/manifest.ts";
import { parseTokenizerJson } from "../../src/tokenizer/tokenizer_json.ts";
import { restoreState } from "../../src/train/restored_state.ts";
import {
  checkTrainerState,
  type TrainerState,
} from "../../src/train/trainer_state.ts";
import { damageFile } from "./_damage.ts";
import { mutateJson } from "./_mutate.ts";
import type { OpenTarget } from "./_targets.ts";
import { TINY_MODELS, TRAINER, writeTinyCheckpoint } from "./_tiny_models.ts";

const FILES = [
  "model.safetensors",
  "optimizer.safetensors",
  "trainer.json",
  "config.json",
  "tokenizer.json",
];

const mayThrow = (error: unknown) =>
  error instanceof DamagedCheckpoint || error instanceof UserError ||
  error instanceof SyntaxError;

/** Read as far as resuming and generating read them. */
export async function openCheckpoint(root: string): Promise<OpenTarget> {
  const seeds: {
    dir: string;
    files: Map<string, Uint8Array>;
    manifest: Manifest;
  }[] = [];
  for (const model of TINY_MODELS) {
    const dir = join(root, model.arch);
    await Deno.mkdir(dir);
    await writeTinyCheckpoint(dir, model);
    const files = new Map<string, Uint8Array>();
    for (const name of FILES) {
      files.set(name, await Deno.readFile(join(dir, name)));
    }
    seeds.push({ dir, files, manifest: await loadManifest(dir) });
  }
  return {
    async feed(random) {
      const { dir, manifest, files: contents } =
        seeds[random.below(seeds.length)];
      const name = FILES[random.below(FILES.length)];
      const whole = contents.get(name)!;
      const path = join(dir, name);
      await Deno.writeFile(
        path,
        damageFile(name, whole, random, [...contents.values()]),
      );
      const files = { ...manifest.files, [name]: await sealOf(path) };
      try {
        // Without a checksum of its own, as the first ones were: no waiting
        // for the disk.
        await Deno.writeTextFile(
          join(dir, "manifest.json"),
          JSON.stringify({ ...manifest, files }),
        );
        await read(dir);
      } finally {
        await Deno.writeFile(path, whole);
      }
    },
    mayThrow,
  };
}

async function read(dir: string): Promise<void> {
  const snapshot = await openSnapshot(dir);
  const config = configFromHf(snapshot.modelConfig);
  parseTokenizerJson(snapshot.tokenizerJson, "tokenizer.json");
  for await (const _ of eachFromHuggingFace(config, snapshot.params));
  for (const tensor of snapshot.optimizer) await valuesOf(tensor);
  restore(snapshot.trainer);
}

/** The state of the trainer, as a run goes on from it. */
export function openTrainer(): Promise<OpenTarget> {
  const lrCurve = {
    policy: "rewarm",
    warmup: { from: 4, fromLr: 1e-4, steps: 2 },
    ...{ decay: { from: 4, done: 0.5 }, hold: null },
  };
  const seeds = [TRAINER, { ...TRAINER, lrCurve }]
    .map((value) => JSON.stringify(value));
  return Promise.resolve({
    feed(random) {
      const json = mutateJson(seeds[random.below(seeds.length)], random);
      restore(checkTrainerState(parseJson(json)));
      return Promise.resolve();
    },
    mayThrow,
  });
}

const { train } = configSchema.parse({ train: { steps: 20, batchSize: 2 } });

function restore(trainer: TrainerState): void {
  const batches = { windows: 40, batchesPerEpoch: 20 };
  for (const more of [undefined, { steps: 5 }]) {
    restoreState(trainer, { train, batches, plan: { more } });
  }
}
