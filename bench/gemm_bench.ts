/**
 * Matrix products for each number of threads, as `hearth bench gemm`:
 * `deno run -A bench/gemm_bench.ts [threads…]`.
 *
 * @module
 */

import { readCpuInfo } from "../src/backend/cpu/cores.ts";
import { runCli } from "../src/cli/main.ts";
import { processIo } from "../src/cli/process_io.ts";

const counts = Deno.args.length > 0
  ? Deno.args
  : [...new Set(["1", `${readCpuInfo().cores}`])];
for (const threads of counts) {
  await runCli(["bench", "gemm", "--threads", threads], processIo());
}
