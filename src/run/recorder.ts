/**
 * Writes what a run does to its directory: `state.json`, `metrics.jsonl` and
 * `train.log`.
 *
 * The files serve the person, not the training: when the disk refuses them,
 * the run goes on, and one warning says so. How it ended is written even to a
 * disk that is full.
 *
 * @module
 */

import { join } from "node:path";
import { errorMessage } from "../base/errors.ts";
import { ioProblem } from "../base/io_problem.ts";
import { jsonText, writeJson } from "../base/json_file.ts";
import { AppendFile } from "./files/append_file.ts";
import { clearLeftovers } from "./files/leftovers.ts";
import { metricLine, metricOf } from "./files/metrics.ts";
import { Reserve } from "./files/reserve.ts";
import type { RunPaths } from "./files/run_paths.ts";
import {
  isActive,
  type Preparing,
  type RunState,
  type RunStatus,
} from "./files/run_state.ts";
import { logLines } from "./log_line.ts";
import { nextState } from "./next_state.ts";
import { ownProcess } from "./process/process_info.ts";
import type { RunEvent, RunOpened } from "./run_event.ts";
import type { GpuSampler } from "./telemetry/gpu_sample.ts";
import { openGpuSampler } from "./telemetry/gpu_sampler.ts";
import { NO_TELEMETRY, TelemetrySampler } from "./telemetry/telemetry.ts";

/** Half of the second in which a reader may expect news. */
const STATE_INTERVAL_MS = 500;

/** Keeps the files of one run up to date while it is open. */
export class RunRecorder {
  readonly #paths: RunPaths;
  readonly #metrics: AppendFile;
  readonly #log: AppendFile;
  readonly #reserve: Reserve;
  readonly #telemetry = new TelemetrySampler();
  readonly #openGpu: typeof openGpuSampler;
  #gpu: GpuSampler | null = null;
  #state: RunState;
  #timer: ReturnType<typeof setInterval> | undefined;
  #changed = false;
  #saving: Promise<void> | null = null;
  #ended = false;
  /** Files that refused the last write; each is warned about once. */
  readonly #refused = new Set<string>();
  readonly #warnings: string[] = [];

  /**
   * @param state As of now; its status is active.
   * @param options.openGpu Who looks at the GPU, for tests.
   */
  constructor(
    paths: RunPaths,
    state: RunState,
    { openGpu = openGpuSampler }: { openGpu?: typeof openGpuSampler } = {},
  ) {
    this.#paths = paths;
    this.#openGpu = openGpu;
    this.#state = state;
    this.#metrics = new AppendFile(paths.metrics);
    this.#log = new AppendFile(paths.log);
    this.#reserve = new Reserve(join(paths.dir, ".reserve"));
  }

  /**
   * Writes the state for the first time, and from then on twice a second.
   * What a killed process left half-written is removed before: afterwards it
   * could not be told from a write of our own.
   *
   * @throws If the disk refuses it: then the run should not begin.
   */
  async begin(): Promise<void> {
    this.#state = { ...this.#state, ...await ownProcess(), alive: true };
    await clearLeftovers(this.#paths.dir);
    await this.#reserve.take();
    await writeJson(this.#paths.state, this.#stamped());
    this.#timer = setInterval(() => this.#saveSoon(), STATE_INTERVAL_MS);
  }

  /** The state as it would be written now. */
  get state(): RunState {
    return this.#state;
  }

  /** Changes the status at once, on disk as well. */
  setStatus(status: RunStatus): void {
    this.#state = { ...this.#state, status };
    this.#saveSoon();
  }

  /** Notes what is done before the first event; on disk with the next write. */
  setPreparing(preparing: Preparing): void {
    this.#state = { ...this.#state, preparing };
  }

  /** Takes in an event: counters, metrics, log. Never throws. */
  async record(event: RunEvent): Promise<void> {
    this.#state = nextState(this.#state, event);
    const lines = logLines(event);
    if (lines.length > 0) {
      const text = lines.map((line) => `${line}\n`).join("");
      await this.#attempt("train.log", () => this.#log.append(text));
    }
    if (event.kind === "opened") {
      this.#watchGpu(event.device);
      this.#saveSoon(); // the status has changed
    }
    if (event.kind !== "step" && event.kind !== "eval") return;
    const metric = metricOf(event, this.#telemetry.sample());
    if (metric) {
      await this.#attempt(
        "metrics.jsonl",
        () => this.#metrics.append(metricLine(metric)),
      );
    }
  }

  /**
   * Returns once the lines so far would survive a power cut: a checkpoint
   * that does should not lack the metrics that led to it. Never throws.
   */
  async sync(): Promise<void> {
    await this.#attempt("train.log", () => this.#log.sync());
    await this.#attempt("metrics.jsonl", () => this.#metrics.sync());
  }

  /** Warnings that the caller has not seen yet. */
  takeWarnings(): string[] {
    return this.#warnings.splice(0);
  }

  /** Writes the last state and closes the files. Never throws. */
  async end(
    { status, error = null }: { status: RunStatus; error?: string | null },
  ): Promise<void> {
    clearInterval(this.#timer);
    this.#ended = true;
    await this.#gpu?.close();
    await this.#saving;
    this.#state = {
      ...this.#state,
      status,
      error,
      alive: false,
      preparing: null,
      remainingMs: status === "completed" ? 0 : null,
      etaAt: null,
    };
    if (error !== null) {
      await this.#attempt(
        "train.log",
        () => this.#log.append(`error: ${error}\n`),
      );
    }
    if (!await this.#save()) {
      const last = jsonText(this.#state);
      await this.#attempt(
        "state.json",
        () => this.#reserve.spend(this.#paths.state, last),
      );
    }
    // What the disk has not taken so far gets the room that is free now.
    await this.#reserve.release();
    await this.sync();
    this.#log.close();
    this.#metrics.close();
  }

  /** From now on the telemetry tells of the GPU that trains, if one does. */
  #watchGpu({ name, adapter }: RunOpened["device"]): void {
    if (!adapter || adapter.isSoftware) return;
    const gpu = this.#openGpu({ name, ...adapter });
    if (gpu) this.#telemetry.gpu = () => gpu.latest;
    this.#gpu = gpu;
  }

  /** One write at a time; what changes meanwhile goes into the next. */
  #saveSoon(): void {
    if (this.#ended) return;
    this.#changed = true;
    this.#saving ??= this.#saveWhileChanged();
  }

  async #saveWhileChanged(): Promise<void> {
    while (this.#changed) {
      this.#changed = false;
      await this.#save();
    }
    this.#saving = null;
  }

  async #save(): Promise<boolean> {
    return await this.#attempt(
      "state.json",
      () => writeJson(this.#paths.state, this.#stamped()),
    );
  }

  #stamped(): RunState {
    const active = isActive(this.#state.status);
    this.#state = {
      ...this.#state,
      telemetry: active ? this.#telemetry.sample() : NO_TELEMETRY,
      updatedAt: new Date().toISOString(),
    };
    return this.#state;
  }

  /** @returns Whether it went well; else there is a new warning at most. */
  async #attempt(file: string, write: () => Promise<void>): Promise<boolean> {
    try {
      await write();
      this.#refused.delete(file);
      return true;
    } catch (error) {
      if (!this.#refused.has(file)) {
        this.#refused.add(file);
        const why = ioProblem(error) ?? errorMessage(error);
        this.#warnings.push(`Cannot write ${file}, training goes on: ${why}`);
      }
      return false;
    }
  }
}
