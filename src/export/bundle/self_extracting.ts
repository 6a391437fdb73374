/**
 * Files that unpack themselves: a shell script that carries, compressed behind
 * its last line, a program, and behind that perhaps a model.
 *
 * Where a POSIX shell, `tar` and `gzip` are, it needs nothing else and nothing
 * from a network. The model is read where it lies, and not unpacked.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { type FileSeal, sealOf } from "../../base/sealed_file.ts";
import { VERSION } from "../../base/version.ts";
import { BUNDLED_MODEL } from "./bundled_model.ts";
import { permissionFlags } from "./permissions.ts";
import header from "./self_extracting.sh" with { type: "text" };

/** A program as files. */
export interface Program {
  /** Where each lies, by the name it is unpacked as. */
  files: Readonly<Record<string, string>>;
  /** The name of the one that is started. */
  runtime: string;
  /** What it is started with, in words of a shell. */
  args: string;
}

/** A bundle of JavaScript, with the Deno that runs this as its runtime. */
export function denoProgram(
  { dir, names, main }: { dir: string; names: readonly string[]; main: string },
): Program {
  const files = Object.fromEntries(names.map((n) => [n, join(dir, n)]));
  const flags = ["--quiet", "--no-config", "--no-lock", "--cached-only"];
  const permissions = permissionFlags(Deno.build.target);
  return {
    files: { [DENO]: Deno.execPath(), ...files },
    runtime: DENO,
    args: ["run", ...flags, ...permissions, `"$program/${main}"`].join(" "),
  };
}

/** Name of the runtime among the files of a bundle. */
export const DENO = "deno";

/** What to write. */
export interface SelfExtractingOptions {
  program: Program;
  /** For the script's first line. */
  title: string;
  /** Appends the model. @returns The seal of its bytes. */
  appendModel?: (path: string) => Promise<FileSeal>;
  signal?: AbortSignal;
  /** Hears the bytes of the program that are packed. */
  onPacked?: (sizeBytes: number) => void;
}

/**
 * Writes such a file, executable, and waits until it is on disk. Not atomic.
 *
 * @throws {Error} If `tar` fails.
 */
export async function writeSelfExtracting(
  path: string,
  options: SelfExtractingOptions,
): Promise<void> {
  const { program, title, appendModel } = options;
  const names = Object.keys(program.files);
  const fields: Record<string, string> = {
    title,
    version: VERSION,
    target: Deno.build.target,
    name: `${VERSION}-${(await digestOf(program.files)).slice(0, 16)}`,
    runtime: program.runtime,
    count: `${names.length}`,
    arguments: program.args,
    model: appendModel
      ? `export ${BUNDLED_MODEL}="@from@ @sha256@ $self"`
      : "# It is the whole of Hearth.",
  };
  // What is not known yet keeps its place.
  const places = { offset: 12, length: 12, from: 12, sha256: 64 };
  const headerOf = (known: Partial<Record<keyof typeof places, unknown>>) => {
    let text = fill(header, fields);
    for (const [name, width] of Object.entries(places)) {
      const value = `${known[name as keyof typeof places] ?? 0}`;
      text = text.replaceAll(`@${name}@`, value.padEnd(width));
    }
    return new TextEncoder().encode(text);
  };
  const headerBytes = headerOf({}).length;
  await Deno.writeFile(path, headerOf({}), { mode: 0o755 });
  await appendArchive(path, options);
  const from = (await Deno.stat(path)).size;
  const seal = await appendModel?.(path);
  const known = headerOf({
    offset: headerBytes + 1, // tail counts from 1
    length: from - headerBytes,
    from,
    sha256: seal?.sha256,
  });
  using file = await Deno.open(path, { write: true });
  for (let at = 0; at < known.length;) {
    at += await file.write(known.subarray(at));
  }
  await file.sync();
  await Deno.chmod(path, 0o755); // whatever the umask
}

function fill(text: string, fields: Record<string, string>): string {
  for (const [name, value] of Object.entries(fields)) {
    text = text.replaceAll(`@${name}@`, () => value); // a `$` is itself
  }
  return text;
}

/** Names the program by what is in it. */
async function digestOf(files: Program["files"]): Promise<string> {
  const hash = createHash("sha256");
  for (const [name, path] of Object.entries(files)) {
    hash.update(`${name} ${(await sealOf(path)).sha256}\n`);
  }
  return hash.digest("hex");
}

/** One stream: a terminal's worth of memory, whatever the size. */
async function appendArchive(
  path: string,
  { program: { files }, signal, onPacked }: SelfExtractingOptions,
): Promise<void> {
  const stage = await Deno.makeTempDir({ prefix: "hearth-pack-" });
  try {
    for (const [name, from] of Object.entries(files)) {
      await Deno.symlink(await Deno.realPath(from), join(stage, name));
    }
    const tar = new Deno.Command("tar", {
      args: ["-chf", "-", "-C", stage, ...Object.keys(files)],
      env: { PATH: `/usr/bin:/bin:/usr/local/bin:${Deno.env.get("PATH")}` },
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const problem = new Response(tar.stderr).text();
    let packed = 0;
    await pipeline(
      tar.stdout,
      new Transform({
        transform(chunk, _encoding, done) {
          onPacked?.(packed += chunk.length);
          done(null, chunk);
        },
      }),
      createGzip(),
      createWriteStream(path, { flags: "a" }),
      { signal },
    );
    if ((await tar.status).success) return;
    throw new Error(`tar failed: ${(await problem).trim()}`);
  } finally {
    await Deno.remove(stage, { recursive: true });
  }
}
