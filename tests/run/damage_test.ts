/**
 * One file after another of a run is damaged: it resumes all the same, says
 * what it passed over, and ends with the bits of a run that had no mishap.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  loadManifest,
  saveManifest,
} from "../../src/run/checkpoints/manifest.ts";
import { runPaths } from "../../src/run/files/run_paths.ts";
import { resumeRun, startRun } from "../../src/run/runner.ts";
import { readRun } from "../../src/run/files/runs.ts";
import { flipBit } from "./_checkpoints.ts";
import {
  collectRun,
  copyTree,
  inTempDir,
  listTree,
  testEngine,
  twelveSteps,
} from "./_helpers.ts";
import { outcome } from "./_outcome.ts";

// Saves at 3, 6, 9 and 12, evaluates at 0, 4, 8 and 12; the best are kept.
const common = {
  config: {
    ...twelveSteps,
    checkpoint: { ...twelveSteps.checkpoint, best: true },
  },
  commandLine: ["hearth"],
  engine: testEngine,
};
const CHECKPOINT_FILES = [
  "config.json",
  "manifest.json",
  "meta.json",
  "model.safetensors",
  "optimizer.safetensors",
  "tokenizer.json",
  "trainer.json",
];

/** A run that was stopped after step 10, and what it would have come to. */
const stopped = await Deno.makeTempDir();
const whole = await Deno.makeTempDir();
const stop = new AbortController();
await collectRun(
  startRun({ ...common, root: stopped, signal: stop.signal }),
  (event) => event.kind === "step" && event.step === 10 && stop.abort(),
);
await collectRun(startRun({ ...common, root: whole }));
const wanted = await outcome(whole);
const newest = "step-00000010", before = "step-00000009";
addEventListener("unload", () => {
  for (const dir of [stopped, whole]) Deno.removeSync(dir, { recursive: true });
});

interface Paths extends ReturnType<typeof runPaths> {
  newest: string;
}

/** Damages a copy of the run and resumes it. */
function testDamage(
  what: string,
  damage: (paths: Paths) => Promise<unknown>,
  warnings: (string | RegExp)[] = [],
): void {
  Deno.test(`a run resumes after ${what}`, () =>
    inTempDir(async (root) => {
      await copyTree(stopped, root);
      const paths = runPaths(root, "owl-1");
      await damage({ ...paths, newest: `${paths.checkpoints}/${newest}` });
      const events = await collectRun(resumeRun({ ...common, root }));
      const told = events.flatMap((event) =>
        event.kind === "warning"
          ? [event.message.replaceAll(paths.dir, "RUN")]
          : []
      );
      assert.equal(told.length, warnings.length, told.join("\n"));
      for (const [i, warning] of warnings.entries()) {
        if (typeof warning === "string") assert.equal(told[i], warning);
        else assert.match(told[i], warning);
      }
      assert.deepEqual(await outcome(root), wanted);
      const { state, broken } = await readRun(root, "owl-1");
      assert.deepEqual([broken, state?.status], [null, "completed"]);
      const rest = (await listTree(root)).filter((path) =>
        /\.tmp-|\/\.(saving|removed|replaced|reserve)/.test(path)
      );
      assert.deepEqual(rest, []);
    }));
}

// 1. Files of the newest checkpoint.
for (const file of CHECKPOINT_FILES) {
  const isNeeded = file !== "meta.json"; // that one is a spare copy
  testDamage(
    `one bit of ${file} has changed`,
    ({ newest }) => flipBit(`${newest}/${file}`, 0.6),
    isNeeded ? [/^Cannot load "owl-1\/step-00000010": .*; using /] : [],
  );
}
testDamage(
  "a checkpoint was copied only half",
  async ({ newest, checkpoints }) => {
    const half = `${checkpoints}/step-00000011`;
    await copyTree(newest, half);
    await Deno.truncate(`${half}/optimizer.safetensors`, 1000);
    await Deno.writeTextFile(`${checkpoints}/latest`, "step-00000011\n");
  },
  [/^Cannot load "owl-1\/step-00000011": optimizer.*using step-00000010$/],
);
testDamage(
  "a copy of a checkpoint lacks its last file",
  async ({ newest, checkpoints }) => {
    await copyTree(newest, `${checkpoints}/step-00000011`);
    await Deno.remove(`${checkpoints}/step-00000011/manifest.json`);
  },
);
testDamage(
  "the two newest checkpoints are damaged",
  async ({ newest, checkpoints }) => {
    await Deno.remove(`${newest}/model.safetensors`);
    await Deno.truncate(`${checkpoints}/${before}/trainer.json`);
  },
  [
    /^Cannot load "owl-1\/step-00000010": model.*missing; using step-00000008$/,
    /^Cannot load "owl-1\/step-00000009": trainer.* using step-00000008$/,
  ],
);

// 2. What points to them.
for (const pointer of ["latest", "best"] as const) {
  testDamage(
    `${pointer} was deleted`,
    ({ checkpoints }) => Deno.remove(`${checkpoints}/${pointer}`),
  );
  for (const text of ["", "\0\0\0\0", "../../etc", "step-00000099\n"]) {
    testDamage(
      `${pointer} holds ${JSON.stringify(text)}`,
      ({ checkpoints }) =>
        Deno.writeTextFile(`${checkpoints}/${pointer}`, text),
      pointer === "latest" && text.startsWith("step")
        ? [
          'Cannot load "owl-1/step-00000099": manifest.json is missing; ' +
          `using ${newest}`,
        ]
        : [],
    );
  }
}

// 3. The files of the run.
for (const text of ["", "{", "\0".repeat(500), '{"runId":7}', "[]"]) {
  const name = JSON.stringify(text.slice(0, 12));
  testDamage(
    `state.json holds ${name}`,
    ({ state }) => Deno.writeTextFile(state, text),
  );
  testDamage(
    `meta.json holds ${name}`,
    async ({ meta }) => await Deno.writeTextFile(meta, text),
    [/^Cannot read "RUN\/meta.json": it .*; using the copy in step-00000010$/],
  );
  testDamage(
    `lock holds ${name}`,
    ({ lock }) => Deno.writeTextFile(lock, text),
  );
}
testDamage("state.json was deleted", ({ state }) => Deno.remove(state));
testDamage("lock was deleted", ({ lock }) => Deno.remove(lock));
testDamage(
  "meta.json was deleted",
  ({ meta }) => Deno.remove(meta),
  [
    'Cannot read "RUN/meta.json": there is no such file; using the copy in ' +
    newest,
  ],
);
testDamage(
  "meta.json and its newest copy were lost",
  async ({ meta, newest }) => {
    await Deno.remove(meta);
    await Deno.truncate(`${newest}/meta.json`, 20);
  },
  [/using the copy in step-00000009$/],
);
testDamage("metrics.jsonl and train.log lost their ends", async (paths) => {
  for (const path of [paths.metrics, paths.log]) {
    // In the middle of what comes after the checkpoint, as in a crash.
    await Deno.writeTextFile(path, '{"kind":"step","st', { append: true });
  }
});
testDamage("metrics.jsonl has a line of noise", async ({ metrics }) => {
  const lines = (await Deno.readTextFile(metrics)).split("\n");
  lines.splice(3, 0, "\0\0\0\0", "null", "[1]");
  await Deno.writeTextFile(metrics, lines.join("\n"));
});

// 4. What killed processes leave.
testDamage("a process was killed in the middle of writing", async (paths) => {
  const { checkpoints, dir, newest } = paths;
  await copyTree(newest, `${checkpoints}/.saving-step-00000011`);
  await Deno.remove(`${checkpoints}/.saving-step-00000011/manifest.json`);
  await copyTree(newest, `${checkpoints}/.removed-step-00000003`);
  await copyTree(newest, `${checkpoints}/.replaced-${before}`);
  for (
    const path of [
      `${checkpoints}/latest.tmp-1`,
      `${dir}/state.json.tmp-1`,
      `${dir}/meta.json.tmp-1`,
      `${dir}/.reserve`,
    ]
  ) await Deno.writeTextFile(path, "half");
});

Deno.test("a meta.json that is set aside can be looked at", () =>
  inTempDir(async (root) => {
    await copyTree(stopped, root);
    const { meta } = runPaths(root, "owl-1");
    const mine = (await Deno.readTextFile(meta)).replace('"seed"', "seed");
    await Deno.writeTextFile(meta, mine);
    await collectRun(resumeRun({ ...common, root }));
    assert.equal(await Deno.readTextFile(`${meta}.damaged`), mine);
  }));

Deno.test("a meta.json with a wrong setting is not taken for a damaged one", () =>
  inTempDir(async (root) => {
    await copyTree(stopped, root);
    const { meta } = runPaths(root, "owl-1");
    const text = await Deno.readTextFile(meta);
    await Deno.writeTextFile(
      meta,
      text.replace(/"logEvery": \d+/, '"logEvery": 0'),
    );
    await assert.rejects(collectRun(resumeRun({ ...common, root })), {
      message: `Cannot read "${meta}": config.train.logEvery: Too small: ` +
        "expected number to be >=1",
      exitCode: 2,
    });
  }));

Deno.test("resumeRun() says what to do when nothing can be read any more", () =>
  inTempDir(async (root) => {
    await copyTree(stopped, root);
    const { meta, checkpoints } = runPaths(root, "owl-1");
    await Deno.writeTextFile(meta, "");
    await Deno.remove(checkpoints, { recursive: true });
    await assert.rejects(collectRun(resumeRun({ ...common, root })), {
      message: `Cannot read "${meta}": it is not JSON`,
      hint: "restore the file, or start a new run with hearth train",
    });
  }));

Deno.test("loadManifest() finds every changed bit, or it makes no difference", () =>
  inTempDir(async (dir) => {
    const seal = { sizeBytes: 128, sha256: "a".repeat(64) };
    await saveManifest(dir, {
      version: 1,
      step: 500,
      sequence: 3,
      periodic: true,
      savedAt: "2026-01-01T00:00:00.000Z",
      files: { "model.safetensors": seal },
    });
    const good = await loadManifest(dir);
    const path = `${dir}/manifest.json`;
    const bytes = await Deno.readFile(path);
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const changed = bytes.slice();
      changed[bit >> 3] ^= 1 << (bit & 7);
      await Deno.writeFile(path, changed);
      const read = await loadManifest(dir).catch((error) => error);
      if (read.name === "DamagedCheckpoint") continue;
      // The name of the checksum itself, and spaces that mean nothing.
      const { version, step, sequence, periodic, savedAt, files } = read;
      assert.deepEqual(
        { version, step, sequence, periodic, savedAt, files },
        good,
        `bit ${bit}`,
      );
    }
  }));
