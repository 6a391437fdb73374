/**
 * About how much text a source is, without reading it.
 *
 * @module
 */

import { resolveSources, type SourceSetting } from "./sources.ts";
import { SAMPLE_BYTES } from "./sample/sample.ts";

/** What a compressed text grows to, roughly. */
const COMPRESSED_TIMES = 3;

/**
 * Bytes of text; null where only a download would tell.
 *
 * @throws {UserError} As `resolveSources`.
 */
export async function aboutTextBytes(
  setting: SourceSetting,
): Promise<number | null> {
  let bytes = 0;
  for (const source of await resolveSources(setting)) {
    if (source.kind === "sample") bytes += SAMPLE_BYTES;
    else if (source.kind !== "files") return null;
    else {
      for (const { sizeBytes, compression } of source.files) {
        bytes += sizeBytes * (compression === "none" ? 1 : COMPRESSED_TIMES);
      }
    }
  }
  return bytes;
}
