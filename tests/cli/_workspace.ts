import { join } from "node:path";
import { type FakeSettings, type Outcome, run } from "./_fake_io.ts";

/** A text of about 6 kB, the same every time. */
export const TEXT = Array.from(
  { length: 200 },
  (_, i) => `the cat sat on the mat ${i}\n`,
).join("");

/** Settings of a model that trains a thousand steps a second. */
export const TINY = [
  ...["--tokenizer", "byte", "--n-layer", "1", "--n-head", "2"],
  ...["--n-embd", "8", "--seq-len", "8", "--batch-size", "2"],
  ...["--threads", "1", "--warmup-steps", "2"],
];

/** A root directory with a text in it, for the time of one test. */
export class Workspace implements AsyncDisposable {
  private constructor(readonly root: string) {}

  static async create(): Promise<Workspace> {
    const workspace = new Workspace(await Deno.makeTempDir());
    await workspace.write("text.txt", TEXT);
    return workspace;
  }

  path(name: string): string {
    return join(this.root, name);
  }

  async write(name: string, content: string | Uint8Array): Promise<string> {
    const path = this.path(name);
    const bytes = typeof content === "string"
      ? new TextEncoder().encode(content)
      : content;
    await Deno.writeFile(path, bytes);
    return path;
  }

  /** Runs a command line; its root appears as `ROOT` in what is printed. */
  async run(argv: string[], settings?: FakeSettings): Promise<Outcome> {
    const outcome = await run(["--root", this.root, ...argv], settings);
    const { code, out, err } = outcome;
    return {
      code,
      out: out.replaceAll(this.root, "ROOT"),
      err: err.replaceAll(this.root, "ROOT"),
    };
  }

  /** Trains the tiny model on the text. */
  async train(argv: string[], settings?: FakeSettings): Promise<Outcome> {
    const dataset = this.path("text.txt");
    return await this.run(
      ["train", "--dataset", dataset, ...TINY, ...argv],
      settings,
    );
  }

  /** Names of what lies in the root, `text.txt` left out. */
  async names(): Promise<string[]> {
    const entries = await Array.fromAsync(Deno.readDir(this.root));
    return entries.map(({ name }) => name)
      .filter((name) => name !== "text.txt").sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.root, { recursive: true });
  }
}

/** Times and speeds as they differ from run to run, as `#`. */
export function withoutTimes(text: string): string {
  return text
    .replaceAll(/ *[\d,]+ tok\/s/g, " # tok/s")
    .replaceAll(/\b(after|in|eta|ETA) ([\d.]+s|n\/a|\dm \d\ds)/g, "$1 #")
    .replaceAll(/cpu: .*, 1 thread/g, "cpu: CPU, 1 thread")
    .replaceAll(/\d+\.\d kB/g, "# kB");
}
