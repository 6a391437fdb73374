import assert from "node:assert/strict";
import { UserError } from "../../../src/base/errors.ts";
import { valuesOf, writeSafetensors } from "../../../src/base/safetensors.ts";
import { parseBundledModel } from "../../../src/export/bundle/bundled_model.ts";
import {
  appendModel,
  openBundledModel,
} from "../../../src/export/bundle/model_section.ts";
import { checkpointOf, MODELS } from "../_checkpoint.ts";

/** A file that has a model behind a few other bytes. */
async function withModel(
  dtype: "F32" | "F16" | "BF16",
  use: (path: string, sha256: string) => Promise<void>,
) {
  const dir = await Deno.makeTempDir();
  const path = `${dir}/model`;
  await Deno.writeFile(path, new Uint8Array(BEFORE).fill(7));
  const { params, modelConfig, tokenizerJson } = checkpointOf(MODELS.gpt2)
    .content;
  const { sha256 } = await appendModel(path, {
    ...{ runId: "owl-1", checkpoint: "step-00000500", step: 500, dtype },
    ...{ modelConfig, tokenizerJson, tensors: params },
  });
  await use(path, sha256);
  await Deno.remove(dir, { recursive: true });
}

/** Neither a multiple of a tensor's size nor of a value's. */
const BEFORE = 1237;

Deno.test("openBundledModel() gives back what appendModel() was given", async () => {
  const { params, modelConfig, tokenizerJson } = checkpointOf(MODELS.gpt2)
    .content;
  for (const dtype of ["F32", "F16", "BF16"] as const) {
    await withModel(dtype, async (path, sha256) => {
      const opened = await openBundledModel({ path, from: BEFORE, sha256 });
      assert.deepEqual([opened.runId, opened.name, opened.step], [
        "owl-1",
        "step-00000500",
        500,
      ]);
      const { content } = opened;
      assert.deepEqual(content.modelConfig, modelConfig);
      assert.equal(content.tokenizerJson, tokenizerJson);
      assert.equal(content.params.length, params.length);
      for (const [i, tensor] of content.params.entries()) {
        const [wanted, values] = await Promise.all(
          [params[i], tensor].map(valuesOf),
        );
        assert.deepEqual(
          [tensor.name, tensor.shape],
          [params[i].name, params[i].shape],
        );
        // Half a unit in the last place: of 24, 11 and 8 bits.
        const step = { F32: 0, F16: 2 ** -11, BF16: 2 ** -8 }[dtype];
        values.forEach((value, at) => {
          const off = Math.abs(value - wanted[at]);
          // Below 2^-14, float16 has steps of 2^-24.
          const allowed = Math.abs(wanted[at]) * step +
            (dtype === "F16" ? 2 ** -25 : 0);
          assert.ok(off <= allowed, `${tensor.name} ${value} ${wanted[at]}`);
        });
      }
    });
  }
});

Deno.test("openBundledModel() refuses a file with any byte changed or missing", async () => {
  await withModel("BF16", async (path, sha256) => {
    const whole = await Deno.readFile(path);
    const bundled = { path, from: BEFORE, sha256 };
    for (let at = BEFORE; at < whole.length; at += 9973) {
      const bytes = whole.slice();
      bytes[at] ^= 1;
      await Deno.writeFile(path, bytes);
      await expectDamaged(bundled);
    }
    for (const length of [whole.length - 1, BEFORE + 4, BEFORE, 100]) {
      await Deno.writeFile(path, whole.subarray(0, length));
      await expectDamaged(bundled);
    }
    await Deno.writeFile(path, whole);
    await openBundledModel(bundled);
  });
});

Deno.test("openBundledModel() refuses metadata that is not a model's, whatever its checksum", async () => {
  const dir = await Deno.makeTempDir();
  const path = `${dir}/model`;
  const whole = {
    ...{ runId: "owl-1", checkpoint: "step-00000500", step: "500" },
    ...{ config: "{}", tokenizer: "{}" },
  };
  const messageOf = async (metadata: object) => {
    const { sha256 } = await writeSafetensors(path, [], {
      metadata: metadata as typeof whole,
    });
    try {
      await openBundledModel({ path, from: 0, sha256 });
      return null;
    } catch (error) {
      assert.ok(error instanceof UserError);
      return error.message.replace(`Cannot use the model in "${path}": `, "");
    }
  };
  assert.equal(await messageOf(whole), null);
  for (const key of Object.keys(whole)) {
    assert.equal(
      await messageOf({ ...whole, [key]: undefined }),
      `its metadata is damaged: ${key}: Invalid input: expected string, ` +
        "received undefined",
    );
  }
  for (const step of ["NaN", "", "-1", "0.5", "1e3", "9".repeat(16)]) {
    assert.match(
      await messageOf({ ...whole, step }) ?? "",
      /^its metadata is damaged: step: /,
    );
  }
  assert.match(await messageOf({ ...whole, config: "{" }) ?? "", /JSON/);
  await Deno.remove(dir, { recursive: true });
});

async function expectDamaged(
  bundled: Parameters<typeof openBundledModel>[0],
) {
  await assert.rejects(openBundledModel(bundled), (error) => {
    assert.ok(error instanceof UserError);
    assert.match(error.message, /^Cannot use the model in ".*": its checksum/);
    return true;
  });
}

Deno.test("parseBundledModel() reads what the script says, and nothing else", () => {
  const sha256 = "0a".repeat(32);
  assert.deepEqual(
    parseBundledModel(`1237         ${sha256} ./my model\n`),
    { from: 1237, sha256, path: "./my model\n" },
  );
  for (const value of ["", "12", `x ${sha256} a`, `12 ${sha256}`]) {
    assert.throws(() => parseBundledModel(value), UserError);
  }
});
