/** The form of a new run. @module */

import { freeBytes } from "../../base/free_space.ts";
import { safeText } from "../../base/safe_text.ts";
import type { BaseSettings } from "../../config/base_settings.ts";
import type { HearthConfig } from "../../config/hearth_config.ts";
import { findBase } from "../../run/base_settings.ts";
import { rootPaths } from "../../run/files/run_paths.ts";
import { estimateRun, type RunEstimate } from "../../train/estimate.ts";
import { explain } from "../explain.ts";
import { commandLines, ownCommand } from "../form/command_line.ts";
import { estimateLines, shortEstimate } from "../form/estimate_lines.ts";
import type { Values } from "../form/fields.ts";
import { Form } from "../form/form.ts";
import {
  fieldProblems,
  isDetached,
  meantSettings,
  profileOf,
  runArgs,
  runConfig,
  runFields,
} from "../form/run_form.ts";
import type { Host, Screen, Size } from "../screen.ts";
import { lastingRefs } from "../state/model_refs.ts";
import { bold, type Line, span } from "../text/line.ts";
import { wrapWidth } from "../text/width.ts";
import { launchNewRun } from "./launch.ts";
import { ReviewScreen } from "./review_screen.ts";

/** Typing goes on faster than that. */
const CHECK_AFTER_MS = 150;

/** Rows for what is wrong, or for the figures, where there are few. */
const LEAST_BELOW = 1;
/** Fields that are seen whatever is below them. */
const LEAST_FIELDS = 3;

/** What came of looking at what was filled in. */
type Checked =
  | { config: HearthConfig; problem: null }
  | { config: null; problem: unknown };

/** The screen. */
export class FormScreen implements Screen {
  readonly name = "form";
  readonly title = "new run";
  readonly #host: Host;
  readonly #form: Form;
  /** To train on. */
  #models: string[] = [];
  /** What empty fields come to; null while it is read. */
  #meant: HearthConfig | null = null;
  /** Verifying a large model takes time; it is done once. */
  readonly #bases = new Map<string, Promise<BaseSettings>>();
  #checked: Checked | null = null;
  #estimate: RunEstimate | null = null;
  #freeDiskBytes: number | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  /** Answers to older questions come to nothing. */
  #asked = 0;

  /** @param values What is filled in at first. */
  constructor(host: Host, values: Values = {}) {
    this.#host = host;
    this.#form = new Form({
      fields: runFields(values, { meant: null, models: [] }),
      values,
      problemsOf: fieldProblems,
    });
    void this.#check();
    void this.#listModels();
  }

  view(size: Size): Line[] {
    const { columns, rows } = size;
    const problem = this.#checked?.problem ?? null;
    const command = commandLines(this.#commandLine(), columns);
    const view = {
      estimate: this.#estimate,
      trial: null,
      freeDiskBytes: this.#freeDiskBytes,
    };
    const wrong: Line[] = problem === null
      ? []
      : wrapWidth(safeText(`✗ ${explain(problem)}`), columns)
        .map((one): Line => [span(one, "bad")]);
    const least = Math.max(LEAST_BELOW, wrong.length) + command.length;
    const form = this.#form.lines({
      columns,
      rows: Math.max(LEAST_FIELDS, rows - least),
    });
    const room = rows - form.length - command.length;
    const figures = estimateLines(view).slice(0, -1); // time: in the summary
    const below = problem !== null
      ? wrong
      : room < figures.length
      ? [shortEstimate(view)]
      : figures;
    const spare = room - below.length;
    const lines: Line[] = [];
    if (spare >= 4) lines.push([bold("Start a run")], []);
    lines.push(...form);
    if (spare >= 1) lines.push([]);
    lines.push(...below);
    if (spare >= 2) lines.push([]);
    return [...lines, ...command];
  }

  act(action: string): void {
    if (action === "back") return this.#host.back();
    if (action === "copy") return this.#host.copy(this.#commandLine());
    if (action === "submit") return void this.#submit();
    this.#changing(() => this.#form.act(action));
  }

  type(text: string): boolean {
    return this.#changing(() => this.#form.type(text));
  }

  [Symbol.dispose](): void {
    this.#asked++;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #changing(change: () => boolean): boolean {
    const before = this.#form.values;
    const isDone = change();
    if (this.#form.values !== before) {
      this.#asked++;
      if (this.#timer !== null) clearTimeout(this.#timer);
      this.#timer = setTimeout(() => void this.#check(), CHECK_AFTER_MS);
      this.#showFields();
    }
    this.#host.changed(true);
    return isDone;
  }

  #args(): string[] {
    return [...this.#host.globalArgs, ...runArgs(this.#form.values)];
  }

  #commandLine(): string {
    return ownCommand(this.#host, this.#args());
  }

  async #check(): Promise<Checked | null> {
    const asked = ++this.#asked;
    const { values } = this.#form;
    const findBase = (from: string) => this.#findBase(from);
    let checked: Checked;
    let estimate: RunEstimate | null = null;
    try {
      const config = await runConfig(values, findBase);
      estimate = await estimateRun(config);
      checked = { config, problem: null };
    } catch (problem) {
      checked = { config: null, problem };
    }
    const meant = checked.config ?? await meantSettings(values, findBase);
    const free = await freeBytes(rootPaths(this.#host.root).checkpoints);
    if (asked !== this.#asked) return null;
    this.#meant = meant;
    this.#checked = checked;
    this.#estimate = estimate;
    this.#freeDiskBytes = free;
    this.#showFields();
    this.#host.changed(true);
    return checked;
  }

  #showFields(): void {
    const known = { meant: this.#meant, models: this.#models };
    this.#form.fields = runFields(this.#form.values, known);
  }

  async #listModels(): Promise<void> {
    const runIds = this.#host.runs().map(({ runId }) => runId);
    this.#models = await lastingRefs(this.#host.root, runIds);
    this.#showFields();
    this.#host.changed(true);
  }

  async #findBase(from: string): Promise<BaseSettings> {
    const known = this.#bases.get(from);
    if (known !== undefined) return await known;
    const found = findBase(this.#host.root, from);
    this.#bases.set(from, found);
    try {
      return await found;
    } catch (error) {
      this.#bases.delete(from); // it may be there the next time
      throw error;
    }
  }

  async #submit(): Promise<void> {
    // The check that is due would make that of this answer an older one.
    if (this.#timer !== null) clearTimeout(this.#timer);
    const { values } = this.#form;
    const args = this.#args();
    const isWrong = this.#form.focusProblem();
    const checked = await this.#check();
    if (!checked?.config || isWrong) return;
    const host = this.#host;
    const { config } = checked;
    host.open(
      new ReviewScreen(host, {
        title: "start",
        about: [aboutRun(values, config)],
        args,
        config,
        start: isDetached(values)
          ? (options) =>
            launchNewRun(host, {
              config,
              args,
              runId: values["run-id"]?.trim() || undefined,
              ...options,
            })
          : null,
      }),
    );
  }
}

/** What the run is, in one line. */
function aboutRun(values: Values, { from, lora }: HearthConfig): Line {
  const profile = profileOf(values);
  return [
    span("A new run"),
    ...(profile === undefined ? [] : [span(" of profile "), bold(profile)]),
    ...(values.config ? [span(" by "), bold(values.config)] : []),
    ...(from === undefined ? [] : [
      span(lora.rank === undefined ? " that trains " : " with adapters for "),
      bold(from),
      span(lora.rank === undefined ? " on" : ""),
    ]),
  ];
}
