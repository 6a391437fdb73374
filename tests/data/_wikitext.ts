/** WikiText-2 where it lies beside the checkout, as the hub has it. @module */

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/**
 * The folder with valid.txt and test.txt, or null: then a test that needs it
 * is skipped. HEARTH_WIKITEXT names another place.
 */
export function wikitextFolder(): string | null {
  const beside = new URL("../../../shared/data/wikitext-2", import.meta.url);
  const folder = Deno.env.get("HEARTH_WIKITEXT") || fileURLToPath(beside);
  return existsSync(`${folder}/valid.txt`) ? folder : null;
}

/** The rows of the hub's data set: a line each, blank ones empty. */
export function wikitextRows(text: string): string[] {
  return text.split(/(?<=\n)/).filter((line) => line !== "")
    .map((line) => line.trim() === "" ? "" : line);
}
