/**
 * The program that this process runs, to be packed once more: the compiled
 * executable itself; or the Deno that runs it, with the bundle that it runs,
 * or with one that is made of the sources.
 *
 * @module
 */

import { UserError } from "../../base/errors.ts";
import { BUILT_COMMIT } from "../../base/version.ts";
import { DENO, denoProgram, type Program } from "./self_extracting.ts";

/** The file of a bundle that is the program. */
export const MAIN = "mod.js";

/** What is known of a process. */
export interface ProgramFacts {
  /** Compiled into one executable. */
  standalone: boolean;
  execPath: string;
  /** The directory of the bundle; null when run from sources. */
  bundle: string | null;
}

/** Of this process. */
function ownFacts(): ProgramFacts {
  return {
    standalone: Deno.build.standalone,
    execPath: Deno.execPath(),
    bundle: BUILT_COMMIT === null ? null : import.meta.dirname!,
  };
}

/** A program until it is disposed of: what was made for it goes then. */
export type PackedProgram = Program & AsyncDisposable;

/**
 * The program of this process.
 *
 * @throws {UserError} If the sources cannot be bundled.
 */
export async function ownProgram(
  { standalone, execPath, bundle }: ProgramFacts = ownFacts(),
): Promise<PackedProgram> {
  if (standalone) {
    const runtime = "hearth";
    const files = { [runtime]: execPath };
    return { files, runtime, args: "", async [Symbol.asyncDispose]() {} };
  }
  const dir = bundle ?? await bundleSources();
  const names: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(dir)) {
    // The portable form has its runtime there.
    if (!isDirectory && name !== DENO) names.push(name);
  }
  return {
    ...denoProgram({ dir, names: names.sort(), main: MAIN }),
    async [Symbol.asyncDispose]() {
      if (bundle === null) await Deno.remove(dir, { recursive: true });
    },
  };
}

/** @returns A new directory. */
async function bundleSources(): Promise<string> {
  const dir = await Deno.makeTempDir({ prefix: "hearth-bundle-" });
  // Not among the files of a bundle, which never comes here.
  const script = import.meta.resolve("../../../scripts/bundle.ts");
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", script, dir],
    env: { NO_COLOR: "1" },
    stdout: "null",
  }).output();
  if (success) return dir;
  await Deno.remove(dir, { recursive: true });
  const said = new TextDecoder().decode(stderr).trim().split("\n");
  const problem = said.find((line) => /^error|^Error/i.test(line)) ?? said[0];
  throw new UserError(
    `Cannot make one program of the sources: ${problem}`,
    { hint: "see whether deno task compile works; it needs esbuild once" },
  );
}
