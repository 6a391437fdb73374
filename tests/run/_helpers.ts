import type { HearthConfig } from "../../src/config/hearth_config.ts";
import type { Engine } from "../../src/run/engine.ts";
import type { RunEvent } from "../../src/run/run_event.ts";
import type { ResumeOptions } from "../../src/run/runner.ts";
import { train } from "../../src/train/loop.ts";
import { openTestSession, tinyConfig } from "../train/_helpers.ts";

export { inTempDir } from "../base/_helpers.ts";
export { snapshotAt } from "./_snapshot.ts";

/** The real loop over a tiny model on the reference backend. */
export const testEngine: Engine = {
  openSession: ({ config, restore, plan }) =>
    openTestSession({ config, restore, plan }),
  train,
};

/** Twelve steps: evaluations at 0, 4, 8, 12; checkpoints at 3, 6, 9, 12. */
export const twelveSteps: HearthConfig = tinyConfig({
  train: { steps: 12, evalEvery: 4 },
  checkpoint: { every: 3, keep: 10 },
});

/** Five steps more, at a rate that rises first, and another weight decay. */
export const EXTENSION: Partial<ResumeOptions> = {
  more: { steps: 5 },
  lrPolicy: "rewarm",
  overrides: { set: ["train.weightDecay=0.3"] },
};

/** All events; `during` sees each one as it comes. */
export async function collectRun(
  events: AsyncGenerator<RunEvent>,
  during: (event: RunEvent) => void = () => {},
): Promise<RunEvent[]> {
  const all: RunEvent[] = [];
  for await (const event of events) {
    during(event);
    all.push(event);
  }
  return all;
}

/** Paths of all files and directories under `dir`, sorted, `/`-separated. */
export async function listTree(dir: string, prefix = ""): Promise<string[]> {
  const paths: string[] = [];
  for await (const entry of Deno.readDir(dir)) {
    const path = prefix + entry.name;
    paths.push(path);
    if (entry.isDirectory) {
      paths.push(...await listTree(`${dir}/${entry.name}`, `${path}/`));
    }
  }
  return paths.sort();
}

/** Copies a directory and all that is in it. */
export async function copyTree(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await copyTree(`${from}/${name}`, `${to}/${name}`);
    else await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
}
