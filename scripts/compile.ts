/**
 * `deno task compile`: one executable that needs neither Deno nor a network.
 *
 *     deno task compile [--target TARGET | --all] [--portable] [--out dist]
 *
 * Both forms hold the same bundle. `deno compile` puts it into a runtime that
 * it downloads once per target; where that cannot be had, or when asked for,
 * the portable form is made of the Deno that runs this.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { formatBytes } from "../src/base/format.ts";
import { VERSION } from "../src/base/version.ts";
import { MAIN } from "../src/export/bundle/own_program.ts";
import { bundleProgram, deno, sourceCommit, WORKERS } from "./bundle.ts";
import { type FileSeal, sealOf } from "../src/base/sealed_file.ts";
import { permissionFlags } from "../src/export/bundle/permissions.ts";
import { writePortable } from "./portable.ts";

/** What `deno compile` can make executables for. */
export const TARGETS = [
  "x86_64-unknown-linux-gnu",
  "aarch64-unknown-linux-gnu",
  "x86_64-apple-darwin",
  "aarch64-apple-darwin",
  "x86_64-pc-windows-msvc",
];

/** An executable that was made. */
export interface Made extends FileSeal {
  path: string;
}

/**
 * Makes executables and `SHA256SUMS` beside them.
 *
 * @param options.out A directory.
 * @param options.note Gets a line for a person.
 */
export async function compile(
  { targets, portable, out, note }: {
    targets: readonly string[];
    portable: boolean;
    out: string;
    note: (line: string) => void;
  },
): Promise<Made[]> {
  await Deno.mkdir(out, { recursive: true });
  const bundle = `${out}/bundle`;
  const files = await bundleProgram(bundle, { commit: await sourceCommit() });
  const paths: string[] = [];
  if (!portable) {
    for (const target of targets) {
      const path = `${out}/${executableName(target)}`;
      const problem = await compileFor(target, { bundle, path });
      if (problem === null) paths.push(path);
      else if (targets.length > 1) note(`no ${target}: ${problem}`);
      else {
        note(`making the portable form instead, as ${problem}`);
        portable = true;
      }
    }
  }
  if (portable) {
    const output = `${out}/${executableName(Deno.build.target)}-portable`;
    await writePortable({ output, bundle, files });
    paths.push(output);
  }
  const made = await Promise.all(
    paths.map(async (path) => ({ path, ...await sealOf(path) })),
  );
  const sums = made.map(({ path, sha256 }) =>
    `${sha256}  ${path.slice(out.length + 1)}\n`
  );
  await Deno.writeTextFile(`${out}/SHA256SUMS`, sums.join(""));
  return made;
}

/** Flags for the files that no import names. */
export function includedWorkers(bundle: string): string[] {
  return Object.keys(WORKERS).map((name) => `--include=${bundle}/${name}`);
}

/** What a release calls the executable for one of {@linkcode TARGETS}. */
export function executableName(target: string): string {
  const suffix = target.includes("windows") ? ".exe" : "";
  return `hearth-${VERSION}-${target}${suffix}`;
}

/** @returns What is wrong, or null. */
async function compileFor(
  target: string,
  { bundle, path }: { bundle: string; path: string },
): Promise<string | null> {
  try {
    await deno([
      ...["compile", "--quiet", "--no-config", "--no-check", "--cached-only"],
      ...[...permissionFlags(target), "--target", target, "--output", path],
      ...includedWorkers(bundle),
      `${bundle}/${MAIN}`,
    ]);
    return null;
  } catch (error) {
    const { message } = error as Error;
    if (/denort|dl\.deno|download/i.test(message)) {
      return "Deno's runtime base cannot be downloaded";
    }
    throw error;
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      target: { type: "string", default: Deno.build.target },
      all: { type: "boolean", default: false },
      portable: { type: "boolean", default: false },
      out: { type: "string", default: "dist" },
    },
  });
  if (!TARGETS.includes(values.target)) {
    console.error(`error: Cannot compile for "${values.target}"`);
    console.error(`hint: use one of ${TARGETS.join(", ")}`);
    Deno.exit(2);
  }
  const made = await compile({
    targets: values.all ? TARGETS : [values.target],
    portable: values.portable,
    out: values.out,
    note: (line) => console.error(line),
  });
  for (const { path, sizeBytes, sha256 } of made) {
    console.log(`${path}  ${formatBytes(sizeBytes)}  sha256 ${sha256}`);
  }
  if (made.length === 0) Deno.exit(1);
}
