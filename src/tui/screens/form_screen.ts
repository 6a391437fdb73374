/** The form of a new run. @module */

import { safeText } from "../../base/safe_text.ts";
import { estimateRun, type RunEstimate } from "../../train/estimate.ts";
import { freeBytes } from "../../base/free_space.ts";
import { rootPaths } from "../../run/files/run_paths.ts";
import { explain } from "../explain.ts";
import { commandLines, ownCommand } from "../form/command_line.ts";
import { estimateLines, shortEstimate } from "../form/estimate_lines.ts";
import type { Field } from "../form/fields.ts";
import { Form } from "../form/form.ts";
import {
  type Checked,
  checkRunForm,
  fieldProblems,
  isDetached,
  meantBy,
  NEW_RUN,
  profileConfig,
  runArgs,
  runFields,
} from "../form/run_form.ts";
import type { Host, Screen, Size } from "../screen.ts";
import { bold, type Line, span } from "../text/line.ts";
import { wrapWidth } from "../text/width.ts";
import { launchNewRun } from "./launch.ts";
import { ReviewScreen } from "./review_screen.ts";

/** Typing goes on faster than that. */
const CHECK_AFTER_MS = 150;

/** The screen. */
export class FormScreen implements Screen {
  readonly name = "form";
  readonly title = "new run";
  readonly #host: Host;
  readonly #form: Form;
  #fields: Field[] = runFields("tiny", null);
  #checked: Checked | null = null;
  #estimate: RunEstimate | null = null;
  #freeDiskBytes: number | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  /** Answers to older questions come to nothing. */
  #asked = 0;

  constructor(host: Host) {
    this.#host = host;
    this.#form = new Form({
      fields: this.#fields,
      values: NEW_RUN,
      problemsOf: fieldProblems,
    });
    void this.#check();
  }

  view(size: Size): Line[] {
    const { columns, rows } = size;
    const form = this.#form.lines({ columns, rows });
    const problem = this.#checked?.problem ?? null;
    const command = commandLines(this.#commandLine(), columns);
    const room = rows - form.length;
    const view = {
      estimate: this.#estimate,
      trial: null,
      freeDiskBytes: this.#freeDiskBytes,
    };
    const below: Line[] = problem !== null
      ? wrapWidth(safeText(`✗ ${explain(problem)}`), columns)
        .map((one): Line => [span(one, "bad")])
      : room < 4 + command.length
      ? [shortEstimate(view)]
      : estimateLines(view).slice(0, -1); // the time is for the summary
    const lines: Line[] = [];
    if (rows >= 30) lines.push([bold("Start a run")], []);
    lines.push(...form);
    if (room >= below.length + command.length + 2) lines.push([]);
    lines.push(...below);
    if (room >= below.length + command.length + 2) lines.push([]);
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
      this.#form.fields = meantBy(this.#form.values, this.#fields);
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
    const profile = values.profile || "tiny";
    const fields = runFields(profile, await profileConfig(profile));
    let checked = await checkRunForm(values);
    let estimate: RunEstimate | null = null;
    try {
      if (checked.config) estimate = await estimateRun(checked.config);
    } catch (error) {
      checked = { config: null, problem: error as never };
    }
    const free = await freeBytes(rootPaths(this.#host.root).checkpoints);
    if (asked !== this.#asked) return null;
    this.#fields = fields;
    this.#form.fields = meantBy(values, fields);
    this.#checked = checked;
    this.#estimate = estimate;
    this.#freeDiskBytes = free;
    this.#host.changed(true);
    return checked;
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
        about: [
          [span("A new run of profile "), bold(values.profile || "–")],
        ],
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
