import assert from "node:assert/strict";
import {
  adapterFile,
  readAdapterFile,
  weightsSha256,
} from "../../../src/run/checkpoints/adapter_base.ts";
import {
  DamagedCheckpoint,
  type Manifest,
} from "../../../src/run/checkpoints/manifest.ts";

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
  assert.equal(weightsSha256(manifest({ "adapter.json": "12" })), null);
  assert.equal(weightsSha256(manifest({})), null);
});
