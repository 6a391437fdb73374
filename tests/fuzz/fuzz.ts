/**
 * `deno task fuzz [--count 100000] [--seed 1] [--first 0] [target …]`: damaged
 * inputs for everything that reads what a stranger may have made.
 *
 * Prints a line per target, and what was wrong, each with the command that
 * shows it again. A target that is slow gets a tenth of the inputs.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { formatBytes } from "../../src/base/format.ts";
import { Fuzzer } from "./_fuzz.ts";
import { type TargetName, TARGETS } from "./_targets.ts";

const { values, positionals } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: {
    count: { type: "string", default: "100000" },
    seed: { type: "string", default: "1" },
    first: { type: "string", default: "0" },
  },
});
const [count, seed, first] = [values.count, values.seed, values.first]
  .map(Number);
const names = Object.keys(TARGETS) as TargetName[];
const wrong = positionals.filter((name) => !names.includes(name as TargetName));
if (wrong.length > 0 || ![count, seed, first].every(Number.isSafeInteger)) {
  console.error(`error: Cannot fuzz ${Deno.args.join(" ")}`);
  console.error(`hint: targets are ${names.join(", ")}`);
  Deno.exit(2);
}
let failed = false;
for (const target of names) {
  if (positionals.length > 0 && !positionals.includes(target)) continue;
  const inputs = Math.ceil(count / TARGETS[target].rarer);
  const started = performance.now();
  using fuzzer = new Fuzzer(); // fresh memory for each
  const result = await fuzzer.feed({ target, seed, first, count: inputs });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(
    `${
      target.padEnd(14)
    } ${result.inputs} inputs, ${result.refused} refused, ` +
      `${result.failures.length} failures, memory +` +
      `${formatBytes(Math.max(0, result.grownBytes))}, ${seconds} s`,
  );
  for (const failure of result.failures) {
    const [, input] = /^input (\d+)/.exec(failure)!;
    const again = `--seed ${seed} --first ${input} --count 1 ${target}`;
    console.error(`${failure}\nagain: deno task fuzz ${again}`);
  }
  failed ||= result.failures.length > 0;
}
if (failed) Deno.exit(1);
