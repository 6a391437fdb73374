/**
 * What `bench:gpu` measures, in the order of what is most worth knowing: where
 * time runs out, the last ones are left out.
 *
 * @module
 */

import type { StoredPrecision } from "../../src/backend/webgpu/two_bytes.ts";
import type { DevicePeaks } from "./budget.ts";
import type { Surroundings } from "../../src/cli/bench/machine.ts";
import type { TuningFigures } from "./tuning.ts";
import type { StepFigures } from "./step_case.ts";

/** One thing that is measured, by a process of its own. */
export type Part =
  & {
    /** Unique. */
    readonly name: string;
    /** Seconds that it may take. */
    readonly limitSec: number;
  }
  & (
    | { readonly kind: "peaks" }
    | {
      readonly kind: "step";
      readonly model: string;
      readonly precision: StoredPrecision;
      readonly fuse: boolean;
      /** Whether dispatches may run side by side. */
      readonly overlap: boolean;
      /** Whether every kernel is timed as well. */
      readonly byOp: boolean;
    }
    | { readonly kind: "tuning"; readonly model: string }
    | { readonly kind: "pytorch"; readonly model: string }
  );

/** What a part finds, by its kind. */
export interface Findings {
  readonly peaks: { readonly where: Surroundings; readonly peaks: DevicePeaks };
  readonly step: StepFigures;
  readonly tuning: TuningFigures;
  readonly pytorch: {
    readonly torch: string;
    readonly tokensPerSec: number;
    readonly step: { readonly medianMs: number };
  };
}

/** What became of a part. */
export type Outcome =
  & {
    readonly name: string;
    readonly tookSec: number;
  }
  & (
    | {
      [K in Part["kind"]]: {
        readonly kind: K;
        readonly model?: string;
        readonly found: Findings[K];
      };
    }[Part["kind"]]
    | { readonly kind: "failed" | "left out"; readonly reason: string }
  );

/**
 * All parts: of the first model everything, of the second what takes less
 * time, of others only fp32.
 *
 * @param options.withPyTorch Whether there is a Python that may have torch.
 */
export function listParts(
  { models, withPyTorch }: { models: readonly string[]; withPyTorch: boolean },
): Part[] {
  const step = (
    model: string,
    precision: StoredPrecision,
    options: {
      fuse?: boolean;
      overlap?: boolean;
      byOp?: boolean;
      note?: string;
    } = {},
  ): Part => {
    const { fuse = true, overlap = true, byOp = true, note } = options;
    return {
      kind: "step",
      name: `${model} ${precision}` + (note ? `, ${note}` : ""),
      ...{ model, precision, fuse, overlap, byOp, limitSec: 60 },
    };
  };
  const IN_TURN = { overlap: false, byOp: false, note: "one by one" };
  const APART = { fuse: false, note: "every op by itself" };
  const first = models.slice(0, 1), second = models.slice(1, 2);
  return [
    { kind: "peaks", name: "peaks", limitSec: 45 },
    ...first.map((model) =>
      step(model, "fp32", { byOp: false, note: "as it starts" })
    ),
    ...first.map((model): Part => ({
      kind: "tuning",
      name: `${model}, tuning`,
      ...{ model, limitSec: 45 },
    })),
    ...models.map((model) => step(model, "fp32")),
    ...withPyTorch
      ? first.map((model): Part => ({
        kind: "pytorch",
        name: `${model} fp32, PyTorch eager`,
        ...{ model, limitSec: 45 },
      }))
      : [],
    ...first.flatMap((model) => [
      step(model, "fp32", IN_TURN),
      step(model, "fp32", APART),
      step(model, "bf16"),
      step(model, "fp16"),
    ]),
    ...second.flatMap((model) => [
      step(model, "bf16", { byOp: false }),
      step(model, "fp16", { byOp: false }),
      step(model, "fp32", { ...APART, byOp: false }),
    ]),
  ];
}
