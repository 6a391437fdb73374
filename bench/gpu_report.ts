/**
 * All that is worth knowing of a GPU in one go, in less than five minutes:
 *
 *     deno task bench:gpu [--out DIR] [--limit 290] [--only TEXT…] [--help]
 *
 * What it reaches at best; steps of `shakespeare-char`, `gpt2-small` (B8
 * T1024) and of heads of 32 in fp32, of the first two in bf16 and fp16, and
 * with every op in a kernel of its own; each kind of kernel beside the least it
 * can take; ways to compute what leaves a choice: through Vulkan, where it is
 * there, then through WebGPU what is to be compared. With `HEARTH_PYTHON`,
 * PyTorch's step in fp32 and by bf16 autocast too, eager and compiled.
 *
 * Each part is a process of its own; after each, DIR has `report.md` and
 * `results.json` of all so far. With `--only`, parts whose names have one of
 * the texts, such as `bf16` or `gpt2-small fp32`; with `--small`, sizes that a
 * software adapter can do; with `--count` nothing is measured, but counted what
 * an NVIDIA card would be given to do.
 *
 * @module
 */

import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { EXIT, UserError } from "../src/base/errors.ts";
import type { StoredPrecision } from "../src/backend/webgpu/dispatch.ts";
import type { DevicePeaks } from "./gpu/budget.ts";
import { countStep } from "./gpu/counts.ts";
import { apisOf } from "./gpu/apis.ts";
import type { PartSettings } from "./gpu/measure_part.ts";
import { modelOf } from "./gpu/models.ts";
import { type Options, readOptions, USAGE } from "./gpu/options.ts";
import {
  type Findings,
  listParts,
  type Outcome,
  type Part,
} from "./gpu/parts.ts";
import { formatOutcome, formatReport } from "./gpu/report.ts";
import { runParts } from "./gpu/run_parts.ts";

/** What is tuned here is neither the user's nor for the user. */
const cache = await Deno.makeTempDir({ prefix: "hearth-bench-" });
/** By what they were measured in, once they are. */
const peaks = new Map<StoredPrecision, DevicePeaks>();
const started = performance.now();

try {
  Deno.exitCode = await main(readOptions(Deno.args));
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  console.error(`error: ${error.message}\nhint: ${error.hint}`);
  Deno.exitCode = error.exitCode;
} finally {
  await Deno.remove(cache, { recursive: true });
}

/** @returns The exit code. */
async function main(options: Options): Promise<number> {
  const { small, models, limitSec, only = [""], out } = options;
  if (options.help) {
    console.log(USAGE);
    return EXIT.ok;
  }
  if (options.count) {
    for (const model of models) {
      console.log(`${model}\n${countStep(await modelOf(model, { small }))}\n`);
    }
    return EXIT.ok;
  }
  for (const model of models) await modelOf(model, { small }); // is it there?
  const apis = await apisOf(options);
  const withPyTorch = Boolean(Deno.env.get("HEARTH_PYTHON"));
  const all = listParts({ models, apis, withPyTorch });
  const parts = all.filter(({ name }) =>
    only.some((text) => name.includes(text))
  );
  if (parts.length === 0) {
    throw new UserError(`No part has "${only.join('" or "')}" in its name`, {
      hint: `they are: ${all.map(({ name }) => name).join("; ")}`,
      exitCode: EXIT.usage,
    });
  }
  if (out !== undefined) await Deno.mkdir(out, { recursive: true });
  const outcomes = await runParts(parts, {
    measure: (part, limitSec) => inProcess(part, { options, limitSec }),
    onOutcome: (outcomes) => tell(outcomes, out),
    limitSec,
    now: () => performance.now(),
  });
  console.log(JSON.stringify(summary(outcomes)));
  return outcomes.every(({ kind }) => kind === "failed")
    ? EXIT.failed
    : EXIT.ok;
}

/** What the last line and `results.json` say. */
function summary(outcomes: readonly Outcome[]) {
  const tookSec = (performance.now() - started) / 1000;
  return { bench: "gpu", deno: Deno.version.deno, tookSec, outcomes };
}

/** Prints the latest outcome and writes all. */
async function tell(
  outcomes: readonly Outcome[],
  out?: string,
): Promise<void> {
  const latest = outcomes.at(-1)!;
  console.log(
    `${latest.name} (${latest.tookSec.toFixed(0)} s)\n` +
      `${formatOutcome(latest)}\n`,
  );
  if (out === undefined) return;
  await Deno.writeTextFile(join(out, "report.md"), formatReport(outcomes));
  await Deno.writeTextFile(
    join(out, "results.json"),
    JSON.stringify(summary(outcomes), null, 2),
  );
}

/** Measures a part by a process that is ended when its time is over. */
async function inProcess(
  part: Part,
  { options: { adapter, seconds, small }, limitSec }: {
    options: Options;
    limitSec: number;
  },
): Promise<unknown> {
  const settings: PartSettings = {
    ...{ part, adapter, seconds, small },
    peaks: peaksFor(part),
    cache,
  };
  const script = new URL("gpu/measure_part.ts", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", script, JSON.stringify(settings)],
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let isOver = false;
  const timer = setTimeout(() => {
    isOver = true;
    child.kill("SIGKILL"); // a driver that hangs hears nothing else
  }, 1000 * limitSec);
  const { success, stdout, stderr } = await child.output();
  clearTimeout(timer);
  if (isOver) throw new Error(`not done in ${limitSec.toFixed(0)} s`);
  if (!success) throw new Error(reasonOf(new TextDecoder().decode(stderr)));
  const lines = new TextDecoder().decode(stdout).trimEnd().split("\n");
  const found = JSON.parse(lines.at(-1)!);
  if (part.kind === "peaks") {
    peaks.set(part.precision, (found as Findings["peaks"]).peaks);
  }
  return found;
}

/** Only through Vulkan products of bf16 and fp16 reach another peak. */
function peaksFor(part: Part): DevicePeaks | undefined {
  const isFull = part.precision === "fp32" ||
    !("api" in part) || part.api === "webgpu";
  return (isFull ? undefined : peaks.get("bf16")) ?? peaks.get("fp32");
}

/** What a process says last of an error, or of a panic of the runtime. */
function reasonOf(stderr: string): string {
  const lines = stripVTControlCharacters(stderr).trim().split("\n");
  return lines.find((line) => /^error: |panicked at/.test(line))
    ?.replace(/^error: (Uncaught )?(\(in promise\) )?(\w*Error: )?/, "") ??
    lines.at(-1)!;
}
