/** The form of a run that goes on. @module */

import { formatCount } from "../../base/format.ts";
import { runPaths } from "../../run/files/run_paths.ts";
import { commandLines, ownCommand } from "../form/command_line.ts";
import { Form } from "../form/form.ts";
import {
  resumeArgs,
  resumeFields,
  resumeProblems,
  stepsToCome,
} from "../form/resume_form.ts";
import type { Host, Screen, Size } from "../screen.ts";
import {
  type CheckpointRow,
  checkpointRows,
} from "../state/checkpoint_rows.ts";
import { statusSpan } from "../state/status_signs.ts";
import { bold, type Line, line, span } from "../text/line.ts";
import { wrapWidth } from "../text/width.ts";
import { launchResume } from "./launch.ts";
import { ReviewScreen } from "./review_screen.ts";

/** The screen. */
export class ResumeScreen implements Screen {
  readonly name = "resume";
  readonly title = "resume";
  readonly #host: Host;
  readonly #runId: string;
  #checkpoints: CheckpointRow[] = [];
  readonly #form: Form;

  /** @param options.checkpoint The one to go on from, chosen before. */
  constructor(
    host: Host,
    { runId, checkpoint }: { runId: string; checkpoint?: string },
  ) {
    this.#host = host;
    this.#runId = runId;
    const step = /^step-0*(\d+)$/.exec(checkpoint ?? "")?.[1];
    this.#form = new Form({
      fields: resumeFields([]),
      values: step ? { from: step } : {},
      problemsOf: resumeProblems,
    });
    void this.#load();
  }

  view({ columns, rows }: Size): Line[] {
    const state = this.#state();
    return [
      line(
        bold(this.#runId),
        "  ",
        statusSpan(state?.status ?? "broken"),
        span(
          state?.step == null ? "" : `  step ${formatCount(state.step)} of ` +
            formatCount(state.totalSteps),
          "dim",
        ),
      ),
      [],
      ...this.#form.lines({ columns, rows }),
      [],
      ...this.#adviceLines(columns),
      ...(rows >= 14 ? [[]] : []),
      ...commandLines(this.#commandLine(), columns),
    ];
  }

  act(action: string): void {
    if (action === "back") return this.#host.back();
    if (action === "copy") return this.#host.copy(this.#commandLine());
    if (action === "submit") return this.#submit();
    this.#form.act(action);
    this.#host.changed(true);
  }

  type(text: string): boolean {
    const isTaken = this.#form.type(text);
    this.#host.changed(true);
    return isTaken;
  }

  [Symbol.dispose](): void {}

  #info() {
    return this.#host.runs().find(({ runId }) => runId === this.#runId);
  }

  #state() {
    return this.#info()?.state ?? null;
  }

  #args(): string[] {
    const args = resumeArgs(this.#runId, this.#form.values);
    return [...this.#host.globalArgs, ...args];
  }

  #commandLine(): string {
    return ownCommand(this.#host, this.#args());
  }

  /** What the answers come to. */
  #adviceLines(columns: number): Line[] {
    const { values } = this.#form;
    const isMore = Boolean(values["more-epochs"] || values["more-steps"]);
    const say = (text: string, tone: "warn" | "dim"): Line[] =>
      wrapWidth(text, columns).map((one) => [span(one, tone)]);
    const state = this.#state();
    if (state?.alive) return say("It is being trained now.", "warn");
    if (state?.status === "completed" && !isMore) {
      return say("It is complete: say how much more it is to train.", "warn");
    }
    if (this.#checkpoints.length === 0) {
      return say("It has no checkpoint, so it starts anew.", "warn");
    }
    const steps = this.#steps();
    return say(
      steps === null ? "" : `${formatCount(steps)} steps to come`,
      "dim",
    );
  }

  #steps(): number | null {
    const { from = "latest" } = this.#form.values;
    const chosen = this.#checkpoints.find(({ step, isLatest, isBest }) =>
      from === "latest"
        ? isLatest
        : from === "best"
        ? isBest
        : String(step) === from
    );
    return stepsToCome(this.#form.values, {
      step: chosen?.step ?? null,
      totalSteps: this.#state()?.totalSteps ?? null,
      stepsPerEpoch: this.#info()?.meta?.stepsPerEpoch ?? null,
    });
  }

  async #load(): Promise<void> {
    const dir = runPaths(this.#host.root, this.#runId).checkpoints;
    this.#checkpoints = await checkpointRows(dir).catch(() => []);
    this.#form.fields = resumeFields(this.#checkpoints);
    this.#host.changed(true);
  }

  #submit(): void {
    if (this.#form.focusProblem()) return this.#host.changed(true);
    const { values } = this.#form;
    const host = this.#host;
    const runId = this.#runId;
    const args = this.#args();
    const { from = "latest" } = values;
    host.open(
      new ReviewScreen(host, {
        title: "start",
        about: [
          [
            span("Go on with "),
            bold(runId),
            span(` from ${/^\d/.test(from) ? `step ${from}` : from}`),
          ],
        ],
        args,
        config: this.#info()?.meta?.config ?? null,
        steps: this.#steps(),
        start: values.detach === "no"
          ? null
          : (options) => launchResume(host, { runId, args, ...options }),
      }),
    );
  }
}
