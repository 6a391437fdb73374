import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { UserError } from "../../../src/base/errors.ts";
import { sealOf } from "../../../src/base/sealed_file.ts";
import { resolveLora } from "../../../src/model/lora.ts";
import {
  adapterFile,
  readAdapterFile,
  WeightsIndex,
  weightsSha256,
} from "../../../src/run/checkpoints/adapter_base.ts";
import { openWeights } from "../../../src/run/checkpoints/checkpoint_files.ts";
import {
  DamagedCheckpoint,
  loadManifest,
  type Manifest,
  saveManifest,
} from "../../../src/run/checkpoints/manifest.ts";
import { inTempDir } from "../../base/_helpers.ts";
import {
  TINY_MODELS,
  writeTinyAdapters,
  writeTinyCheckpoint,
} from "../../fuzz/_tiny_models.ts";

const ADAPTERS = {
  lora: { rank: 2, alpha: 4, dropout: 0, targets: ["qkv"] },
  base: { from: "owl-1/step-00000500", sha256: "ab" },
};

Deno.test("readAdapterFile() reads what adapterFile() writes", () => {
  const file = JSON.parse(JSON.stringify(adapterFile(ADAPTERS)));
  assert.deepEqual(readAdapterFile(file), ADAPTERS);
});

Deno.test("readAdapterFile() names what is wrong, and no path leads elsewhere", () => {
  const file = adapterFile(ADAPTERS);
  const mistake = (change: object, pattern: RegExp) =>
    assert.throws(
      () => readAdapterFile({ ...file, ...change }),
      (error) =>
        error instanceof DamagedCheckpoint && pattern.test(error.message),
    );
  mistake({ rank: 0 }, /^adapter\.json: rank: /);
  mistake({ alpha: "4" }, /^adapter\.json: alpha: /);
  mistake({ targets: [] }, /^adapter\.json: targets: /);
  mistake({ targets: Array(65).fill("qkv") }, /^adapter\.json: targets: /);
  mistake({ version: 2 }, /^adapter\.json: version: /);
  for (const from of ["../owl-1", "/etc", "owl-1/../../x", "", "a//b"]) {
    mistake({ base: { from, sha256: "ab" } }, /^adapter\.json: base: from: /);
  }
  assert.throws(() => readAdapterFile(null), DamagedCheckpoint);
});

Deno.test("weightsSha256() is of the model, or of adapters and what they name", () => {
  const manifest = (sums: Record<string, string>): Manifest => ({
    version: 1,
    step: 1,
    sequence: 1,
    periodic: false,
    savedAt: "",
    files: Object.fromEntries(
      Object.entries(sums).map((
        [name, sha256],
      ) => [name, { sizeBytes: 1, sha256 }]),
    ),
  });
  assert.equal(weightsSha256(manifest({ "model.safetensors": "12" })), "12");
  const adapters = { "adapter.json": "12", "adapter.safetensors": "34" };
  // printf '12\n34\n' | sha256sum
  assert.equal(
    weightsSha256(manifest(adapters)),
    "3035a06b22bbd96c69d4824c4a5d7b16919c9c2f5be56308de5bbb89a579da1b",
  );
  assert.equal(
    weightsSha256(manifest({ ...adapters, "model.safetensors": "56" })),
    weightsSha256(manifest(adapters)), // adapters are what is read then
  );
  assert.equal(weightsSha256(manifest({ "adapter.json": "12" })), null);
  assert.equal(weightsSha256(manifest({})), null);
});

const MODEL = TINY_MODELS[0];
const LORA = resolveLora({ rank: 2, targets: "qkv" }, MODEL)!;
const [OWL, FOX] = ["owl-1/step-00000005", "fox-1/step-00000005"];

/** A model, adapters beside it, and where both are. */
function withChain(
  use: (dirs: { base: string; adapters: string }) => Promise<void>,
): Promise<void> {
  return inTempDir(async (root) => {
    const [base, adapters] = [OWL, FOX].map((name) => join(root, name));
    for (const dir of [base, adapters]) {
      await Deno.mkdir(dir, { recursive: true });
    }
    await writeTinyCheckpoint(base, MODEL);
    const sha256 = weightsSha256(await loadManifest(base))!;
    await writeTinyAdapters(adapters, {
      ...{ model: MODEL, lora: LORA, base: { from: OWL, sha256 } },
    });
    await use({ base, adapters });
  });
}

/** Another text in a file, and its manifest as if it had been written so. */
async function reseal(
  dir: string,
  name: string,
  change: (old: string) => string,
) {
  const path = join(dir, name);
  await Deno.writeTextFile(path, change(await Deno.readTextFile(path)));
  const manifest = await loadManifest(dir);
  const files = { ...manifest.files, [name]: await sealOf(path) };
  await saveManifest(dir, { ...manifest, files });
}

Deno.test("openWeights() is not led round by adapters that are their own base", () =>
  withChain(async ({ adapters }) => {
    const manifest = await loadManifest(adapters);
    const sha256 = "ab".repeat(32); // of a model that need not be there
    const files = {
      ...manifest.files,
      "model.safetensors": { sizeBytes: 1, sha256 },
    };
    await saveManifest(adapters, { ...manifest, files });
    await reseal(
      adapters,
      "adapter.json",
      () =>
        JSON.stringify(
          adapterFile({ lora: LORA, base: { from: FOX, sha256 } }),
        ),
    );
    await assert.rejects(openWeights(adapters), (error) => {
      assert.ok(error instanceof UserError);
      assert.equal(
        error.message,
        `Cannot load "${FOX}": its adapters belong to "${FOX}", which has ` +
          "other weights now",
      );
      return true;
    });
  }));

Deno.test("openWeights() refuses a base whose tensors are not those of its model", () =>
  withChain(async ({ base, adapters }) => {
    // As long as before, so that the rest of the file is as it was.
    const [was, is] = ['"shape":[8,4]', '"shape":[4,8]'];
    const path = join(base, "model.safetensors");
    const bytes = await Deno.readFile(path);
    const at = new TextDecoder("latin1").decode(bytes).indexOf(was);
    assert.ok(at > 0);
    bytes.set(new TextEncoder().encode(is), at);
    await Deno.writeFile(path, bytes);
    const manifest = await loadManifest(base);
    const seal = await sealOf(path);
    const files = { ...manifest.files, "model.safetensors": seal };
    await saveManifest(base, { ...manifest, files });
    await reseal(
      adapters,
      "adapter.json",
      (old) => old.replace(/"sha256": "\w+"/, `"sha256": "${seal.sha256}"`),
    );
    await assert.rejects(openWeights(adapters), (error) => {
      assert.ok(error instanceof UserError);
      assert.equal(
        error.message,
        'Cannot load the model: tensor "transformer.wpe.weight" has shape ' +
          "(4, 8), expected (8, 4)",
      );
      return true;
    });
  }));

Deno.test("openWeights() calls adapters of another rank than theirs damaged", () =>
  withChain(async ({ adapters }) => {
    const rank = LORA.rank + 1;
    await reseal(
      adapters,
      "adapter.json",
      (old) => old.replace(`"rank": ${LORA.rank}`, `"rank": ${rank}`),
    );
    // As damage, for then a resume falls back to the checkpoint before.
    await assert.rejects(
      openWeights(adapters),
      (error) =>
        error instanceof DamagedCheckpoint && /shape/.test(error.message),
    );
  }));

Deno.test("WeightsIndex finds the first of equal weights, and looks once", () =>
  withChain(async ({ base, adapters }) => {
    const checkpoints = dirname(dirname(base));
    const copy = join(checkpoints, "elk-1", "step-00000001");
    await Deno.mkdir(copy, { recursive: true });
    for (const { name } of await Array.fromAsync(Deno.readDir(base))) {
      await Deno.copyFile(join(base, name), join(copy, name));
    }
    const [model, factors] = await Promise.all(
      [base, adapters].map(async (dir) =>
        weightsSha256(await loadManifest(dir))!
      ),
    );
    const index = new WeightsIndex();
    assert.equal(await index.find(checkpoints, model), copy);
    // A thousand adapters beside each other, all moved, took 87 s.
    await Deno.rename(checkpoints, `${checkpoints}-gone`);
    assert.equal(await index.find(checkpoints, factors), adapters);
    assert.equal(await index.find(checkpoints, "ab"), null);
    await Deno.rename(`${checkpoints}-gone`, checkpoints);
  }));
