/**
 * Adapters, and the checkpoints that they belong to: a chain of them in one
 * root, of which something is damaged and mostly sealed again.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import type { Executable } from "../../src/backend/backend.ts";
import { UserError } from "../../src/base/errors.ts";
import type { PhiloxStream } from "../../src/base/philox.ts";
import { valuesOf } from "../../src/base/safetensors.ts";
import { peftConfig, peftTensors } from "../../src/export/peft_folder.ts";
import { eachFromHuggingFace } from "../../src/model/huggingface.ts";
import { configFromHf } from "../../src/model/huggingface_config.ts";
import { resolveLora } from "../../src/model/lora.ts";
import type { ModelConfig } from "../../src/model/model_config.ts";
import { weightsSha256 } from "../../src/run/checkpoints/adapter_base.ts";
import {
  openSnapshot,
  openWeights,
} from "../../src/run/checkpoints/checkpoint_files.ts";
import { loadCheckpoint } from "../../src/run/checkpoints/checkpoint_list.ts";
import type { Manifest } from "../../src/run/checkpoints/manifest.ts";
import { parseTokenizerJson } from "../../src/tokenizer/tokenizer_json.ts";
import { writeTensors } from "../../src/train/snapshot.ts";
import { damageFile } from "./_damage.ts";
import type { OpenTarget } from "./_targets.ts";
import {
  TINY_MODELS,
  writeTinyAdapters,
  writeTinyCheckpoint,
} from "./_tiny_models.ts";

const STEP = "step-00000005";
/** Each needs the one before it. */
const CHAIN = ["base", "owl-1", "owl-2"].map((run) => `${run}/${STEP}`);
const MANIFEST = "manifest.json", INFO = "adapter.json";
const WHOLE = "model.safetensors", FACTORS = "adapter.safetensors";
const OFTEN = [INFO, FACTORS, MANIFEST];
const FILES = [
  ...["model.safetensors", "optimizer.safetensors", "trainer.json"],
  ...["config.json", "tokenizer.json"],
];
/** Where a base may be said to be. */
const PLACES = [
  ...CHAIN,
  ...["..", "../..", `../checkpoints/base/${STEP}`, `owl-2/../base/${STEP}`],
  ...["/", "/etc", "C:\\x", "", ".", "base", "base/", `/base/${STEP}`],
  ...["none/step-00000001", "a/".repeat(500) + "a", "\0", "\x1b[2J/x", "best"],
];

/** Files of one checkpoint by name; the manifest is apart. */
type Files = Map<string, Uint8Array>;

/** A chain that is written anew where it was damaged. */
interface Chain {
  checkpoints: string;
  files: Map<string, Files>;
  manifests: Map<string, Manifest>;
}

/** Adapters, read as far as generating, resuming and exporting read them. */
export async function openAdapter(root: string): Promise<OpenTarget> {
  const chains: Chain[] = [];
  for (const model of TINY_MODELS) {
    chains.push(await writeChain(join(root, model.arch, "checkpoints"), model));
  }
  return {
    async feed(random) {
      const chain = chains[random.below(chains.length)];
      const changed = damageChain(chain, random);
      try {
        await write(chain, changed);
        const name = CHAIN[1 + random.below(2)];
        const dir = join(chain.checkpoints, name);
        await READERS[random.below(READERS.length)](dir);
      } finally {
        await write(chain, originals(chain, changed));
      }
    },
    // Damage is found by whoever chooses another checkpoint instead.
    mayThrow: (error) =>
      error instanceof UserError ||
      error instanceof Error && error.name === "DamagedCheckpoint",
  };
}

async function writeChain(
  checkpoints: string,
  model: ModelConfig,
): Promise<Chain> {
  const chain: Chain = { checkpoints, files: new Map(), manifests: new Map() };
  let before: { from: string; sha256: string } | undefined;
  for (const from of CHAIN) {
    const dir = join(checkpoints, from);
    await Deno.mkdir(dir, { recursive: true });
    if (before === undefined) await writeTinyCheckpoint(dir, model);
    else {
      // One of the layers, and all of them.
      const targets = from === CHAIN[1] ? "qkv" : "all";
      const lora = resolveLora({ rank: 2, targets }, model)!;
      await writeTinyAdapters(dir, { model, lora, base: before });
    }
    const files: Files = new Map();
    for (const { name } of await Array.fromAsync(Deno.readDir(dir))) {
      files.set(name, await Deno.readFile(join(dir, name)));
    }
    // Without a checksum of its own, as the first ones were.
    const { sha256: _, ...manifest } = JSON.parse(textOf(files.get(MANIFEST)!));
    files.set(MANIFEST, bytesOf(JSON.stringify(manifest)));
    await Deno.writeFile(join(dir, MANIFEST), files.get(MANIFEST)!);
    chain.files.set(from, files);
    chain.manifests.set(from, manifest);
    before = { from, sha256: weightsSha256(manifest)! };
  }
  return chain;
}

/** What differs from the chain, by checkpoint and file. */
type Changes = Map<string, Files>;

/**
 * Damages one file of one checkpoint. Mostly its manifest follows; and, for
 * damage to get past the checks of whoever needs it, so do references to it.
 */
function damageChain(
  { files, manifests }: Chain,
  random: PhiloxStream,
): Changes {
  const at = random.below(4) === 0 ? 0 : 1 + random.below(2);
  const own = files.get(CHAIN[at])!;
  const names = at > 0 && random.below(4) > 0 ? OFTEN : FILES;
  const known = names.filter((name) => own.has(name));
  const name = known[random.below(known.length)];
  const whole = own.get(name)!;
  const changes: Changes = new Map(CHAIN.map((from) => [from, new Map()]));
  let damaged = name === INFO && random.below(2) === 0
    ? bytesOf(elsewhere(textOf(whole), manifests, random))
    : name === MANIFEST && random.below(2) === 0
    ? bytesOf(
      JSON.stringify(doubtful(manifests.get(CHAIN[at])!, manifests, random)),
    )
    : damageFile(name, whole, random, [...own.values()]);
  const seals = random.below(4) > 0, follows = random.below(4) > 0;
  let changedName = name;
  for (let i = at; i < CHAIN.length; i++) {
    const changed = changes.get(CHAIN[i])!;
    changed.set(changedName, damaged);
    if (changedName === MANIFEST || !seals) break;
    const before = manifests.get(CHAIN[i])!;
    const around = random.below(4) === 0
      ? doubtful(before, manifests, random)
      : before;
    const seal = { sizeBytes: damaged.length, sha256: sha256Of(damaged) };
    const manifest = {
      ...around,
      files: { ...around.files, [changedName]: seal },
    };
    changed.set(MANIFEST, bytesOf(JSON.stringify(manifest)));
    const next = files.get(CHAIN[i + 1]), is = weightsSha256(manifest);
    if (!next || !follows || is === null) break;
    const text = textOf(next.get(INFO)!);
    damaged = bytesOf(text.replace(weightsSha256(before)!, is));
    changedName = INFO;
  }
  return changes;
}

/** An `adapter.json` of another base: elsewhere, itself, or one that needs it. */
function elsewhere(
  json: string,
  manifests: Chain["manifests"],
  random: PhiloxStream,
): string {
  const info = JSON.parse(json);
  const known = [...manifests.values()].map(weightsSha256);
  return JSON.stringify({
    ...info,
    base: {
      from: PLACES[random.below(PLACES.length)],
      sha256: [...known, info.base.sha256][random.below(known.length + 1)],
    },
  });
}

/**
 * A manifest that says of more, or of other, weights than there are: whoever
 * believes it may take a checkpoint for its own base.
 */
function doubtful(
  manifest: Manifest,
  manifests: Chain["manifests"],
  random: PhiloxStream,
): Manifest {
  const all = [...manifests.values()];
  const other = all[random.below(all.length)];
  const files: Manifest["files"] = { ...manifest.files };
  for (const name of [WHOLE, FACTORS, INFO]) {
    const seal = other.files[name] ?? all[0].files[WHOLE];
    if (random.below(2) === 0) files[name] = seal;
    else if (random.below(4) === 0) delete files[name];
  }
  return { ...manifest, files };
}

function originals({ files }: Chain, changes: Changes): Changes {
  return new Map([...changes].map(([from, changed]) => [
    from,
    new Map([...changed.keys()].map((n) => [n, files.get(from)!.get(n)!])),
  ]));
}

async function write({ checkpoints }: Chain, changes: Changes): Promise<void> {
  for (const [from, files] of changes) {
    for (const [name, bytes] of files) {
      await Deno.writeFile(join(checkpoints, from, name), bytes);
    }
  }
}

/** For what the files of a checkpoint are read. */
const READERS = [
  generating,
  resuming,
  exporting,
  (dir: string) => loadCheckpoint(dirname(dir), { read: openWeights }),
];

async function generating(dir: string): Promise<void> {
  const { modelConfig, tokenizerJson, params } = await openWeights(dir);
  parseTokenizerJson(tokenizerJson, "tokenizer.json");
  const config = configFromHf(modelConfig);
  for await (const _ of eachFromHuggingFace(config, params));
}

async function resuming(dir: string): Promise<void> {
  const snapshot = await openSnapshot(dir);
  const config = configFromHf(snapshot.modelConfig);
  const lora = resolveLora(snapshot.adapter?.lora ?? {}, config);
  const executable = { write() {} } as unknown as Executable;
  await writeTensors(executable, config, snapshot, lora);
}

async function exporting(dir: string): Promise<void> {
  const content = await openWeights(dir);
  const { adapter, factors } = content;
  // As they are written: their sizes must be those of their shapes.
  for (const tensor of content.params) {
    const { name, shape } = tensor;
    const { length } = await valuesOf(tensor);
    if (shape.reduce((a, b) => a * b, 1) === length) continue;
    throw new Error(`"${name}" has ${length} values, not (${shape})`);
  }
  if (!adapter || !factors) return;
  const config = configFromHf(content.modelConfig);
  JSON.stringify(peftConfig(config, adapter.lora));
  for (const tensor of peftTensors(config, adapter.lora, factors)) {
    await valuesOf(tensor);
  }
}

const sha256Of = (bytes: Uint8Array) =>
  createHash("sha256").update(bytes).digest("hex");
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytesOf = (text: string) => new TextEncoder().encode(text);
