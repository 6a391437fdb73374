/**
 * Where the time of a step goes for several models, as `hearth bench ops`:
 * `deno run -A bench/ops_bench.ts [profile…] [--threads N] [--calls]`.
 *
 * @module
 */

import { BENCH_SHAPES } from "../src/cli/bench/shapes.ts";
import { runCli } from "../src/cli/main.ts";
import { processIo } from "../src/cli/process_io.ts";

const firstFlag = Deno.args.findIndex((word) => word.startsWith("-"));
const end = firstFlag < 0 ? Deno.args.length : firstFlag;
const profiles = Deno.args.slice(0, end), flags = Deno.args.slice(end);
const all = ["demo", ...Object.keys(BENCH_SHAPES)];
for (const profile of profiles.length > 0 ? profiles : all) {
  console.log(`\n${profile}`);
  await runCli(["bench", "ops", "--profile", profile, ...flags], processIo());
}
