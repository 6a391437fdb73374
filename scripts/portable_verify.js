/**
 * Run by a portable executable when it unpacked itself: compares each file
 * with the checksum that was written when it was made. Ends with 1 if one
 * differs or is missing.
 *
 * @module
 */

import { createHash } from "node:crypto";

const [dir] = Deno.args;
const sums = JSON.parse(Deno.readTextFileSync(`${dir}/sums.json`));
for (const [name, sum] of Object.entries(sums)) {
  const hash = createHash("sha256");
  const file = Deno.openSync(`${dir}/${name}`);
  for await (const chunk of file.readable) hash.update(chunk);
  if (hash.digest("hex") !== sum) Deno.exit(1);
}
