/**
 * Checksums of texts.
 *
 * Of files and of what comes in pieces, whoever reads them keeps a hash.
 *
 * @module
 */

import { createHash } from "node:crypto";

/** sha256 of the UTF-8 bytes of a text, in hex. */
export function textSha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
