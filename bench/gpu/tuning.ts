/**
 * All that tuning would time if it had the time: ways to compute the sites of a
 * model, and what is chosen. Steps that are measured later make use of it.
 *
 * @module
 */

import type {
  TimedWay,
  WebGpuBackend,
} from "../../src/backend/webgpu/webgpu_backend.ts";
import type { BenchModel } from "../../src/cli/bench/bench_model.ts";
import { buildStepProgram } from "../../src/train/step_program.ts";

/** What came out. */
export interface TuningFigures {
  /** By site, in the order of their work. */
  readonly timed: readonly {
    readonly site: string;
    readonly ways: readonly TimedWay[];
  }[];
  /** What is computed, by site. */
  readonly chosen: Readonly<Record<string, string>>;
}

/** Times the sites of a step for so long. */
export async function tuneStep(
  backend: WebGpuBackend,
  { model, config }: BenchModel,
  { limitMs }: { limitMs: number },
): Promise<TuningFigures> {
  const program = buildStepProgram(model, {
    ...config.train,
    gradAccumSteps: 1,
  });
  const timed: TuningFigures["timed"][number][] = [];
  const chosen = await backend.chooseKernels(program, {
    ...{ tune: true, limitMs },
    onTimed: (site, ways) => timed.push({ site, ways }),
  });
  return { timed, chosen };
}
