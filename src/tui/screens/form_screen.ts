/** The form of a new run. @module */

import { safeText } from "../../base/safe_text.ts";
import { estimateRun, type RunEstimate } from "../../train/estimate.ts";
import { freeBytes } from "../../base/free_space.ts";
import { rootPaths } from "../../run/files/run_paths.ts";
import { explain } from "../explain.ts";
import { commandLine } from "../form/command_line.ts";
import { estimateLines, shortEstimate } from "../form/estimate_lines.ts";
import {
  actOnForm,
  type Field,
  type FormState,
  openForm,
  typeIntoForm,
} from "../form/fields.ts";
import { formLines } from "../form/form_lines.ts";
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
  #form: FormState = openForm(NEW_RUN);
  #fields: Field[] = runFields("tiny", null);
  #checked: Checked | null = null;
  #estimate: RunEstimate | null = null;
  #freeDiskBytes: number | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  /** Answers to older questions come to nothing. */
  #asked = 0;

  constructor(host: Host) {
    this.#host = host;
    void this.#check();
  }

  view(size: Size): Line[] {
    const { columns, rows } = size;
    const problems = fieldProblems(this.#form.values);
    const fields = meantBy(this.#form.values, this.#fields);
    const form = formLines(fields, this.#form, { problems, columns });
    const problem = this.#checked?.problem ?? null;
    const command = wrapWidth(this.#commandLine(), columns - 2);
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
    lines.push(
      ...command.map((one, i): Line => [
        span(i === 0 ? "$ " : "  ", "dim"),
        span(one, "accent"),
      ]),
    );
    return lines;
  }

  act(action: string): void {
    if (action === "back") return this.#host.back();
    if (action === "copy") return this.#host.copy(this.#commandLine());
    if (action === "submit") return void this.#submit();
    const form = actOnForm(this.#fields, this.#form, action);
    if (form !== null) this.#changeTo(form);
  }

  type(text: string): boolean {
    const form = typeIntoForm(this.#fields, this.#form, text);
    if (form === null) return false;
    this.#changeTo(form);
    return true;
  }

  [Symbol.dispose](): void {
    this.#asked++;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #changeTo(form: FormState): void {
    const isNew = form.values !== this.#form.values;
    this.#form = form;
    if (isNew) {
      this.#asked++;
      if (this.#timer !== null) clearTimeout(this.#timer);
      this.#timer = setTimeout(() => void this.#check(), CHECK_AFTER_MS);
    }
    this.#host.changed(true);
  }

  #commandLine(): string {
    const { program, globalArgs } = this.#host;
    return commandLine([
      ...program.split(" "),
      ...globalArgs,
      ...runArgs(this.#form.values),
    ]);
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
    const [wrong] = Object.keys(fieldProblems(values));
    const at = this.#fields.findIndex(({ name }) => name === wrong);
    if (at >= 0) this.#changeTo({ ...this.#form, at });
    const checked = await this.#check();
    if (!checked?.config || at >= 0) return;
    const host = this.#host;
    const args = [...host.globalArgs, ...runArgs(values)];
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
