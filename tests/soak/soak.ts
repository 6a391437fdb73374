/**
 * `deno task soak [--count 200] [--seed 1]`: the crash test at length.
 *
 * Prints a line now and then, and last how many processes were killed while
 * they did what, and how many runs were not as they should be. Those stay on
 * disk to be looked at.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { crashTest, formatSummary } from "./crash.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: {
    count: { type: "string", default: "200" },
    seed: { type: "string", default: "1" },
  },
});
const [kills, seed] = [Number(values.count), Number(values.seed)];
if (!Number.isSafeInteger(kills) || !Number.isSafeInteger(seed)) {
  throw new TypeError("--count and --seed take whole numbers");
}

const dir = await Deno.makeTempDir({ prefix: "hearth-soak-" });
const started = performance.now();
const summary = await crashTest({
  kills,
  seed,
  dir,
  onKill: (soFar) => {
    if (soFar.kills % 10 === 0) console.log(formatSummary(soFar));
  },
});
const seconds = Math.round((performance.now() - started) / 1000);
console.log(`${formatSummary(summary)}; seed ${seed}, ${seconds} s`);
if (summary.failures.length === 0) {
  await Deno.remove(dir, { recursive: true });
} else {
  for (const failure of summary.failures) console.error(failure);
  Deno.exit(1);
}
