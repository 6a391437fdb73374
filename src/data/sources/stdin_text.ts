/**
 * Text from standard input, kept as a file: it is read more than once, and
 * again when the run is resumed.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { join } from "node:path";
import type { DataSection } from "../../config/hearth_config.ts";
import { removeLeftovers, Workspace } from "../disk/workspace.ts";
import { writeFailure } from "../file_errors.ts";
import { rawDirectory } from "./raw_files.ts";
import { weightedSources } from "./weights.ts";

/** Stands for standard input where a source is named. */
const STDIN = "-";

/** Whether `data` names standard input. */
export function namesStdin({ dataset, valDataset }: DataSection): boolean {
  return [dataset, ...valDataset === undefined ? [] : [valDataset]]
    .flatMap(weightedSources).some(({ source }) => source === STDIN);
}

/** The same, with a path in the place of standard input. */
export function replaceStdin(data: DataSection, path: string): DataSection {
  type Setting = DataSection["dataset"];
  const replaced = (setting: Setting): Setting =>
    weightedSources(setting).map(({ source, weight }) => ({
      source: source === STDIN ? path : source,
      ...weight === null ? {} : { weight },
    }));
  return {
    ...data,
    dataset: replaced(data.dataset),
    ...data.valDataset === undefined
      ? {}
      : { valDataset: replaced(data.valDataset) },
  };
}

/**
 * Writes `stream` to a file below `data/raw/`, named by its content.
 *
 * @returns Its path.
 * @throws {UserError} When the disk is full.
 */
export async function keepStream(
  stream: AsyncIterable<Uint8Array>,
  dataDir: string,
): Promise<string> {
  const parent = rawDirectory(dataDir);
  const name = "text.txt";
  await removeLeftovers(parent); // Ctrl+C ends the reading as it is
  await using workspace = await Workspace.create(parent);
  const hash = createHash("sha256");
  const path = join(workspace.directory, name);
  try {
    using file = await Deno.create(path);
    for await (const chunk of stream) {
      hash.update(chunk);
      for (let at = 0; at < chunk.length;) {
        at += await file.write(chunk.subarray(at));
      }
    }
    await file.sync();
  } catch (error) {
    throw writeFailure(path, error);
  }
  const directory = `stdin-${hash.digest("hex").slice(0, 12)}`;
  await workspace.publish(directory); // else the same text is there already
  return join(parent, directory, name);
}
