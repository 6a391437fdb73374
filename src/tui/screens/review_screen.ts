/**
 * The last look before a run starts: what it will take and the command line
 * that does the same. Then what the start comes to.
 *
 * @module
 */

import { errorMessage, UserError } from "../../base/errors.ts";
import { freeBytes } from "../../base/free_space.ts";
import { safeText } from "../../base/safe_text.ts";
import type { HearthConfig } from "../../config/hearth_config.ts";
import { type Launched, LaunchFailure } from "../../run/background/launch.ts";
import { rootPaths } from "../../run/files/run_paths.ts";
import type { RunState } from "../../run/files/run_state.ts";
import { freeGpuMemory } from "../../run/telemetry/gpu_sampler.ts";
import {
  estimateRun,
  isQuickToTry,
  type RunEstimate,
  tryRun,
} from "../../train/estimate.ts";
import { gauge } from "../charts/gauge.ts";
import { commandLines, ownCommand } from "../form/command_line.ts";
import {
  estimateLines,
  type EstimateView,
  isResult,
} from "../form/estimate_lines.ts";
import type { Host, Screen, Size } from "../screen.ts";
import { bold, type Line, type Span, span } from "../text/line.ts";
import { wrapWidth } from "../text/width.ts";
import type { StartOptions } from "./launch.ts";

/** What is to start. */
export interface ReviewOptions {
  title: string;
  /** What it is, above the figures. */
  about: readonly Line[];
  /** Of `hearth`, that do the same. */
  args: readonly string[];
  /** For the figures; null: there are none. */
  config: HearthConfig | null;
  /** Steps to come, where that is known better than by the configuration. */
  steps?: number | null;
  /** Starts it; null: in this terminal, in place of the dashboard. */
  start: ((options: StartOptions) => Promise<Launched>) | null;
}

/** How far the start has come. */
type Phase =
  | { kind: "waiting" }
  | { kind: "starting"; state: RunState | null }
  | { kind: "failed"; message: string; hint: string; output: string };

/** The screen. */
export class ReviewScreen implements Screen {
  readonly name = "review";
  readonly title: string;
  readonly #host: Host;
  readonly #options: ReviewOptions;
  readonly #over = new AbortController();
  readonly #trialOver = new AbortController();
  #estimate: RunEstimate | null = null;
  #trial: EstimateView["trial"] = null;
  #freeDiskBytes: number | null = null;
  #phase: Phase = { kind: "waiting" };

  constructor(host: Host, options: ReviewOptions) {
    this.#host = host;
    this.#options = options;
    this.title = options.title;
    void this.#prepare();
  }

  view({ columns }: Size): Line[] {
    const { about, config } = this.#options;
    return [
      ...about,
      [],
      ...(config === null ? [] : [
        ...estimateLines({
          estimate: this.#estimate,
          trial: this.#trial,
          freeDiskBytes: this.#freeDiskBytes,
        }),
        ...this.#trialNews(columns),
        [],
      ]),
      ...commandLines(this.#commandLine(), columns),
      [],
      ...this.#phaseLines(columns),
    ];
  }

  act(action: string): void {
    if (action === "copy") return this.#host.copy(this.#commandLine());
    if (action === "probe") return void this.#try();
    if (action === "back") return this.#back();
    if (action === "submit") void this.#start();
  }

  [Symbol.dispose](): void {
    this.#over.abort();
    this.#trialOver.abort();
  }

  #commandLine(): string {
    return ownCommand(this.#host, this.#options.args);
  }

  /** It may be long: what it takes, what there is. */
  #trialNews(columns: number): Line[] {
    const trial = this.#trial;
    const lines = (texts: readonly string[], tone?: Span["tone"]): Line[] =>
      texts.flatMap((text) => wrapWidth(safeText(text), columns))
        .map((one) => [span(one, tone)]);
    if (isResult(trial)) {
      const { warnings, notes } = trial;
      return [
        ...lines(warnings.map((text) => `! ${text}`), "warn"),
        ...lines(notes),
      ];
    }
    return trial === null || trial === "running"
      ? []
      : lines([`✗ ${trial.problem}`], "bad");
  }

  #phaseLines(columns: number): Line[] {
    const phase = this.#phase;
    switch (phase.kind) {
      case "waiting":
        return wrapWidth(
          this.#options.start === null
            ? "Enter closes the dashboard and trains in this terminal."
            : "Enter starts it in the background: it goes on without the " +
              "dashboard.",
          columns,
        ).map((one): Line => [span(one)]);
      case "starting": {
        const { state } = phase;
        const stage = state?.preparing?.stage ?? "starting";
        const fraction = state?.preparing?.fraction ?? 0;
        return [
          [span(`${stage} `), ...gauge(fraction, 24)],
          [span(
            state?.pid == null
              ? "waiting for its process"
              : `${state.runId} in process ${state.pid}`,
            "dim",
          )],
        ];
      }
      case "failed":
        return [
          ...wrapWidth(`✗ ${phase.message}`, columns)
            .map((one): Line => [bold(one, "bad")]),
          ...wrapWidth(phase.hint, columns).map((one): Line => [span(one)]),
          ...wrapWidth(phase.output, columns)
            .map((one): Line => [span(one, "dim")]),
        ];
    }
  }

  async #prepare(): Promise<void> {
    const { config, steps } = this.#options;
    if (config === null) return;
    try {
      const estimate = await estimateRun(config);
      this.#estimate = steps === undefined
        ? estimate
        : { ...estimate, totalSteps: steps };
      this.#freeDiskBytes = await freeBytes(
        rootPaths(this.#host.root).checkpoints,
      );
      this.#host.changed(true);
      if (isQuickToTry(config)) await this.#try();
    } catch (error) {
      this.#fail(error);
    }
  }

  async #try(): Promise<void> {
    const { config } = this.#options;
    const { signal } = this.#trialOver;
    if (config === null) {
      return this.#host.say("the settings of the run cannot be read", "warn");
    }
    if (this.#trial === "running" || this.#phase.kind === "starting") return;
    this.#trial = "running";
    this.#host.changed(true);
    try {
      this.#trial = await tryRun(config, { signal, freeGpuMemory });
    } catch (error) {
      this.#trial = signal.aborted ? null : { problem: errorMessage(error) };
    }
    this.#host.changed(true);
  }

  #back(): void {
    if (this.#phase.kind === "starting") this.#over.abort();
    this.#host.back();
  }

  async #start(): Promise<void> {
    const { start, args } = this.#options;
    if (this.#phase.kind === "starting") return;
    if (start === null) return this.#host.leaveFor(args);
    this.#trialOver.abort(); // the run needs the device
    this.#phase = { kind: "starting", state: null };
    this.#host.changed(true);
    try {
      const { runId, pid, outcome } = await start({
        onState: (state) => {
          this.#phase = { kind: "starting", state };
          this.#host.changed(true);
        },
        signal: this.#over.signal,
      });
      if (outcome === null) return; // nobody waits any more
      const { status } = outcome.state;
      this.#host.showRun(runId);
      this.#host.say(
        outcome.end === null
          ? `${runId} trains in process ${pid}`
          : `${runId} is ${status} already`,
        "good",
      );
    } catch (error) {
      if (!this.#over.signal.aborted) this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#phase = {
      kind: "failed",
      message: safeText(errorMessage(error)),
      hint: error instanceof UserError ? safeText(error.hint) : "",
      output: error instanceof LaunchFailure ? safeText(error.output) : "",
    };
    this.#host.changed(true);
  }
}
