/**
 * What `bench:gpu` is asked for on the command line.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { errorMessage, EXIT, UserError } from "../../src/base/errors.ts";
import { API_NAMES, type GpuApi } from "../../src/backend/devices/gpu_cards.ts";

/** What `--help` prints. */
export const USAGE = `Usage: deno task bench:gpu [options]

Measure a GPU: what it reaches at best, training steps, kernels, and ways to
compute what leaves a choice, in less than five minutes. With HEARTH_PYTHON
naming a Python that has torch, PyTorch's steps too.

Options:
  --out <dir>        write report.md and results.json there, after each part
  --limit <seconds>  for all of it (default: 290)
  --api <name>       vulkan or webgpu; may be repeated (default: both)
  --adapter <id>     which card, as hearth devices has it: gpu:1 (default: the
                     first)
  --model <name>     shakespeare-char, gpt2-small, short-heads, or a profile of
                     hearth train; may be repeated
  --only <text>      parts with that in their names, such as bf16; may be
                     repeated
  --seconds <n>      for each step (default: 1.5)
  --small            sizes that a software adapter can do
  --count            measure nothing: count what a card would have to do
  -h, --help         print this help

Examples:
  $ deno task bench:gpu --out report --limit 580
  $ deno task bench:gpu --small --adapter software --api webgpu
`;

/** What is asked for. */
export interface Options {
  readonly help: boolean;
  readonly count: boolean;
  readonly small: boolean;
  readonly out?: string;
  readonly adapter?: string;
  readonly limitSec: number;
  readonly seconds: number;
  readonly models: readonly string[];
  /** Absent: those that show a card. */
  readonly apis?: readonly GpuApi[];
  /** Parts of names; absent: all. */
  readonly only?: readonly string[];
}

const MODELS = ["shakespeare-char", "gpt2-small", "short-heads"];

/** @throws {UserError} For what is not there, or makes no sense. */
export function readOptions(args: readonly string[]): Options {
  const flags = parsed(args);
  const { small = false, help = false, count = false, out, adapter } = flags;
  return {
    ...{ help, count, small, out, adapter, only: flags.only },
    limitSec: positive("limit", flags.limit ?? "290"),
    seconds: positive("seconds", flags.seconds ?? (small ? "0.1" : "1.5")),
    models: flags.model ?? (small ? ["char-cpu"] : MODELS),
    apis: flags.api && apisOf(flags.api),
  };
}

function parsed(args: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        adapter: { type: "string" },
        count: { type: "boolean" },
        api: { type: "string", multiple: true },
        help: { type: "boolean", short: "h" },
        limit: { type: "string" },
        model: { type: "string", multiple: true },
        only: { type: "string", multiple: true },
        out: { type: "string" },
        seconds: { type: "string" },
        small: { type: "boolean" },
      },
    });
    return values;
  } catch (error) {
    throw wrong(errorMessage(error).split(". ")[0]);
  }
}

function apisOf(asked: readonly string[]): GpuApi[] {
  const all = Object.keys(API_NAMES) as GpuApi[]; // which it is made of
  const unknown = asked.find((name) => !all.some((one) => one === name));
  if (unknown === undefined) return all.filter((one) => asked.includes(one));
  throw wrong(`--api is "${unknown}": expected ${all.join(" or ")}`);
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (value > 0) return value;
  throw wrong(`--${name} is "${text}": expected a number above 0`);
}

function wrong(message: string): UserError {
  const hint = "deno task bench:gpu --help lists what can be asked for";
  return new UserError(message, { hint, exitCode: EXIT.usage });
}
