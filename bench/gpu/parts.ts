/**
 * What `bench:gpu` measures, in the order of what is most worth knowing: where
 * time runs out, the last ones are left out.
 *
 * @module
 */

import { API_NAMES, type GpuApi } from "../../src/backend/devices/gpu_cards.ts";
import type { StoredPrecision } from "../../src/backend/webgpu/dispatch.ts";
import type { Surroundings } from "../../src/cli/bench/machine.ts";
import type { DevicePeaks } from "./budget.ts";
import type { StepFigures } from "./step_case.ts";
import type { TuningFigures } from "./tuning.ts";

/** One thing that is measured, by a process of its own. */
export type Part =
  & {
    /** Unique. */
    readonly name: string;
    /** Seconds that it may take. */
    readonly limitSec: number;
  }
  & (
    | {
      readonly kind: "peaks";
      readonly api: GpuApi;
      readonly precision: StoredPrecision;
    }
    | {
      readonly kind: "step";
      readonly api: GpuApi;
      readonly model: string;
      readonly precision: StoredPrecision;
      readonly fuse: boolean;
      /** Whether dispatches may run side by side. */
      readonly overlap: boolean;
      /** Whether every kernel is timed as well. */
      readonly byOp: boolean;
    }
    | {
      readonly kind: "tuning";
      readonly api: GpuApi;
      readonly model: string;
      readonly precision: StoredPrecision;
    }
    | {
      readonly kind: "pytorch";
      readonly model: string;
      /** In fp32, or by autocast. */
      readonly precision: "fp32" | "bf16";
      /** Or eager. */
      readonly compile: boolean;
    }
  );

/** What a part finds, by its kind. */
export interface Findings {
  readonly peaks: { readonly where: Surroundings; readonly peaks: DevicePeaks };
  readonly step: StepFigures;
  readonly tuning: TuningFigures;
  readonly pytorch: {
    readonly torch: string;
    readonly compile: boolean;
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
        readonly precision?: StoredPrecision;
        readonly found: Findings[K];
      };
    }[Part["kind"]]
    | { readonly kind: "failed" | "left out"; readonly reason: string }
  );

/**
 * All parts: of the first model everything, of the second what takes less
 * time, of others only fp32. Where there is Vulkan, what it makes of a card
 * comes before what WebGPU does.
 *
 * @param options.apis APIs that show the card.
 * @param options.withPyTorch Whether there is a Python that may have torch.
 */
export function listParts(
  { models, apis, withPyTorch }: {
    models: readonly string[];
    apis: readonly GpuApi[];
    withPyTorch: boolean;
  },
): Part[] {
  const hasVulkan = apis.includes("vulkan");
  const best: GpuApi = hasVulkan ? "vulkan" : "webgpu";
  const peaks = (precision: StoredPrecision): Part => ({
    kind: "peaks",
    name: `peaks ${precision}, ${API_NAMES[best]}`,
    ...{ api: best, precision, limitSec: 45 },
  });
  const step = (
    model: string,
    precision: StoredPrecision,
    options: {
      api?: GpuApi;
      fuse?: boolean;
      overlap?: boolean;
      byOp?: boolean;
      note?: string;
    } = {},
  ): Part => {
    const { api = best, fuse = true, overlap = true } = options;
    const { byOp = false, note } = options;
    return {
      kind: "step",
      name: `${model} ${precision}, ${API_NAMES[api]}` +
        (note ? `, ${note}` : ""),
      ...{ api, model, precision, fuse, overlap, byOp, limitSec: 60 },
    };
  };
  const tuning = (model: string, precision: StoredPrecision): Part => ({
    kind: "tuning",
    name: `${model} ${precision}, ${API_NAMES[best]}, tuning`,
    ...{ api: best, model, precision, limitSec: hasVulkan ? 30 : 45 },
  });
  const pytorch = (model: string, { compile = false } = {}): Part[] =>
    (withPyTorch ? ["fp32", "bf16"] as const : []).map((precision) => ({
      kind: "pytorch",
      name: `${model} ${precision}, PyTorch ${compile ? "compiled" : "eager"}`,
      ...{ model, precision, compile, limitSec: compile ? 90 : 45 },
    }));
  const IN_TURN = { overlap: false, note: "one by one" };
  const APART = { fuse: false, note: "every op by itself" };
  const STARTS = { note: "as it starts" };
  const first = models.slice(0, 1), second = models.slice(1, 2);
  const others = models.slice(2);
  /** What WebGPU makes of it, where the other API was asked before. */
  const byWebGpu = (model: string, precisions: readonly StoredPrecision[]) =>
    hasVulkan && apis.includes("webgpu")
      ? precisions.map((one) => step(model, one, { api: "webgpu" }))
      : [];
  return [
    peaks("fp32"),
    ...hasVulkan ? [peaks("bf16")] : [],
    ...first.flatMap((model) => [
      step(model, "fp32", STARTS),
      tuning(model, "fp32"),
      step(model, "fp32", { byOp: true }),
      ...hasVulkan ? [tuning(model, "bf16")] : [],
      step(model, "bf16", { byOp: true }),
      step(model, "fp16"),
      ...byWebGpu(model, ["fp32"]),
      ...pytorch(model),
    ]),
    ...second.flatMap((model) => [
      step(model, "fp32", { byOp: true }),
      step(model, "bf16", { byOp: true }),
      step(model, "fp16"),
      ...byWebGpu(model, ["fp32"]),
      ...pytorch(model),
    ]),
    ...first.flatMap((model) => byWebGpu(model, ["bf16", "fp16"])),
    ...second.flatMap((model) => byWebGpu(model, ["bf16", "fp16"])),
    ...others.map((model) => step(model, "fp32", { byOp: true })),
    ...first.flatMap((model) => [
      step(model, "fp32", IN_TURN),
      step(model, "fp32", { ...APART, byOp: true }),
    ]),
    ...second.map((model) => step(model, "fp32", APART)),
    // Last, as it takes a while to compile.
    ...[...first, ...second].flatMap((model) =>
      pytorch(model, { compile: true })
    ),
  ];
}
