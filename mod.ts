/**
 * Hearth: train small language models on the machine you have.
 *
 * Run as a program, this is the command line (`src/cli/main.ts`). Imported, it
 * is the library: the same functions that the commands call. What a function
 * needs is loaded when it is called, so importing this file costs nothing.
 *
 * @example Train on a file, then write a text
 * ```ts
 * import { loadConfig, openModel, startRun } from "./mod.ts";
 *
 * const config = await loadConfig({
 *   profile: "tiny",
 *   set: ["data.dataset=poems.txt"],
 * });
 * for await (const event of startRun({ root: ".", config, runId: "poems" })) {
 *   if (event.kind === "step") console.log(event.step, event.trainLoss);
 * }
 * await using model = await openModel({ root: ".", ref: "poems" });
 * for await (const { text } of model.generate({ prompt: "The sea" })) {
 *   await Deno.stdout.write(new TextEncoder().encode(text));
 * }
 * ```
 *
 * @module
 */

import type { DeviceListing } from "./src/backend/devices/list_devices.ts";
import type {
  DeviceChoice,
  OpenedDevice,
} from "./src/backend/devices/open_backend.ts";
import type {
  CheckpointEval,
  EvalOptions,
} from "./src/cli/checkpoint/eval_checkpoint.ts";
import type { HearthConfig } from "./src/config/hearth_config.ts";
import type { ConfigSources } from "./src/config/load.ts";
import type { Exported, ExportSettings } from "./src/export/export_model.ts";
import type { Imported, ImportOptions } from "./src/export/import_model.ts";
import type { ModelDevice, OpenModel } from "./src/generate/open_model.ts";
import type { StopOptions } from "./src/run/background/stop_run.ts";
import type { RunState } from "./src/run/files/run_state.ts";
import type { RunInfo } from "./src/run/files/runs.ts";
import type { RunEvent } from "./src/run/run_event.ts";
import type { ResumeOptions, RunHost, StartOptions } from "./src/run/runner.ts";
import type { Comparison } from "./src/run/watch/comparison.ts";
import type { FollowEvent, FollowOptions } from "./src/run/watch/follow_run.ts";

export { EXIT, UserError } from "./src/base/errors.ts";
export { VERSION } from "./src/base/version.ts";
export { PROFILE_NAMES, type ProfileName } from "./src/config/profile_names.ts";
export type { Backend, Executable } from "./src/backend/backend.ts";
export type { GeneratedToken, TextOptions } from "./src/generate/generate.ts";
export type { TrainEvent } from "./src/train/events.ts";
export type {
  CheckpointEval,
  Comparison,
  ConfigSources,
  DeviceChoice,
  DeviceListing,
  EvalOptions,
  Exported,
  ExportSettings,
  FollowEvent,
  FollowOptions,
  HearthConfig,
  Imported,
  ImportOptions,
  ModelDevice,
  OpenedDevice,
  OpenModel,
  ResumeOptions,
  RunEvent,
  RunInfo,
  RunState,
  StartOptions,
  StopOptions,
};

// What the types above are made of.
export type { StepWork } from "./src/backend/devices/auto_device.ts";
export type {
  ChooseKernelsOptions,
  DeviceInfo,
  KernelChoices,
  TensorData,
} from "./src/backend/backend.ts";
export type { GemmChoice } from "./src/backend/cpu/kernels.ts";
export type { Precision } from "./src/backend/devices/device_sources.ts";
export type { GpuApi } from "./src/backend/devices/gpu_cards.ts";
export type {
  AdapterListing,
  CommonListing,
  CpuListing,
  WayListing,
} from "./src/backend/devices/list_devices.ts";
export type { ProductShape } from "./src/backend/devices/measure.ts";
export type { PreviousDevice } from "./src/backend/devices/previous_card.ts";
export type {
  AdapterInfo,
  GpuVendor,
  VulkanFacts,
} from "./src/backend/webgpu/device/adapters.ts";
export type { MatrixUnit } from "./src/backend/webgpu/device/matrix_unit.ts";
export type { BaseSettings, FindBase } from "./src/config/base_settings.ts";
export type { ConfigChange } from "./src/config/config_change.ts";
export type {
  CheckpointSection,
  DataSection,
  LoraSection,
  ModelSection,
  Sources,
  TokenizerSection,
  TrainSection,
  WeightedSource,
} from "./src/config/hearth_config.ts";
export type { OverrideSources } from "./src/config/override.ts";
export type { FlagSetting } from "./src/config/parse.ts";
export type {
  DatasetIdentity,
  SourceIdentity,
} from "./src/data/fingerprint.ts";
export type { DataStage } from "./src/data/progress.ts";
export type { ExportDtype, ExportFormat } from "./src/export/export_model.ts";
export type { GenerationSettings } from "./src/generate/generate.ts";
export type { SamplingOptions } from "./src/generate/sampling.ts";
export type {
  AnyCall,
  AttentionAttrs,
  Bit,
  Call,
  DType,
  OpName,
  Ops,
  PlacedTensor,
  Placement,
  Program,
  Tensor,
  TensorKind,
} from "./src/graph/mod.ts";
export type { Lora } from "./src/model/lora.ts";
export type { Arch, ModelConfig } from "./src/model/model_config.ts";
export type { RunMeta, SessionRecord, Versions } from "./src/run/files/meta.ts";
export type {
  EvalMetric,
  Metric,
  StepMetric,
} from "./src/run/files/metrics.ts";
export type { Preparing, RunStatus } from "./src/run/files/run_state.ts";
export type { RunClosed, RunCreated, RunOpened } from "./src/run/run_event.ts";
export type { RunOptions } from "./src/run/runner.ts";
export type { GpuSample } from "./src/run/telemetry/gpu_sample.ts";
export type { Telemetry } from "./src/run/telemetry/telemetry.ts";
export type {
  RunSummary,
  SettingDifference,
} from "./src/run/watch/comparison.ts";
export type {
  Curve,
  CurvePoint,
  CurveTable,
} from "./src/run/watch/curve_table.ts";
export type { EvalResult, Loss, SourceLoss } from "./src/train/evaluate.ts";
export type { Progress } from "./src/train/events.ts";
export type { LrPoint } from "./src/train/lr_points.ts";
export type { LrPolicy } from "./src/train/lr_policies.ts";
export type { PrepareProgress } from "./src/train/open_session.ts";
export type { ResumePlan } from "./src/train/restored_state.ts";
export type { LrCurve } from "./src/train/schedule.ts";
export type { TrainerState } from "./src/train/trainer_state.ts";

/** Which model to open, and on what. */
export interface ModelChoice extends ModelDevice {
  /** The directory of `runs` and `checkpoints`. */
  root: string;
  /** A run, `RUN/best`, `RUN/500`, `latest`, `best`, or a path. */
  ref: string;
}

/**
 * Merges a profile, a file, flags and `key.path=value` assignments, in that
 * order, over the defaults. `from` is looked up below `root`.
 *
 * @throws {UserError} Naming the setting that is wrong and where it is.
 */
export async function loadConfig(
  { root = ".", ...sources }:
    & Omit<ConfigSources, "findBase">
    & { root?: string } = {},
): Promise<HearthConfig> {
  const { loadConfig } = await import("./src/config/load.ts");
  const { findBase } = await import("./src/run/base_settings.ts");
  return await loadConfig({
    ...sources,
    findBase: (from) => findBase(root, from),
  });
}

/**
 * Trains a new run, yielding what happens. Everything is on disk when the
 * last event, `closed`, has been yielded.
 *
 * @throws {UserError} For wrong input, when nothing is left on disk; and for
 * what goes wrong later, when the run is `failed`.
 */
export async function* startRun(
  options: StartOptions,
): AsyncGenerator<RunEvent> {
  const { startRun } = await import("./src/run/runner.ts");
  yield* startRun({ ...options, ...await host() });
}

/**
 * Goes on with a run from its newest checkpoint, or another, bit for bit.
 *
 * @throws {UserError} If there is none, or the run is complete or running.
 */
export async function* resumeRun(
  options: ResumeOptions,
): AsyncGenerator<RunEvent> {
  const { resumeRun } = await import("./src/run/runner.ts");
  yield* resumeRun({ ...options, ...await host() });
}

/** All runs under `root`, the one started last first. */
export async function listRuns(root: string): Promise<RunInfo[]> {
  const { listRuns } = await import("./src/run/files/runs.ts");
  return await listRuns(root);
}

/**
 * One run as it is on disk: settings, and where it stands.
 *
 * @param ref An id, the unique beginning of one, or `latest`.
 * @throws {UserError} If there is none, or more than one.
 */
export async function readRun(root: string, ref = "latest"): Promise<RunInfo> {
  const { readRun, resolveRun } = await import("./src/run/files/runs.ts");
  return await readRun(root, await resolveRun(root, ref));
}

/**
 * Stops a run that another process trains, and waits for its checkpoint. What
 * this process trains ends by the `signal` it was given.
 *
 * @param runId A whole id.
 * @returns Its last state; null if it was not running.
 * @throws {UserError} If its process cannot be ended from here.
 */
export async function stopRun(
  root: string,
  runId: string,
  options?: StopOptions,
): Promise<RunState | null> {
  const { stopRun } = await import("./src/run/background/stop_run.ts");
  return await stopRun(root, runId, options);
}

/**
 * Removes a run and its checkpoints from the disk.
 *
 * @param runId A whole id.
 * @throws {UserError} If there is none, or it is being trained.
 */
export async function removeRun(root: string, runId: string): Promise<void> {
  const { findRemovable, removeRun } = await import("./src/run/remove_run.ts");
  await findRemovable(root, runId);
  await removeRun(root, runId);
}

/**
 * Follows a run that this or another process trains: its state, metrics and
 * log lines as they come, until it has ended.
 */
export async function* followRun(
  root: string,
  runId: string,
  options?: FollowOptions,
): AsyncGenerator<FollowEvent> {
  const { followRun } = await import("./src/run/watch/follow_run.ts");
  yield* followRun(root, runId, options);
}

/**
 * Puts runs side by side: results, differing settings, validation losses.
 *
 * @throws {UserError} If one of them cannot be read at all.
 */
export async function compareRuns(
  root: string,
  runIds: readonly string[],
): Promise<Comparison> {
  const { compareRuns } = await import("./src/run/watch/comparison.ts");
  return await compareRuns(root, runIds);
}

/**
 * Opens a trained model for writing text.
 *
 * @throws {UserError} If there is none, or its files are damaged.
 */
export async function openModel(choice: ModelChoice): Promise<OpenModel> {
  const { openModel } = await import("./src/generate/open_model.ts");
  const { loadChosen } = await import(
    "./src/run/checkpoints/checkpoint_ref.ts"
  );
  return await openModel(await loadChosen(choice.root, choice.ref), choice);
}

/** Which checkpoint to evaluate, and on what. */
export interface EvalChoice extends EvalOptions {
  /** The directory of `data`, `runs` and `checkpoints`. */
  root: string;
  /** As in {@linkcode ModelChoice}. */
  ref: string;
  /** Hears what a person should know before trusting the number. */
  onWarning?: (message: string) => void;
  /** Hears what computes it, and how that was decided. */
  onNote?: (message: string) => void;
}

/**
 * The loss of a checkpoint on the run's validation text, or on another.
 *
 * @throws {UserError} For a checkpoint, text or device that cannot be used.
 */
export async function evaluate(
  { root, ref, onWarning = () => {}, onNote = () => {}, ...options }:
    EvalChoice,
): Promise<CheckpointEval> {
  const { evaluateCheckpoint } = await import(
    "./src/cli/checkpoint/eval_checkpoint.ts"
  );
  const host = { root, warn: onWarning, note: onNote };
  return await evaluateCheckpoint(host, ref, options);
}

/** Which checkpoint to export, and as what. */
export interface ExportChoice extends ExportSettings {
  /** The directory of `runs` and `checkpoints`. */
  root: string;
  /** As in {@linkcode ModelChoice}. */
  ref: string;
}

/**
 * Writes a checkpoint for other programs.
 *
 * @throws {UserError} If there is none, something is in the way, or the format
 * cannot express the model.
 */
export async function exportModel(
  { root, ref, ...options }: ExportChoice,
): Promise<Exported> {
  const { exportModel } = await import("./src/export/export_model.ts");
  const { loadChosen } = await import(
    "./src/run/checkpoints/checkpoint_ref.ts"
  );
  const { loadMeta } = await import("./src/run/files/meta.ts");
  const { runPaths } = await import("./src/run/files/run_paths.ts");
  const chosen = await loadChosen(root, ref);
  const { meta: path } = runPaths(root, chosen.runId);
  const meta = await loadMeta(path).catch(() => null); // only for the card
  return await exportModel({ ...options, chosen, meta });
}

/**
 * Takes over a model of a Hugging Face folder as a run.
 *
 * @throws {UserError} If the folder holds none that runs here, or the name is
 * taken; nothing is left on the disk then.
 */
export async function importModel(
  options: Omit<ImportOptions, "commandLine">,
): Promise<Imported> {
  const { importModel } = await import("./src/export/import_model.ts");
  return await importModel({ ...options, commandLine: ["mod.ts"] });
}

/** What can be trained on. */
export async function listDevices(): Promise<DeviceListing[]> {
  const { listDevices } = await import("./src/backend/devices/list_devices.ts");
  return await listDevices();
}

/**
 * Opens a device to run programs of one's own on, which `src/graph/mod.ts`
 * makes; `examples/tiny_mlp.ts` shows how.
 *
 * @throws {UserError} If there is no such device.
 */
export async function openBackend(
  choice: DeviceChoice,
): Promise<OpenedDevice> {
  const { openBackend } = await import("./src/backend/devices/open_backend.ts");
  return await openBackend(choice);
}

/** How runs are known that a program of its own trains. */
async function host(): Promise<RunHost> {
  const { train } = await import("./src/train/loop.ts");
  const { openSession } = await import("./src/train/open_session.ts");
  return { commandLine: ["mod.ts"], engine: { openSession, train } };
}

if (import.meta.main) {
  const { runCli } = await import("./src/cli/main.ts");
  const { processArguments, processIo } = await import(
    "./src/cli/process_io.ts"
  );
  const io = processIo();
  io.exit(await runCli(processArguments, io));
}
