/**
 * Runs parts one after another: one that fails, hangs or takes its process
 * with it costs the others nothing.
 *
 * @module
 */

import { errorMessage } from "../../src/base/errors.ts";
import type { Outcome, Part } from "./parts.ts";

/** A part is not begun where less is left. */
const LEAST_SEC = 5;

/** What running works with; tests bring their own. */
export interface RunParts {
  /** @returns What the part finds. @throws If it fails or takes too long. */
  readonly measure: (part: Part, limitSec: number) => Promise<unknown>;
  /** Called after each part with all outcomes so far. */
  readonly onOutcome: (outcomes: readonly Outcome[]) => Promise<void>;
  /** All of it takes so long at most. */
  readonly limitSec: number;
  /** Milliseconds. */
  readonly now: () => number;
}

/** The outcome of each part, in their order. */
export async function runParts(
  parts: readonly Part[],
  { measure, onOutcome, limitSec, now }: RunParts,
): Promise<Outcome[]> {
  const end = now() + 1000 * limitSec;
  const outcomes: Outcome[] = [];
  for (const part of parts) {
    const start = now();
    const leftSec = (end - start) / 1000;
    outcomes.push(
      leftSec < LEAST_SEC
        ? {
          name: part.name,
          kind: "left out",
          reason: `${limitSec} s are over`,
          tookSec: 0,
        }
        : await outcomeOf(part, Math.min(part.limitSec, leftSec)),
    );
    await onOutcome(outcomes);
  }
  return outcomes;

  async function outcomeOf(part: Part, limitSec: number): Promise<Outcome> {
    const { name, kind } = part;
    const start = now();
    const took = () => ({ tookSec: (now() - start) / 1000 });
    try {
      const found = await measure(part, limitSec);
      const model = "model" in part ? part.model : undefined;
      const { precision } = part;
      // Part and findings are of one kind, which a process cannot tell.
      return { name, kind, model, precision, found, ...took() } as Outcome;
    } catch (error) {
      const reason = errorMessage(error);
      return { name, kind: "failed", reason, ...took() };
    }
  }
}
