/**
 * About how much text a source is, without reading it.
 *
 * @module
 */

import { SAMPLE_BYTES } from "../sample/sample.ts";
import { listFiles } from "./local_files.ts";
import { isRemote, type SourceSetting } from "./resolve_sources.ts";
import { weightedSources } from "./weights.ts";

/** What a compressed text grows to, roughly. */
const COMPRESSED_TIMES = 3;

/**
 * Bytes of text; null where only a download would tell.
 *
 * @throws {UserError} As `listFiles`.
 */
export async function aboutTextBytes(
  setting: SourceSetting,
): Promise<number | null> {
  let bytes = 0;
  for (const { source } of weightedSources(setting)) {
    if (isRemote(source)) return null;
    if (source === "sample") {
      bytes += SAMPLE_BYTES;
      continue;
    }
    for (const { sizeBytes, compression } of await listFiles(source)) {
      bytes += sizeBytes * (compression === "none" ? 1 : COMPRESSED_TIMES);
    }
  }
  return bytes;
}
