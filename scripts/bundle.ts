/**
 * The program as a folder of plain JavaScript: what both forms of the
 * executable hold. What a command needs stays in files of its own, so that
 * they are only read when that command runs.
 *
 *     deno run -A scripts/bundle.ts DIRECTORY
 *
 * @module
 */

import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { MAIN } from "../src/export/bundle/own_program.ts";

const ROOT = new URL("../", import.meta.url);

/**
 * What threads run, by its name in the bundle; a bundler does not follow the
 * URL in `new Worker(new URL("./cpu_worker.ts", import.meta.url))`.
 */
export const WORKERS: Readonly<Record<string, string>> = {
  "cpu_worker.js": "src/backend/cpu/cpu_worker.ts",
  "text_worker.js": "src/tokenizer/text_worker.ts",
};
const COMMIT_MARK = "@commit@";

/**
 * Writes the bundle.
 *
 * @param out A directory, which is emptied first.
 * @returns Names of its files, {@linkcode MAIN} first.
 * @throws {Error} If bundling fails or does not give what is expected.
 */
export async function bundleProgram(
  out: string,
  { commit }: { commit: string },
): Promise<string[]> {
  await Deno.remove(out, { recursive: true }).catch(() => {});
  await Deno.mkdir(out, { recursive: true });
  // React has a slow and talkative build that only this keeps out.
  const flags = ["bundle", "--quiet", "--minify"];
  await deno([...flags, "--code-splitting", "--outdir", out, "mod.ts"]);
  for (const [name, source] of Object.entries(WORKERS)) {
    await deno([...flags, "--output", `${out}/${name}`, source]);
    await replaceOnce(out, `./${basename(source)}`, `./${name}`);
  }
  await replaceOnce(out, COMMIT_MARK, commit);
  const names: string[] = [];
  for await (const { name } of Deno.readDir(out)) {
    const code = await Deno.readTextFile(`${out}/${name}`);
    const [source] = /new URL\("[^"]+\.ts"/.exec(code) ?? [];
    if (source) throw new Error(`Not in the bundle: ${source}), add it above`);
    if (name !== MAIN) names.push(name);
  }
  return [MAIN, ...names.sort()];
}

/** The commit of the sources, `-dirty` if they differ from it. */
export async function sourceCommit(): Promise<string> {
  const command = new Deno.Command("git", {
    args: ["describe", "--always", "--dirty", "--exclude=*"],
    cwd: ROOT,
    stderr: "null",
  });
  try {
    const { success, stdout } = await command.output();
    if (success) return new TextDecoder().decode(stdout).trim();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error; // there is no git
  }
  return "no commit"; // sources that were downloaded as an archive
}

/** Runs Deno on the sources. @throws {Error} With what it printed. */
export async function deno(args: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: fileURLToPath(ROOT),
    env: { NODE_ENV: "production", NO_COLOR: "1" },
    stdout: "null",
  }).output();
  if (success) return;
  throw new Error(new TextDecoder().decode(stderr).trim());
}

/** Replaces a mark that must be in one place of one file. */
async function replaceOnce(
  dir: string,
  mark: string,
  text: string,
): Promise<void> {
  let found = 0;
  for await (const { name } of Deno.readDir(dir)) {
    const path = `${dir}/${name}`;
    const code = await Deno.readTextFile(path);
    const count = code.split(mark).length - 1;
    found += count;
    if (count > 0) await Deno.writeTextFile(path, code.replaceAll(mark, text));
  }
  if (found !== 1) {
    throw new Error(`Expected "${mark}" once in the bundle, found ${found}`);
  }
}

if (import.meta.main) {
  await bundleProgram(Deno.args[0], { commit: await sourceCommit() });
}
