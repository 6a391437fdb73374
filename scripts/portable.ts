/**
 * The portable form of the executable: a file that unpacks itself, with the
 * Deno that made it and the bundle. It needs nothing from a network, and runs
 * where that Deno runs.
 *
 * @module
 */

import {
  denoProgram,
  writeSelfExtracting,
} from "../src/export/bundle/self_extracting.ts";
import { MAIN } from "../src/export/bundle/own_program.ts";

/** What to pack. */
export interface PortableOptions {
  /** The executable that is written. */
  readonly output: string;
  /** Where the bundle lies. */
  readonly bundle: string;
  /** Files of the bundle. */
  readonly files: readonly string[];
}

/** @throws {Error} If this system has no POSIX shell, or `tar` fails. */
export async function writePortable(
  { output, bundle, files }: PortableOptions,
): Promise<void> {
  if (Deno.build.os === "windows") {
    throw new Error("The portable form is a POSIX script: not for Windows");
  }
  const part = `${output}.part`;
  await writeSelfExtracting(part, {
    program: denoProgram({ dir: bundle, names: files, main: MAIN }),
    title: "Hearth",
  });
  await Deno.rename(part, output);
}
