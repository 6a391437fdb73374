import assert from "node:assert/strict";
import { join } from "node:path";
import { configSchema } from "../../../src/config/schema.ts";
import {
  initialMeta,
  loadMeta,
  UnreadableMeta,
} from "../../../src/run/files/meta.ts";
import { inTempDir } from "../../base/_helpers.ts";

Deno.test("loadMeta() leaves out of lists what does not belong there", () =>
  inTempDir(async (dir) => {
    const path = join(dir, "meta.json");
    const meta = initialMeta({
      ...{ runId: "owl-1", config: configSchema.parse({}) },
      commandLine: ["hearth", "train"],
    });
    const read = async (change: object) => {
      await Deno.writeTextFile(path, JSON.stringify({ ...meta, ...change }));
      const { commandLine, sessions } = await loadMeta(path);
      return [commandLine, sessions];
    };
    assert.deepEqual(await read({}), [["hearth", "train"], []]);
    assert.deepEqual(await read({ commandLine: 5, sessions: {} }), [[], []]);
    assert.deepEqual(
      await read({
        commandLine: ["a", 1, {}],
        sessions: [null, { pid: 1 }, 2, { commandLine: ["b", null] }],
      }),
      [["a"], [
        { pid: 1, checkpoint: null, commandLine: [] },
        { checkpoint: null, commandLine: ["b"] },
      ]],
    );
  }));

Deno.test("loadMeta() refuses what a resume could not go by", () =>
  inTempDir(async (dir) => {
    const path = join(dir, "meta.json");
    const config = configSchema.parse({});
    const meta = initialMeta({ runId: "owl-1", config, commandLine: [] });
    const read = async (change: object) => {
      await Deno.writeTextFile(path, JSON.stringify({ ...meta, ...change }));
      return await loadMeta(path);
    };
    const source = { name: "a", side: "train", weight: null, textBytes: 1 };
    const dataset = {
      fingerprint: "f",
      sources: [{ ...source, fingerprint: "f" }],
    };
    assert.deepEqual((await read({ dataset })).dataset, dataset);
    assert.equal((await read({ dataset: undefined })).dataset, undefined);
    assert.deepEqual((await read({ device: undefined })).device, {
      requested: "auto",
      selected: null,
    });
    const damages: [change: object, key: string][] = [
      [{ dataset: 5 }, "dataset"],
      [{ dataset: { fingerprint: 5 } }, "dataset.fingerprint"],
      [{ dataset: { fingerprint: "f", sources: [null] } }, "dataset.sources.0"],
      [
        { dataset: { fingerprint: "f", sources: [source] } },
        "dataset.sources.0.fingerprint",
      ],
      [{ device: null }, "device"],
      [{ device: { selected: 5 } }, "device.selected"],
    ];
    for (const [change, key] of damages) {
      await assert.rejects(read(change), (error) => {
        assert.ok(error instanceof UnreadableMeta);
        assert.match(error.message, new RegExp(`": ${key}: Invalid input`));
        return true;
      });
    }
  }));
