/**
 * The portable form of the executable: a shell script that carries, compressed
 * behind its last line, the Deno that made it and the bundle. It needs nothing
 * from a network, and runs where that Deno runs.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { constants, createGzip } from "node:zlib";
import { permissionFlags } from "./permissions.ts";

const HEADER = new URL("portable_header.sh", import.meta.url);
const VERIFY = new URL("portable_verify.js", import.meta.url);

/** What to pack. */
export interface PortableOptions {
  /** The executable that is written. */
  readonly output: string;
  /** Where the bundle lies; the other files are added to it. */
  readonly bundle: string;
  /** Files of the bundle. */
  readonly files: readonly string[];
  readonly version: string;
}

/** @throws {Error} If this system has no POSIX shell, or `tar` fails. */
export async function writePortable(
  { output, bundle, files, version }: PortableOptions,
): Promise<void> {
  if (Deno.build.os === "windows") {
    throw new Error("The portable form is a POSIX script: not for Windows");
  }
  // 1. The runtime and what checks it, beside the bundle.
  await Deno.copyFile(Deno.execPath(), `${bundle}/deno`);
  await Deno.chmod(`${bundle}/deno`, 0o755);
  await Deno.copyFile(VERIFY, `${bundle}/verify.js`);
  const contents = ["deno", "verify.js", ...files];
  const sums: Record<string, string> = {};
  for (const name of contents) sums[name] = await sha256(`${bundle}/${name}`);
  const listed = JSON.stringify(sums);
  await Deno.writeTextFile(`${bundle}/sums.json`, listed);
  const digest = createHash("sha256").update(listed).digest("hex");

  // 2. The header knows its own length.
  const template = await Deno.readTextFile(HEADER);
  const permissions = permissionFlags(Deno.build.target);
  const header = (offset: string) =>
    template
      .replaceAll("@version@", version)
      .replaceAll("@target@", Deno.build.target)
      .replaceAll("@digest@", digest.slice(0, 16))
      .replaceAll("@permissions@", permissions.join(" "))
      .replaceAll("@offset@", offset);
  const digits = 6;
  const length = new TextEncoder().encode(header("0".repeat(digits))).length;
  const offset = `${length + 1}`.padStart(digits, "0"); // tail counts from 1
  const part = `${output}.part`;
  await Deno.writeTextFile(part, header(offset));

  // 3. One stream: a terminal's worth of memory, whatever the size.
  const tar = new Deno.Command("tar", {
    args: ["-cf", "-", "-C", bundle, "sums.json", ...contents],
    stdout: "piped",
  }).spawn();
  await pipeline(
    tar.stdout,
    createGzip({ level: constants.Z_BEST_COMPRESSION }),
    createWriteStream(part, { flags: "a" }),
  );
  if (!(await tar.status).success) throw new Error("tar failed");
  await Deno.chmod(part, 0o755);
  await Deno.rename(part, output);
}

/** Of a file, in hex. */
export async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}
