/**
 * Measures one part and prints what it finds as JSON, on the last line: a
 * process of its own, as one that is lost takes nothing else along.
 *
 *     deno run -A bench/gpu/measure_part.ts '{"part": …, "adapter": "gpu:0"}'
 *
 * @module
 */

import { readCpuInfo } from "../../src/backend/cpu/cores.ts";
import { matrixUnitFor } from "../../src/backend/webgpu/choice/matrix_choice.ts";
import { openTuningCache } from "../../src/backend/webgpu/tuning/tuning_cache.ts";
import { openWebGpuBackend } from "../../src/backend/webgpu/webgpu_backend.ts";
import type { BenchModel } from "../../src/cli/bench/bench_model.ts";
import { shapeOf } from "../../src/cli/bench/bench_train.ts";
import { surroundings } from "../../src/cli/bench/machine.ts";
import type { DevicePeaks } from "./budget.ts";
import { adaptersOf, findAdapter } from "./apis.ts";
import { modelOf } from "./models.ts";
import type { Findings, Part } from "./parts.ts";
import { measurePeaks } from "./peaks.ts";
import { measureStep } from "./step_case.ts";
import { tuneStep } from "./tuning.ts";

/** What the process is told. */
export interface PartSettings {
  readonly part: Part;
  /** Id of the adapter, as WebGPU has it; the first one if absent. */
  readonly adapter?: string;
  /** The folder for what is tuned. */
  readonly cache: string;
  /** For steps. */
  readonly peaks?: DevicePeaks;
  /** How long steps are repeated. */
  readonly seconds: number;
  /** Sizes that a software adapter can do. */
  readonly small: boolean;
}

/** Of the time of a part; the rest is for opening the device, and waste. */
const TUNING_SHARE = 0.7;

if (import.meta.main) {
  const given: PartSettings = JSON.parse(Deno.args[0]);
  console.log(JSON.stringify(await measure(given)));
}

async function measure(
  given: PartSettings,
): Promise<Findings[Part["kind"]]> {
  const { part, small, seconds } = given;
  if (part.kind === "pytorch") {
    return await measurePyTorch(await modelOf(part.model, { small }), {
      ...{ seconds, bf16: part.precision === "bf16", compile: part.compile },
    });
  }
  const { precision } = part;
  const adapter = findAdapter(await adaptersOf(part.api), {
    ...{ api: part.api, adapter: given.adapter },
  });
  if (!adapter) throw new Error("the adapter is gone"); // it was there before
  const unit = matrixUnitFor(precision, adapter.info.matrixUnits);
  const tuningCache = openTuningCache({ ...adapter.info, unit }, given.cache);
  if (part.kind === "step") {
    const { fuse, overlap, byOp, model } = part;
    const bench = await modelOf(model, { small });
    const { peaks = { tflops: NaN, gbPerSec: NaN } } = given;
    return await measureStep(
      adapter,
      { bench, precision, fuse, overlap, byOp },
      {
        ...{ peaks, seconds, tuningCache },
      },
    );
  }
  const backend = await openWebGpuBackend(adapter, {
    ...{ tuningCache, precision },
  });
  const found = part.kind === "peaks"
    ? {
      where: await surroundings(backend.device),
      peaks: await measurePeaks(backend, {
        side: small ? 256 : 4096,
        numbers: small ? 2 ** 18 : 2 ** 26,
      }),
    }
    : await tuneStep(backend, await modelOf(part.model, { small }), {
      limitMs: 1000 * TUNING_SHARE * part.limitSec,
    });
  await backend.dispose();
  return found;
}

/** Steps on the card of NVIDIA's that Python sees. */
async function measurePyTorch(
  bench: BenchModel,
  { seconds, bf16, compile }: {
    seconds: number;
    bf16: boolean;
    compile: boolean;
  },
): Promise<Findings["pytorch"]> {
  const told = {
    ...{ bench: "train", threads: readCpuInfo().cores, compile },
    ...{ tf32: false, bf16, device: "cuda" },
    ...{ seconds: 2 * seconds, shape: shapeOf(bench) },
  };
  const script = new URL("../peers/pytorch.py", import.meta.url).pathname;
  const python = Deno.env.get("HEARTH_PYTHON") ?? "python3";
  const { success, stdout, stderr } = await new Deno.Command(python, {
    args: [script, JSON.stringify(told)],
  }).output();
  const lastLine = (bytes: Uint8Array) =>
    new TextDecoder().decode(bytes).trimEnd().split("\n").at(-1)!;
  if (!success) throw new Error(lastLine(stderr));
  return { ...JSON.parse(lastLine(stdout)), compile };
}
