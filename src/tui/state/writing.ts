/**
 * Texts that models write, as they grow.
 *
 * @module
 */

import type { GenerationSettings } from "../../generate/generate.ts";
import type { OpenModel } from "../../generate/open_model.ts";
import { explain } from "../explain.ts";

/** One text. */
export interface Sample {
  /** Such as `owl-1/latest`, as it was chosen. */
  ref: string;
  /** Such as `owl-1/step-00000500`; null until it is open. */
  name: string | null;
  /** What was drawn so far, without the prompt. */
  text: string;
  tokens: number;
  elapsedMs: number;
  status: "waiting" | "opening" | "writing" | "done" | "stopped" | "failed";
  /** Why it failed, or what one should know. */
  notes: string[];
}

/** What was asked for, and what came of it: one entry of the history. */
export interface Writing {
  prompt: string;
  settings: GenerationSettings;
  /** One, or two side by side. */
  samples: Sample[];
}

/** Opens a model by its name; the writer disposes of it. */
export type OpenByRef = (ref: string) => Promise<OpenModel>;

/** An empty sheet. */
export function newWriting(
  prompt: string,
  { settings, refs }: { settings: GenerationSettings; refs: readonly string[] },
): Writing {
  return {
    prompt,
    settings,
    samples: refs.map((ref) => ({
      ref,
      name: null,
      text: "",
      tokens: 0,
      elapsedMs: 0,
      status: "waiting",
      notes: [],
    })),
  };
}

/**
 * Writes texts, one model after another: together they would only slow each
 * other down. A model stays open for the next text.
 */
export class Writer implements AsyncDisposable {
  readonly #open: OpenByRef;
  readonly #identify: (ref: string) => Promise<string>;
  readonly #onChange: () => void;
  /** By what `identify` calls them. */
  readonly #models = new Map<string, OpenModel>();
  #stop = new AbortController();
  /** Ends when nothing is being written any more. */
  #work: Promise<void> = Promise.resolve();
  #isOver = false;

  /**
   * @param models.identify Says which model a name means by now: that of a run
   * that trains becomes another one.
   */
  constructor(
    { open, identify = (ref) => Promise.resolve(ref) }: {
      open: OpenByRef;
      identify?: (ref: string) => Promise<string>;
    },
    onChange: () => void,
  ) {
    this.#open = open;
    this.#identify = identify;
    this.#onChange = onChange;
  }

  /** Fills the sheet; what is being written meanwhile is stopped. */
  write(writing: Writing): void {
    this.#stop.abort();
    const stop = this.#stop = new AbortController();
    this.#work = this.#work.then(async () => {
      const ids = await Promise.all(
        writing.samples.map(({ ref }) => this.#identify(ref)),
      );
      await this.#closeAllBut(ids);
      for (const [i, sample] of writing.samples.entries()) {
        await this.#fill(sample, writing, {
          id: ids[i],
          signal: stop.signal,
        });
      }
    });
  }

  /** Ends the text at work after its token. */
  stop(): void {
    this.#stop.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    this.#stop.abort();
    await this.#work;
    await this.#closeAllBut([]);
  }

  async #fill(
    sample: Sample,
    { prompt, settings }: Writing,
    { id, signal }: { id: string; signal: AbortSignal },
  ): Promise<void> {
    const tell = (change: Partial<Sample>) => {
      Object.assign(sample, change);
      if (!this.#isOver) this.#onChange();
    };
    if (signal.aborted) return tell({ status: "stopped" });
    try {
      tell({ status: "opening" });
      const model = await this.#model(id, sample.ref);
      const unknown = model.countUnknown(prompt);
      tell({
        status: "writing",
        name: model.name,
        notes: [
          ...model.warnings,
          ...model.notes,
          ...(unknown > 0
            ? [`${unknown} characters of the prompt are unknown to the model`]
            : []),
        ],
      });
      const startMs = performance.now();
      for await (
        const { text } of model.generate({ ...settings, prompt, signal })
      ) {
        tell({
          text: sample.text + text,
          tokens: sample.tokens + 1,
          elapsedMs: performance.now() - startMs,
        });
      }
      tell({ status: signal.aborted ? "stopped" : "done" });
    } catch (error) {
      // Its device may be lost: the next text opens it anew.
      await this.#close(id);
      const notes = [...sample.notes, explain(error)];
      tell({ status: "failed", notes });
    }
  }

  async #model(id: string, ref: string): Promise<OpenModel> {
    const open = this.#models.get(id) ?? await this.#open(ref);
    this.#models.set(id, open);
    return open;
  }

  async #closeAllBut(ids: readonly string[]): Promise<void> {
    for (const id of this.#models.keys()) {
      if (!ids.includes(id)) await this.#close(id);
    }
  }

  /** Never fails: what a lost device does not give back, nobody misses. */
  async #close(id: string): Promise<void> {
    const model = this.#models.get(id);
    this.#models.delete(id);
    try {
      await model?.[Symbol.asyncDispose]();
    } catch {
      // It was to be forgotten anyway.
    }
  }
}
