/**
 * A bundle: one executable with a model inside that generates, and nothing
 * else. It is a file that unpacks itself, with the program that writes it.
 *
 * @module
 */

import { EXIT, UserError } from "../../base/errors.ts";
import { sizeBytesOf } from "../../base/safetensors.ts";
import { type FileSeal, sealOf } from "../../base/sealed_file.ts";
import { appendModel, type ModelToBundle } from "./model_section.ts";
import { ownProgram } from "./own_program.ts";
import { writeSelfExtracting } from "./self_extracting.ts";

/** @throws {UserError} Where no bundle can be made. */
export function checkBundleSystem(os: string = Deno.build.os): void {
  if (os !== "windows") return;
  throw new UserError(
    "Cannot make a bundle on Windows: it unpacks itself by a POSIX shell",
    {
      hint: "use --format gguf or hf, or make it on Linux, macOS or in WSL",
      exitCode: EXIT.usage,
    },
  );
}

/** What a bundle of these tensors takes on the disk, roughly. */
export function bundleBytes(
  { tensors, dtype, tokenizerJson }: ModelToBundle,
): number {
  // The runtime is most of the program, and packs to less than half.
  const program = Deno.statSync(Deno.execPath()).size / 2;
  return program + tokenizerJson.length +
    tensors.reduce((n, tensor) => n + sizeBytesOf(tensor, dtype), 0);
}

/**
 * Writes a bundle, executable. Not atomic.
 *
 * @param options.onProgress Hears the share of the program that is packed.
 */
export async function writeBundle(
  path: string,
  model: ModelToBundle,
  { signal, onProgress }: {
    signal?: AbortSignal;
    onProgress?: (fraction: number) => void;
  },
): Promise<FileSeal> {
  try {
    await using program = await ownProgram();
    let programBytes = 0;
    for (const file of Object.values(program.files)) {
      programBytes += (await Deno.stat(file)).size;
    }
    await writeSelfExtracting(path, {
      program,
      title: "A model that writes text",
      appendModel: (path) => appendModel(path, model),
      signal,
      onPacked: (bytes) => onProgress?.(Math.min(1, bytes / programBytes)),
    });
    return await sealOf(path);
  } catch (error) {
    // Ctrl+C ends the processes that help, too.
    signal?.throwIfAborted();
    throw error;
  }
}
