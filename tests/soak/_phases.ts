/**
 * What a run is doing at the moment, found out from outside: the calls that
 * it makes are wrapped, and say so on standard output before they begin.
 *
 * @module
 */

import type { Batches } from "../../src/data/dataset.ts";
import {
  OrderedBatches,
  ShuffledBatches,
} from "../../src/data/batches/windows.ts";

/** Moments at which a run can be killed. The last five are of a save. */
export const PHASES = [
  "prepare",
  "step",
  "eval",
  "write",
  "sync",
  "rename",
  "pointer",
  "prune",
] as const;
/** One of {@linkcode PHASES}. */
export type Phase = typeof PHASES[number];

/** A moment: the `nth` time that a phase begins, or ends. */
export interface Moment {
  phase: Phase;
  nth: number;
  edge: "begin" | "end";
}

/** Kills this process, without a chance to tidy up. */
function die(): never {
  Deno.kill(Deno.pid, "SIGKILL");
  for (;;); // the signal is on its way
}

/**
 * Wraps the calls of this process.
 *
 * @param killAt Where it dies by its own hand; null: it waits to be killed.
 */
export function tracePhases(killAt: Moment | null): void {
  let seen = 0;
  const at = (phase: Phase, edge: Moment["edge"]) => {
    if (edge === "begin") {
      Deno.stdout.writeSync(new TextEncoder().encode(`${phase}\n`));
    }
    if (killAt?.phase !== phase || killAt.edge !== edge) return;
    if (seen++ === killAt.nth) die();
  };
  const during = async <T>(
    phase: Phase | null,
    work: () => Promise<T>,
  ): Promise<T> => {
    if (phase === null) return await work();
    at(phase, "begin");
    const result = await work();
    at(phase, "end");
    return result;
  };

  at("prepare", "begin");
  for (
    const [batches, phase] of [
      [ShuffledBatches.prototype, "step"],
      [OrderedBatches.prototype, "eval"],
    ] as const
  ) {
    const original = batches.at;
    batches.at = function (...args: Parameters<Batches["at"]>) {
      return during(phase, () => original.apply(this as never, args));
    };
  }
  traceFiles(during);
}

function traceFiles(
  during: <T>(phase: Phase | null, work: () => Promise<T>) => Promise<T>,
): void {
  const { open, rename, remove } = Deno;
  const file = Deno.FsFile.prototype;
  const { write, sync } = file;
  const paths = new WeakMap<Deno.FsFile, string>();
  const pathOf = (one: Deno.FsFile) => paths.get(one) ?? "";

  Deno.open = async (path, options) => {
    const opened = await open(path, options);
    paths.set(opened, slashed(path));
    return opened;
  };
  file.write = function (bytes) {
    const phase = phaseOfFile(pathOf(this), "write");
    return during(phase, () => write.call(this, bytes));
  };
  file.sync = function () {
    const phase = phaseOfFile(pathOf(this), "sync");
    return during(phase, () => sync.call(this));
  };
  Deno.rename = (from, to) =>
    during(phaseOfRename(slashed(from), slashed(to)), () => rename(from, to));
  Deno.remove = (path, options) => {
    const isPrune = /\/\.(removed|replaced)-/.test(slashed(path));
    return during(isPrune ? "prune" : null, () => remove(path, options));
  };
}

/** A path as it is written on every system but Windows. */
function slashed(path: string | URL): string {
  return String(path).replaceAll("\\", "/");
}

/** Of the files in `checkpoints/<run-id>`, and that directory itself. */
function phaseOfFile(path: string, call: "write" | "sync"): Phase | null {
  if (path.includes("/.saving-")) return call;
  if (/\/(latest|best)\.tmp-\d+$/.test(path)) return "pointer";
  return /\/checkpoints\/[^/]+$/.test(path) ? "sync" : null;
}

function phaseOfRename(from: string, to: string): Phase | null {
  if (from.includes("/.saving-") || to.includes("/.replaced-")) return "rename";
  if (to.includes("/.removed-")) return "prune";
  return /\/(latest|best)$/.test(to) ? "pointer" : null;
}
