/**
 * The crash test: processes that train one run after another are killed at
 * random moments, most of them while they save, and resumed.
 *
 * After each kill the files must be whole; each run that reaches its end must
 * have the same bits as one that nobody disturbed. Half of the processes die
 * by their own hand at an exact call, the others are killed from outside, a
 * moment after a phase began, so in the middle of whatever they do then.
 *
 * @module
 */

import { join } from "node:path";
import { errorMessage } from "../../src/base/errors.ts";
import { PhiloxStream, STREAM } from "../../src/base/philox.ts";
import { makeRoot } from "./_crash_config.ts";
import { type Phase, PHASES } from "./_phases.ts";
import { type Kill, runTrainee } from "./_run_trainee.ts";
import {
  assertSameResult,
  checkFiles,
  hasBegun,
  readResult,
} from "./_verdict.ts";

/** What a crash test found. */
export interface CrashSummary {
  kills: number;
  byPhase: Record<Phase, number>;
  /** Runs that came to their end after all. */
  completed: number;
  /** One text each; empty when all is well. */
  failures: string[];
}

/** How often a phase is chosen: six kills in ten strike a save. */
const WEIGHTS: Record<Phase, number> = {
  prepare: 10,
  step: 20,
  eval: 10,
  write: 18,
  sync: 12,
  rename: 14,
  pointer: 10,
  prune: 6,
};
/** How many of a phase may pass: about what three saves have. */
const MOST: Record<Phase, number> = {
  prepare: 1,
  step: 20,
  eval: 4,
  write: 24,
  sync: 24,
  rename: 2,
  pointer: 12,
  prune: 6,
};
/** Longest wait, in milliseconds, of a kill from outside. */
const WAIT_MS: Record<Phase, number> = {
  prepare: 400, // loads the program, tokenizes, opens the device
  step: 10,
  eval: 10,
  write: 2,
  sync: 2,
  rename: 2,
  pointer: 2,
  prune: 2,
};

/**
 * Kills until `kills` processes have died.
 *
 * @param options.dir Where the runs are made; those that failed stay.
 * @param options.onKill Hears of each.
 */
export async function crashTest(
  { kills, seed, dir, onKill = () => {} }: {
    kills: number;
    seed: number;
    dir: string;
    onKill?: (summary: CrashSummary) => void;
  },
): Promise<CrashSummary> {
  const random = new PhiloxStream(seed, STREAM.sampling);
  const summary: CrashSummary = {
    kills: 0,
    byPhase: {
      prepare: 0,
      step: 0,
      eval: 0,
      write: 0,
      sync: 0,
      rename: 0,
      pointer: 0,
      prune: 0,
    },
    completed: 0,
    failures: [],
  };

  // 1. The run that nobody disturbs.
  const whole = join(dir, "whole");
  await makeRoot(whole);
  await runTrainee(whole, { isNew: true, kill: null });
  const wanted = await readResult(whole);

  // 2. Runs that are killed again and again until they end.
  const nextKill = (): Kill | null => {
    if (summary.kills >= kills) return null;
    const phase = weighted(random);
    return {
      phase,
      nth: random.below(MOST[phase]),
      edge: random.below(2) === 0 ? "begin" : "end",
      afterMs: random.below(2) === 0 ? null : WAIT_MS[phase] * random.uniform(),
    };
  };
  const onDeath = (phase: Phase) => {
    summary.kills++;
    summary.byPhase[phase]++;
    onKill(summary);
  };
  for (let run = 1; summary.kills < kills; run++) {
    const root = join(dir, `run-${run}`);
    try {
      await makeRoot(root);
      await trainDespite(root, { nextKill, onDeath });
      assertSameResult(await readResult(root), wanted);
      summary.completed++;
      await Deno.remove(root, { recursive: true });
    } catch (error) {
      summary.failures.push(`${root}: ${errorMessage(error)}`);
    }
  }
  return summary;
}

/** Starts the run, and resumes it as often as it is killed. */
async function trainDespite(
  root: string,
  { nextKill, onDeath }: {
    nextKill: () => Kill | null;
    onDeath: (phase: Phase) => void;
  },
): Promise<void> {
  for (let lastStep = 0;;) {
    const isNew = !await hasBegun(root);
    const killedIn = await runTrainee(root, { isNew, kill: nextKill() });
    if (killedIn === null) return;
    onDeath(killedIn);
    const found = await checkFiles(root, lastStep);
    if (found.isComplete) return; // it was killed on its way out
    lastStep = found.step;
  }
}

function weighted(random: PhiloxStream): Phase {
  const total = PHASES.reduce((sum, phase) => sum + WEIGHTS[phase], 0);
  let left = random.below(total);
  return PHASES.find((phase) => (left -= WEIGHTS[phase]) < 0)!;
}

/** One line. */
export function formatSummary(
  { kills, byPhase, completed, failures }: CrashSummary,
): string {
  const phases = PHASES.map((phase) => `${phase} ${byPhase[phase]}`).join(", ");
  return `${kills} kills (${phases}), ${completed} runs completed, ` +
    `${failures.length} failures`;
}
