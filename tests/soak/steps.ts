/**
 * `deno task soak:steps [--device gpu] [--steps 10000] [--profile tiny]`: a
 * long run, with evaluations, checkpoints and all, whose memory must not grow.
 *
 * Prints a line for each tenth of the steps: resident memory, V8's heap, what
 * the GPU's device has, and the GPU's memory where the system tells. Fails if
 * resident memory grows by more than a tenth and 64 MB after the first fifth,
 * or if a GPU has more buffers, bind groups or shaders than then.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { formatBytes } from "../../src/base/format.ts";
import { loadConfig } from "../../src/config/load.ts";
import { startRun } from "../../src/run/runner.ts";
import { loadRunState } from "../../src/run/files/run_state.ts";
import { runPaths } from "../../src/run/files/run_paths.ts";
import { train } from "../../src/train/loop.ts";
import { openSession } from "../../src/train/open_session.ts";
import { type GpuObjects, watchGpuObjects } from "./gpu_objects.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: {
    device: { type: "string", default: "gpu" },
    steps: { type: "string", default: "10000" },
    profile: { type: "string", default: "tiny" },
    set: { type: "string", multiple: true, default: [] },
  },
});
const steps = Number(values.steps);
if (!Number.isSafeInteger(steps) || steps < 20) {
  throw new TypeError("--steps takes a whole number of 20 or more");
}

/** What is looked at. */
interface Look {
  step: number;
  rssBytes: number;
  heapBytes: number;
  gpu: GpuObjects;
  vramBytes: number | null;
}

const ALLOWED_SHARE = 0.1;
/** What may wait for a collection; see backend/webgpu/device/collect.ts. */
const ALLOWED_BYTES = 64e6;
/** Three for reading take turns, and are made anew when one is too small. */
const ALLOWED_BUFFERS = 3;

const gpuObjects = watchGpuObjects();
const root = await Deno.makeTempDir({ prefix: "hearth-soak-steps-" });
const config = await loadConfig({
  profile: values.profile,
  set: [
    `device=${values.device}`,
    "strictDevice=true",
    `train.steps=${steps}`,
    // Ten of each, so that they take part and cost little.
    `train.evalEvery=${Math.ceil(steps / 10)}`,
    "train.evalBatches=2",
    `checkpoint.every=${Math.ceil(steps / 10)}`,
    ...values.set,
  ],
});
const looks: Look[] = [];
const startedAt = performance.now();
const events = startRun({
  root,
  config,
  commandLine: ["hearth", "train"],
  engine: { openSession, train },
});
let runId = "";
for await (const event of events) {
  if (event.kind === "created") runId = event.runId;
  if (event.kind === "opened") {
    console.log(
      `${event.device.name}: ${event.parameterCount} parameters, ` +
        `${event.totalSteps} steps`,
    );
  }
  if (event.kind !== "step") continue;
  if (event.skipped) throw new Error(`step ${event.step} was skipped`);
  if (event.step % Math.floor(steps / 10) !== 0) continue;
  const state = await loadRunState(runPaths(root, runId));
  const { rss, heapUsed } = Deno.memoryUsage();
  const look: Look = {
    step: event.step,
    rssBytes: rss,
    heapBytes: heapUsed,
    gpu: gpuObjects(),
    vramBytes: state?.telemetry.vramUsedBytes ?? null,
  };
  looks.push(look);
  console.log(describe(look), `loss ${event.trainLoss.toFixed(4)}`);
}
const seconds = (performance.now() - startedAt) / 1000;

const problems = growth(looks[1], looks.at(-1)!);
await Deno.remove(root, { recursive: true });
console.log(
  `${steps} steps in ${seconds.toFixed(0)} s: ` +
    (problems.length === 0 ? "no growth" : problems.join("; ")),
);
if (problems.length > 0) Deno.exitCode = 1;

function describe({ step, rssBytes, heapBytes, gpu, vramBytes }: Look): string {
  return `step ${step}: rss ${formatBytes(rssBytes)}, heap ` +
    `${formatBytes(heapBytes)}, buffers ${gpu.buffers} (${gpu.buffersMade} ` +
    `made), bind groups ${gpu.bindGroups}, shaders ${gpu.shaders}, vram ` +
    (vramBytes === null ? "n/a" : formatBytes(vramBytes)) + ",";
}

/** What there is more of than there should be. */
function growth(early: Look, late: Look): string[] {
  const problems: string[] = [];
  const allowed = early.rssBytes * (1 + ALLOWED_SHARE) + ALLOWED_BYTES;
  if (late.rssBytes > allowed) {
    problems.push(
      `rss grew from ${formatBytes(early.rssBytes)} to ` +
        formatBytes(late.rssBytes),
    );
  }
  for (const kind of Object.keys(early.gpu) as (keyof GpuObjects)[]) {
    const more = kind === "buffersMade" ? ALLOWED_BUFFERS : 0;
    if (late.gpu[kind] > early.gpu[kind] + more) {
      problems.push(
        `${kind} grew from ${early.gpu[kind]} to ${late.gpu[kind]}`,
      );
    }
  }
  return problems;
}
