import assert from "node:assert/strict";
import { freeBytes } from "../../src/base/free_space.ts";
import { RunRecorder } from "../../src/run/recorder.ts";
import { runPaths } from "../../src/run/files/run_paths.ts";
import {
  initialRunState,
  loadRunState,
} from "../../src/run/files/run_state.ts";
import { NO_GPU_SAMPLE } from "../../src/run/telemetry/gpu_sample.ts";
import type { RunOpened } from "../../src/run/run_event.ts";
import { configSchema } from "../../src/config/schema.ts";
import { eventually } from "./_eventually.ts";
import { inTempDir, listTree } from "./_helpers.ts";

const progress = {
  step: 3,
  totalSteps: 20,
  epoch: 0.5,
  epochs: 1,
  tokens: 100,
  elapsedMs: 1000,
  remainingMs: 60_000,
};

async function openRecorder(
  root: string,
  options?: ConstructorParameters<typeof RunRecorder>[2],
) {
  const paths = runPaths(root, "owl-1");
  await Deno.mkdir(paths.dir, { recursive: true });
  const state = initialRunState("owl-1", "running");
  const recorder = new RunRecorder(paths, state, options);
  await recorder.begin();
  return { recorder, paths };
}

Deno.test("RunRecorder writes the state between events as well", () =>
  inTempDir(async (root) => {
    const { recorder, paths } = await openRecorder(root);
    const { now } = Date;
    Date.now = () => Date.parse("2026-11-20T12:00:00.000Z");
    try {
      await recorder.record({
        kind: "step",
        trainLoss: 2.5,
        gradNorm: 1,
        lr: 1e-3,
        dtMs: 1,
        tokensPerSec: 100,
        skipped: false,
        log: false,
        ...progress,
      });
    } finally {
      Date.now = now;
    }
    // Nothing else happens, as in a long step; the timer brings the news.
    await eventually(async () => (await loadRunState(paths))?.step === 3);
    const { trainLoss, etaAt, telemetry } = (await loadRunState(paths))!;
    assert.equal(trainLoss, 2.5);
    assert.equal(etaAt, "2026-11-20T12:01:00.000Z");
    assert.ok(telemetry.rssBytes! > 10e6);
    await recorder.end({ status: "completed" });
  }));

Deno.test("RunRecorder keeps the newest warnings", () =>
  inTempDir(async (root) => {
    const { recorder } = await openRecorder(root);
    for (let i = 1; i <= 30; i++) {
      await recorder.record({ kind: "warning", message: `${i}`, ...progress });
    }
    assert.equal(recorder.state.warnings.length, 20);
    assert.equal(recorder.state.warnings.at(-1), "30");
    await recorder.end({ status: "stopped" });
  }));

Deno.test("RunRecorder warns once for each time the disk turns it down", () =>
  inTempDir(async (root) => {
    const { recorder, paths } = await openRecorder(root);
    const warn = () =>
      recorder.record({ kind: "warning", message: "", ...progress });
    await Deno.mkdir(paths.log); // no file can be opened there
    await warn();
    await warn();
    const warnings = recorder.takeWarnings();
    assert.equal(warnings.length, 1);
    assert.match(warnings[0], /^Cannot write train\.log, training goes on: /);
    await Deno.remove(paths.log);
    await warn();
    assert.deepEqual(recorder.takeWarnings(), []);
    await recorder.end({ status: "completed" });
  }));

Deno.test("RunRecorder.end() has the last word", () =>
  inTempDir(async (root) => {
    const { recorder, paths } = await openRecorder(root);
    recorder.setStatus("stopping");
    const ending = recorder.end({ status: "failed", error: "no luck" });
    recorder.setStatus("running");
    await ending;
    recorder.setStatus("running"); // a signal that comes too late
    await new Promise((resolve) => setTimeout(resolve, 50));
    const { status, error, alive, etaAt, telemetry } =
      (await loadRunState(paths))!;
    assert.deepEqual([status, error, alive, etaAt], [
      "failed",
      "no luck",
      false,
      null,
    ]);
    assert.equal(telemetry.rssBytes, null);
    assert.equal(await Deno.readTextFile(paths.log), "error: no luck\n");
  }));

Deno.test("RunRecorder.begin() removes what a killed process was writing", () =>
  inTempDir(async (root) => {
    const { dir } = runPaths(root, "owl-1");
    await Deno.mkdir(dir, { recursive: true });
    await Deno.writeTextFile(`${dir}/state.json.tmp-1`, "{");
    const { recorder } = await openRecorder(root);
    await recorder.end({ status: "completed" });
    assert.deepEqual(await listTree(dir), ["state.json"]);
  }));

Deno.test("freeBytes() asks for a directory that is still to be made", () =>
  inTempDir(async (dir) => {
    const here = await freeBytes(dir);
    assert.ok(here! > 0);
    assert.ok(await freeBytes(`${dir}/a/b/c`) !== null);
  }));

/** A run on a device with that adapter, as far as the recorder looks. */
function openedOn(adapter: object | undefined): RunOpened {
  const device = { id: "gpu:0", name: "NVIDIA A30", adapter };
  const wanted = { device: "cuda", precision: "bf16" } as const;
  return {
    kind: "opened",
    ...progress,
    device,
    config: configSchema.parse(wanted),
    parameterCount: 1000,
    trainableCount: 1000,
    lora: null,
    resumedFrom: null,
    bestValLoss: null,
    changes: [],
    notes: [],
    lrPlan: { schedule: "cosine", policy: null, points: [] },
  } as unknown as RunOpened;
}

Deno.test("RunRecorder looks at the GPU that trains until the end", () =>
  inTempDir(async (root) => {
    const asked: object[] = [];
    let open = 0;
    const { recorder, paths } = await openRecorder(root, {
      openGpu(identity) {
        asked.push(identity);
        open++;
        return {
          latest: { ...NO_GPU_SAMPLE, gpuUtilPct: 93, powerW: 160.5 },
          close: () => Promise.resolve(void open--),
        };
      },
    });
    const pci = { vendorId: "4318", deviceId: "8375" };
    await recorder.record(openedOn({ ...pci, isSoftware: false }));
    assert.deepEqual(asked, [{
      name: "NVIDIA A30",
      isSoftware: false,
      ...pci,
    }]);
    await eventually(async () =>
      (await loadRunState(paths))?.telemetry.gpuUtilPct === 93
    );
    const { device, requestedDevice, precision } = recorder.state;
    assert.equal(precision, "fp32"); // what the device does, not the wish
    assert.equal(device, "gpu:0: NVIDIA A30");
    assert.equal(requestedDevice, "cuda");
    assert.equal(open, 1);
    await recorder.end({ status: "completed" });
    assert.equal(open, 0);
  }));

Deno.test("RunRecorder looks at no GPU where none trains", () =>
  inTempDir(async (root) => {
    const { recorder } = await openRecorder(root, {
      openGpu: () => assert.fail("there is no GPU"),
    });
    await recorder.record(openedOn(undefined));
    await recorder.record(openedOn({ isSoftware: true }));
    await recorder.end({ status: "completed" });
  }));
