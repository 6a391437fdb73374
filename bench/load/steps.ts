/**
 * Training steps on the CPU for some seconds: the part of load.ts that runs in
 * a process of its own.
 *
 *     deno run -A bench/load/steps.ts '{"profile": "char-cpu", "seconds": 4}'
 *
 * Says `ready` when it has warmed up, begins when a line comes, and prints how
 * many steps it made in how many milliseconds.
 *
 * @module
 */

import { openCpuBackend } from "../../src/backend/cpu/cpu_backend.ts";
import { benchModel } from "../../src/cli/bench/bench_model.ts";
import { openTrialStep } from "../../src/train/trial_step.ts";

/** What to run. */
export interface StepsOrder {
  /** Of `hearth bench train`. */
  readonly profile: string;
  readonly seconds: number;
  readonly precision?: "fp32" | "bf16";
  /** Absent is one per core. */
  readonly threads?: number;
}

/** What came out. */
export interface StepsFigures {
  readonly steps: number;
  readonly ms: number;
}

/** Steps that do not count. */
const WARM_UP = 3;

if (import.meta.main) {
  const order = JSON.parse(Deno.args[0]) as StepsOrder;
  const backend = await openCpuBackend(order);
  const { executable, steps: stepsOfRun, run } = await openTrialStep(
    backend,
    await benchModel(order.profile, []),
  );
  for (let i = 0; i < WARM_UP; i++) await run();
  console.log("ready");
  await Deno.stdin.read(new Uint8Array(1));
  let steps = 0, ms = 0;
  for (const start = performance.now(); ms < 1000 * order.seconds;) {
    await run();
    steps += stepsOfRun;
    ms = performance.now() - start;
  }
  const figures: StepsFigures = { steps, ms };
  console.log(JSON.stringify(figures));
  await executable.dispose();
  await backend.dispose();
}
