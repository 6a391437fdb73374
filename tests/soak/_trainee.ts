/**
 * Trains or resumes the run of a crash test until it is done or killed:
 * `deno run _trainee.ts ORDERS`, with {@linkcode Orders} as JSON.
 *
 * @module
 */

import { resumeRun, startRun } from "../../src/run/runner.ts";
import { train } from "../../src/train/loop.ts";
import { openSession } from "../../src/train/open_session.ts";
import { crashConfig } from "./_crash_config.ts";
import { type Moment, tracePhases } from "./_phases.ts";

/** What the trainee is told. */
export interface Orders {
  root: string;
  /** It is the run's first process; else it resumes. */
  isNew: boolean;
  /** Where it dies by its own hand. */
  killAt: Moment | null;
}

const orders: Orders = JSON.parse(Deno.args[0]);
tracePhases(orders.killAt);
const common = {
  root: orders.root,
  commandLine: ["hearth"],
  engine: { openSession, train },
};
const events = orders.isNew
  ? startRun({ ...common, config: crashConfig(orders.root) })
  : resumeRun(common);
for await (const event of events) {
  // Whatever is worth a warning is a failure here: nothing was damaged.
  if (event.kind !== "warning") continue;
  if (/starts anew|warm-up/.test(event.message)) continue;
  throw new Error(`Warned of: ${event.message}`);
}
