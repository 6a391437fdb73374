import assert from "node:assert/strict";
import { join } from "node:path";
import { configSchema } from "../../../src/config/schema.ts";
import { initialMeta, loadMeta } from "../../../src/run/files/meta.ts";
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
      [["a"], [{ pid: 1, commandLine: [] }, { commandLine: ["b"] }]],
    );
  }));
