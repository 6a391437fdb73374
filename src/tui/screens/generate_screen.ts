/** Text from one checkpoint, or from two side by side. @module */

import { openModel } from "../../generate/open_model.ts";
import { loadChosen } from "../../run/checkpoints/checkpoint_ref.ts";
import { Form } from "../form/form.ts";
import {
  generateFields,
  generateProblems,
  generateSettings,
  withNextSeed,
} from "../form/generate_form.ts";
import type { Host, Screen, Size } from "../screen.ts";
import { modelRef, modelRefs, stepRef } from "../state/model_refs.ts";
import { newWriting, Writer, type Writing } from "../state/writing.ts";
import { bold, type Line, line, span } from "../text/line.ts";
import { writingLines } from "./writing_lines.ts";

/** Below this, all fields would leave the text no room. */
const TALL_ROWS = 28;
/** Then the focused field and its neighbors are seen: the rest is a key away. */
const SHORT_ROWS = 4;

/** The screen. */
export class GenerateScreen implements Screen {
  readonly name = "generate";
  readonly title = "generate";
  readonly #host: Host;
  readonly #runId: string;
  readonly #writer: Writer;
  /** `owl-1/latest` and so on; null while they are looked for. */
  #models: string[] | null = null;
  readonly #form: Form;
  readonly #history: Writing[] = [];
  /** Which of them is shown. */
  #at = 0;
  #back = 0;
  #page = 10;

  /** @param options.checkpoint The one that was selected, if any. */
  constructor(
    host: Host,
    { runId, checkpoint }: { runId: string; checkpoint?: string },
  ) {
    this.#host = host;
    this.#runId = runId;
    this.#form = new Form({
      fields: generateFields([]),
      values: checkpoint ? { model: modelRef(runId, checkpoint) } : {},
      problemsOf: generateProblems,
    });
    this.#writer = new Writer({
      open: async (ref) => await openModel(await loadChosen(host.root, ref)),
      identify: (ref) => stepRef(host.root, ref),
    }, () => host.changed());
    void this.#load();
  }

  view(size: Size): Line[] {
    if (this.#models?.length === 0) return this.#guidance();
    const { columns, rows } = size;
    const form = this.#form.lines({
      columns,
      rows: rows >= TALL_ROWS ? rows : SHORT_ROWS,
    });
    const textRows = rows - form.length - 1;
    this.#page = Math.max(1, textRows - 3);
    const writing = this.#history[this.#at];
    const text = writing === undefined
      ? [line(span("Enter", "accent"), span(" writes a text", "dim"))]
      : writingLines(writing, {
        size: { columns, rows: textRows },
        back: this.#back,
        note: this.#history.length > 1
          ? `${this.#at + 1} of ${this.#history.length}`
          : "",
      });
    return [...form, [], ...text];
  }

  act(action: string): void {
    switch (action) {
      case "back":
        return this.#host.back();
      case "submit":
        return this.#write();
      case "again":
        if (this.#form.isSound) {
          this.#form.values = withNextSeed(this.#form.values);
        }
        return this.#write();
      case "halt":
        this.#writer.stop();
        break;
      case "older":
      case "newer": {
        const at = this.#at + (action === "older" ? -1 : 1);
        this.#at = Math.max(0, Math.min(this.#history.length - 1, at));
        this.#back = 0;
        break;
      }
      case "pageup":
        this.#back += this.#page;
        break;
      case "pagedown":
        this.#back = Math.max(0, this.#back - this.#page);
        break;
      default:
        this.#form.act(action);
    }
    this.#host.changed(true);
  }

  type(text: string): boolean {
    const isTaken = this.#form.type(text);
    this.#host.changed(true);
    return isTaken;
  }

  [Symbol.dispose](): void {
    void this.#writer[Symbol.asyncDispose]();
  }

  #guidance(): Line[] {
    const state = this.#host.runs()
      .find(({ runId }) => runId === this.#runId)?.state;
    return [
      [bold(`${this.#runId} has no checkpoint to write with yet`)],
      [],
      state?.alive
        ? line("Wait for its first one, or stop it: then it saves one.")
        : line("Train it first: Esc, then r to go on with it."),
    ];
  }

  async #load(): Promise<void> {
    const { root } = this.#host;
    // Of the run that is meant, then of the others.
    const ids = this.#host.runs().map(({ runId }) => runId)
      .filter((runId) => runId !== this.#runId);
    const own = await modelRefs(root, this.#runId);
    this.#models = own;
    this.#form.fields = generateFields(own);
    this.#host.changed(true);
    if (own.length === 0) return;
    for (const runId of ids) own.push(...await modelRefs(root, runId));
    this.#form.fields = generateFields(own);
    this.#host.changed(true);
  }

  #write(): void {
    if (this.#form.focusProblem()) return this.#host.changed(true);
    const { values } = this.#form;
    // Whoever is fast need not wait for the list.
    const model = values.model?.trim() || modelRef(this.#runId);
    const beside = values.beside?.trim() || model;
    const refs = beside === model ? [model] : [model, beside];
    const writing = newWriting(values.prompt ?? "", {
      settings: generateSettings(values),
      refs,
    });
    this.#history.push(writing);
    this.#at = this.#history.length - 1;
    this.#back = 0;
    this.#writer.write(writing);
    this.#host.changed(true);
  }
}
