/**
 * Writes `configs/hearth.schema.json`, which lets editors complete and check
 * configuration files. A test fails when it is out of date.
 *
 *     deno run -A scripts/write_schema.ts
 *
 * @module
 */

import { configJsonSchema } from "../src/config/allowed.ts";

/** The text of the file. */
export function schemaText(): string {
  return JSON.stringify(configJsonSchema(), null, 2) + "\n";
}

if (import.meta.main) {
  const path = new URL("../configs/hearth.schema.json", import.meta.url);
  await Deno.writeTextFile(path, schemaText());
}
