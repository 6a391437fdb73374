/** The files of a run and of prepared data. @module */

import { join } from "node:path";
import { formatComparison } from "../../src/cli/output/compare_text.ts";
import { formatRuns } from "../../src/cli/commands/runs.ts";
import {
  formatStateLine,
  formatStatus,
} from "../../src/cli/output/status_text.ts";
import { UserError } from "../../src/base/errors.ts";
import type { PhiloxStream } from "../../src/base/philox.ts";
import { unlessGone } from "../../src/base/unless_gone.ts";
import { clearStopRequests } from "../../src/run/files/stop_request.ts";
import {
  acquireLock,
  checkUnlocked,
  lockHolder,
} from "../../src/run/files/lock.ts";
import { TailFile } from "../../src/run/files/tail_file.ts";
import { configSchema } from "../../src/config/schema.ts";
import {
  checkFingerprint,
  sourceIdentities,
} from "../../src/data/fingerprint.ts";
import { listPrepared } from "../../src/data/tokens/prepared_tokens.ts";
import { compareRuns } from "../../src/run/watch/comparison.ts";
import {
  DamagedCheckpoint,
  loadManifest,
  verifyFiles,
} from "../../src/run/checkpoints/manifest.ts";
import { initialMeta, loadMeta } from "../../src/run/files/meta.ts";
import { metricLine, truncateMetrics } from "../../src/run/files/metrics.ts";
import { readMetricsRange } from "../../src/run/files/metrics_range.ts";
import { runPaths } from "../../src/run/files/run_paths.ts";
import {
  initialRunState,
  loadRunState,
} from "../../src/run/files/run_state.ts";
import { readRun } from "../../src/run/files/runs.ts";
import { stepMetric } from "../run/_fake_run.ts";
import { damagedJson } from "./_damage.ts";
import { mutateBytes, mutateJson } from "./_mutate.ts";
import type { OpenTarget } from "./_targets.ts";
import { TINY_MODELS, writeTinyCheckpoint } from "./_tiny_models.ts";
import { loadMetrics } from "../run/_load_metrics.ts";

const encoder = new TextEncoder();
const NOW = Date.parse("2026-01-01T00:00:00Z");

/** `manifest.json`, and the files that it names. */
export async function openManifest(dir: string): Promise<OpenTarget> {
  await writeTinyCheckpoint(dir, TINY_MODELS[0]);
  const path = join(dir, "manifest.json");
  const { sha256: _, ...manifest } = JSON.parse(await Deno.readTextFile(path));
  const json = JSON.stringify(manifest);
  return {
    async feed(random) {
      await Deno.writeFile(path, damagedJson(json, random));
      const manifest = await loadManifest(dir);
      await verifyFiles(dir, manifest, Object.keys(manifest.files));
    },
    mayThrow: (error) => error instanceof DamagedCheckpoint,
  };
}

/** `state.json`, and what is shown of it. */
export async function openState(root: string): Promise<OpenTarget> {
  const paths = runPaths(root, "owl-1");
  await Deno.mkdir(paths.dir, { recursive: true });
  const state = initialRunState("owl-1", "running");
  const json = JSON.stringify({
    ...state,
    ...{ pid: 1, processStartedAt: "2026-01-01T00:00:00Z", step: 3, epoch: 1 },
    ...{
      warnings: ["a", "b"],
      preparing: { stage: "tokenizing", fraction: 1 },
    },
    ...{ etaAt: "2026-01-01T00:00:00Z", trainLoss: 2, remainingMs: 5 },
  });
  return {
    async feed(random) {
      await Deno.writeFile(paths.state, damagedJson(json, random));
      const run = await readRun(root, "owl-1");
      formatRuns([run], { now: NOW, width: 80 });
      const state = await loadRunState(paths);
      if (state === undefined) return;
      formatStateLine(state);
      formatStatus(state, NOW);
      formatStatus({ ...state, alive: true }, NOW);
    },
    mayThrow: (error) =>
      error instanceof Error && error.message.startsWith("Cannot read "),
  };
}

const CORPUS = {
  train: [{ kind: "sample" as const, name: "sample" }],
  ...{ weights: null, val: null, valFraction: 0.1 },
};

/** `meta.json`, what is shown of it, and what a resume goes by. */
export async function openMeta(root: string): Promise<OpenTarget> {
  const paths = runPaths(root, "owl-1");
  await Deno.mkdir(paths.dir, { recursive: true });
  const json = JSON.stringify({
    ...initialMeta({
      runId: "owl-1",
      config: configSchema.parse({}),
      commandLine: ["hearth"],
      order: 1,
    }),
    device: { requested: "auto", selected: { backend: "cpu" } },
    dataset: { fingerprint: "e".repeat(64), sources: sourceIdentities(CORPUS) },
    sessions: [{
      ...{ startedAt: "2026-01-01T00:00:00Z", pid: 1, fromStep: 0 },
      checkpoint: "step-00000001",
    }],
  });
  return {
    async feed(random) {
      await Deno.writeFile(paths.meta, damagedJson(json, random));
      const run = await readRun(root, "owl-1");
      formatRuns([run], { now: NOW, width: 80 });
      // As a resume goes by it.
      const { dataset, device, sessions } = await loadMeta(paths.meta);
      device.selected?.backend.toUpperCase();
      for (const { checkpoint } of sessions) checkpoint?.toUpperCase();
      try {
        checkFingerprint({
          ...{ expected: dataset ?? undefined, actual: "f".repeat(64) },
          ...{ corpus: CORPUS, name: "sample" },
        });
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
      }
      const comparison = await compareRuns(root, ["owl-1"]);
      formatComparison(comparison, 80);
    },
    mayThrow: (error) => error instanceof UserError,
  };
}

/** `metrics.jsonl`, read, compared, and cut for a resume: never an error. */
export async function openMetrics(root: string): Promise<OpenTarget> {
  const paths = runPaths(root, "owl-1");
  await Deno.mkdir(paths.dir, { recursive: true });
  await Deno.writeTextFile(
    paths.meta,
    JSON.stringify(initialMeta({
      ...{ runId: "owl-1", config: configSchema.parse({}), commandLine: [] },
    })),
  );
  const state = initialRunState("owl-1", "completed");
  await Deno.writeTextFile(paths.state, JSON.stringify(state));
  const common = { epoch: 0.1, tokens: 48, elapsedMs: 3, dtMs: 1 };
  const lines = [
    metricLine(stepMetric(1)),
    metricLine(stepMetric(2)),
    metricLine({
      ...{ kind: "eval", step: 3, valLoss: 2, valBpb: 1, best: true },
      ...common,
    }),
  ];
  const whole = encoder.encode(lines.join(""));
  return {
    async feed(random) {
      const at = random.below(lines.length);
      const text = lines.map((line, i) =>
        i === at ? mutateJson(line, random) + "\n" : line
      ).join("");
      const isBytes = random.below(4) === 0;
      const bytes = isBytes
        ? mutateBytes(whole, random, [whole])
        : encoder.encode(text);
      if (random.below(200) === 0) await readLong(paths.metrics, bytes, random);
      await Deno.writeFile(paths.metrics, bytes);
      for await (const _ of readMetricsRange(paths.metrics, ANY_STEPS));
      const count = (await loadMetrics(paths.metrics)).length;
      formatComparison(await compareRuns(root, ["owl-1"]), 80);
      await truncateMetrics(paths.metrics, 2);
      if (count < lines.length) throw new Refused();
    },
    mayThrow: (error) => error instanceof Refused,
  };
}

const ANY_STEPS = { low: 1, high: 2 };

/** Damage in a file so long that the place to begin is looked for. */
async function readLong(
  path: string,
  piece: Uint8Array,
  random: PhiloxStream,
): Promise<void> {
  const pieces = Array(1 + Math.ceil(2 ** 20 / (1 + piece.length)))
    .fill(piece);
  const bytes = new Uint8Array(await new Blob(pieces).arrayBuffer());
  await Deno.writeFile(path, mutateBytes(bytes, random, [piece]));
  for await (const _ of readMetricsRange(path, ANY_STEPS));
}

/** A line was left out, as it should be. */
class Refused extends Error {}

/** `header.json` of prepared data. */
export async function openPrepared(root: string): Promise<OpenTarget> {
  const dir = join(root, "tokens", "0123");
  await Deno.mkdir(dir, { recursive: true });
  const side = { tokens: 5, bytes: 5, sha256: "00" };
  const json = JSON.stringify({
    version: 2,
    fingerprint: "f",
    tokenizerKey: null,
    tokenizer: { type: "byte", vocabSize: 257, fingerprint: "f" },
    dtype: "u16",
    ...{ source: "sample", valFraction: 0.1, listedAtMs: 1 },
    files: [
      { path: "a", sizeBytes: 1, mtimeMs: 1, sha256: "00", textBytes: 1 },
    ],
    ...{ train: side, val: side },
  });
  return {
    async feed(random) {
      const bytes = damagedJson(json, random);
      await Deno.writeFile(join(dir, "header.json"), bytes);
      if ((await listPrepared(root)).length === 0) throw new Refused();
    },
    mayThrow: (error) => error instanceof Refused,
  };
}

const LOCK = JSON.stringify({
  ...{ pid: 1, processStartedAt: "2026-01-01T00:00:00Z", startMark: "a 1" },
});

/** The lock, requests to stop, and a log that grows while it is read. */
export async function openRunFiles(root: string): Promise<OpenTarget> {
  const paths = runPaths(root, "owl-1");
  await Deno.mkdir(paths.dir, { recursive: true });
  const line = encoder.encode("step 1/2 | loss 3\n");
  return {
    async feed(random) {
      await Deno.writeFile(paths.lock, damagedJson(LOCK, random));
      const holder = await lockHolder(paths.lock);
      await checkUnlocked(paths.lock, "owl-1");
      await using _ = await held(paths.lock);
      const request = join(paths.dir, `stop-${random.below(2 ** 31)}`);
      await Deno.writeFile(request, mutateBytes(line, random, [line]));
      await clearStopRequests(paths.dir);
      if (await unlessGone(Deno.lstat(request)) !== null) {
        throw new Error("the request is still there");
      }
      const tail = new TailFile(paths.log, { lastLines: random.below(4) });
      let bytes: Uint8Array<ArrayBuffer> = new Uint8Array();
      for (let i = 0; i < 4; i++) {
        const more = mutateBytes(line, random, [line]);
        bytes = random.below(4) === 0
          ? more
          : new Uint8Array([...bytes, ...more]);
        await Deno.writeFile(paths.log, bytes);
        while (await tail.read() !== null);
      }
      await tail.rest();
      if (holder === null) throw new Refused();
    },
    mayThrow: (error) => error instanceof Refused,
  };
}

async function held(path: string): Promise<AsyncDisposable> {
  const lock = await acquireLock(path, "owl-1");
  return { [Symbol.asyncDispose]: () => lock.release() };
}
