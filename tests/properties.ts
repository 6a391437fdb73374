/**
 * `deno task properties [--times 100] [--seed N] [FILE …]`: the properties of
 * random values with draws that the gate does not make, and so many times more.
 *
 * Without a seed takes a new one. Prints what fails with the command that
 * shows it again.
 *
 * @module
 */

import { glob } from "node:fs/promises";
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: {
    times: { type: "string", default: "100" },
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
  },
});
const { times, seed } = values;
if (!(Number(times) > 0 && [times, seed].map(Number).every(Number.isInteger))) {
  console.error("error: --times and --seed take whole numbers");
  Deno.exit(2);
}

const files = positionals.length > 0
  ? positionals
  : await filesWithProperties();
console.log(`Seed ${seed}, ${times} times the usual number of draws`);
const { success } = await new Deno.Command(Deno.execPath(), {
  args: ["test", "--allow-all", "--quiet", ...files],
  env: { PROPERTY_SEED: seed, PROPERTY_TIMES: times },
}).spawn().status;
if (!success) {
  const again = `--times ${times} --seed ${seed} ${positionals.join(" ")}`;
  console.error(`again: deno task properties ${again.trim()}`);
  Deno.exit(1);
}

/** The tests that draw by `_property.ts`. */
async function filesWithProperties(): Promise<string[]> {
  const found: string[] = [];
  for await (const path of glob("tests/**/*_test.ts")) {
    const text = await Deno.readTextFile(path);
    if (text.includes('/_property.ts"')) found.push(path);
  }
  return found.sort();
}
