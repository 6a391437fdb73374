/**
 * `manifest.json`: the seal of a checkpoint directory.
 *
 * Written last, it lists every other file with its size and SHA-256, and has
 * one of its own. A directory without it is not a checkpoint; one that differs
 * from it is damaged.
 *
 * @module
 */

import { basename, join } from "node:path";
import { writeFileSynced } from "../../base/atomic_file.ts";
import { errorMessage } from "../../base/errors.ts";
import { jsonText, readJson } from "../../base/json_file.ts";
import { refuseLater } from "../../base/later_version.ts";
import { isOneName } from "../../base/one_name.ts";
import { type FileSeal, sealOf, sizeMismatch } from "../../base/sealed_file.ts";
import { textSha256 } from "../../base/sha256.ts";

/** The file's name. */
const MANIFEST = "manifest.json";

/** The object in `manifest.json`. */
export interface Manifest {
  /** Format of the checkpoint. */
  version: 1;
  /** Optimizer steps done. */
  step: number;
  /**
   * Counts the saves of a run. Newer is a higher sequence, not a higher step:
   * a run that went back to an earlier checkpoint saves lower steps again.
   */
  sequence: number;
  /** Saved in the regular rhythm, so counted by `checkpoint.keep`. */
  periodic: boolean;
  savedAt: string;
  /** By file name. */
  files: Record<string, FileSeal>;
}

/** A checkpoint that cannot be used; the message says what is wrong. */
export class DamagedCheckpoint extends Error {
  override readonly name = "DamagedCheckpoint";
}

/** Writes it, and waits until it is on disk. */
export async function saveManifest(
  dir: string,
  manifest: Manifest,
): Promise<void> {
  const sealed = { ...manifest, sha256: checksum(manifest) };
  await writeFileSynced(join(dir, MANIFEST), jsonText(sealed));
}

/** Of the other fields, as they are written. */
function checksum(manifest: Manifest): string {
  return textSha256(jsonText(manifest));
}

/**
 * Reads it, without a look at the other files.
 *
 * @throws {DamagedCheckpoint} If it is missing, changed, or not a manifest.
 * @throws {LaterVersion} If a later version of this program wrote it.
 */
export async function loadManifest(dir: string): Promise<Manifest> {
  let value: unknown;
  try {
    value = await readJson(join(dir, MANIFEST));
  } catch (cause) {
    const why = cause instanceof SyntaxError ? "is not JSON" : "is unreadable";
    throw new DamagedCheckpoint(`${MANIFEST} ${why}`, { cause });
  }
  if (value === undefined) {
    throw new DamagedCheckpoint(`${MANIFEST} is missing`);
  }
  if (!isManifest(value)) {
    throw new DamagedCheckpoint(`${MANIFEST} is not a manifest`);
  }
  const { sha256, ...manifest } = value;
  // Sealed as it is, it was written so; else a bit of the version may differ.
  if (sha256 === checksum(manifest)) {
    refuseLater(manifest, join(dir, MANIFEST), { known: 1 });
  }
  if (manifest.version !== 1) {
    throw new DamagedCheckpoint(
      `its format is version ${
        JSON.stringify(manifest.version)
      }, this program reads version 1`,
    );
  }
  // The first checkpoints had none.
  if (sha256 !== undefined && sha256 !== checksum(manifest)) {
    throw new DamagedCheckpoint(`${MANIFEST} is not as it was written`);
  }
  return manifest;
}

/**
 * Compares files with the manifest: all sizes first, because that is quick,
 * then the checksums.
 *
 * @param names Files to look at.
 * @throws {DamagedCheckpoint} Naming the first one that differs.
 */
export async function verifyFiles(
  dir: string,
  manifest: Manifest,
  names: readonly string[],
): Promise<void> {
  for (const name of names) {
    const expected = manifest.files[name];
    if (!expected) {
      throw new DamagedCheckpoint(`${name} is not in ${MANIFEST}`);
    }
    const actual = await sizeOf(join(dir, name));
    if (actual === null) throw new DamagedCheckpoint(`${name} is missing`);
    if (actual !== expected.sizeBytes) {
      const mismatch = sizeMismatch(actual, expected.sizeBytes);
      throw new DamagedCheckpoint(`${name} ${mismatch}`);
    }
  }
  for (const name of names) {
    if (await sha256Of(join(dir, name)) !== manifest.files[name].sha256) {
      throw new DamagedCheckpoint(`sha256 of ${name} differs from ${MANIFEST}`);
    }
  }
}

async function sizeOf(path: string): Promise<number | null> {
  const stat = await Deno.stat(path).catch(() => null);
  if (stat === null || stat.isFile) return stat && stat.size;
  // To read a pipe would wait for somebody who writes to it.
  throw new DamagedCheckpoint(`${basename(path)} is no regular file`);
}

/** A file that the disk cannot give back is as damaged as a wrong one. */
async function sha256Of(path: string): Promise<string> {
  try {
    return (await sealOf(path)).sha256;
  } catch (cause) {
    throw new DamagedCheckpoint(
      `cannot read ${path}: ${errorMessage(cause)}`,
      { cause },
    );
  }
}

function isManifest(value: unknown): value is Manifest & { sha256?: unknown } {
  const manifest = value as Partial<Manifest> | null;
  return typeof manifest === "object" && manifest !== null &&
    Number.isInteger(manifest.step) && Number.isInteger(manifest.sequence) &&
    typeof manifest.files === "object" && manifest.files !== null &&
    Object.keys(manifest.files).every(isOneName) &&
    Object.values(manifest.files).every((seal) =>
      Number.isInteger(seal?.sizeBytes) && typeof seal?.sha256 === "string"
    );
}
