/**
 * `meta.json`: what a run was asked to do and what it runs on.
 *
 * Written when a run begins, and completed once its data and device are open.
 * Resume reads the configuration and the fingerprints back.
 *
 * @module
 */

import { z } from "zod";
import { EXIT, UserError } from "../../base/errors.ts";
import { readJson, writeJson } from "../../base/json_file.ts";
import {
  isLater,
  LaterVersion,
  refuseLater,
} from "../../base/later_version.ts";
import { VERSION } from "../../base/version.ts";
import type { ConfigChange } from "../../config/config_change.ts";
import type { HearthConfig } from "../../config/hearth_config.ts";
import { configSchema } from "../../config/schema.ts";
import type {
  DatasetIdentity,
  DeviceInfo,
  Session,
} from "../../train/session.ts";
import type { TrainerState } from "../../train/trainer_state.ts";

/** Versions that can change the bits a run computes. */
export interface Versions {
  /** Of Hearth itself. */
  hearth: string;
  /** The runtime's. */
  deno: string;
  /** That of its compiler for JavaScript and WebAssembly. */
  v8: string;
}

/** One process that worked on the run. */
export interface SessionRecord {
  /** ISO 8601, UTC. */
  startedAt: string;
  /** Its process id. */
  pid: number;
  /** What was typed. */
  commandLine: string[];
  /** What it ran on. */
  versions: Versions;
  /** Checkpoint it went on from, or null for the first. */
  checkpoint: string | null;
  /** Optimizer steps done before it. */
  fromStep: number;
  /** Which kernels computed. */
  kernels: string | null;
  /** Settings that were others before. */
  overrides: ConfigChange[];
  /** As it began: where it stood, and where it was to end. */
  start: TrainerState;
}

/** The object in `meta.json`; null is not known yet. */
export interface RunMeta {
  /** Format of this file. */
  version: 1;
  /** The name of its directory. */
  runId: string;
  /** ISO 8601, UTC. */
  createdAt: string;
  /**
   * Counts the starts and resumes of all runs under a root. The run that was
   * started last has the highest, whatever the clock said. 0 is unknown.
   */
  order: number;
  /** What was typed to begin it. */
  commandLine: string[];
  /** As in the configuration. */
  seed: number;
  /** The device asked for and the one that was opened. */
  device: {
    /** As configured: `auto`, `cpu`, `gpu:0` … */
    requested: string;
    selected: DeviceInfo | null;
  };
  /** Of its newest session. */
  versions: Versions;
  /** Names and sums of the text: a resume refuses another. */
  dataset: DatasetIdentity | null;
  /** What ids mean; the sum is sha256 (hex) of `tokenizer.json`. */
  tokenizer: { type: string; vocabSize: number; fingerprint: string } | null;
  /** Trainable numbers. */
  parameterCount: number | null;
  /** Steps at which the run ends. */
  totalSteps: number | null;
  /** Optimizer steps per pass over the training data, with fraction. */
  stepsPerEpoch: number | null;
  /** All settings in force. */
  config: HearthConfig;
  /** A model that was trained elsewhere: where it came from. */
  imported?: { source: string };
  /** All processes that worked on it, oldest first. */
  sessions: SessionRecord[];
}

/** The versions of this process. */
function currentVersions(): Versions {
  return { hearth: VERSION, deno: Deno.version.deno, v8: Deno.version.v8 };
}

/** What is known of a run before anything is opened. */
export function initialMeta(
  { runId, config, commandLine, order = 0 }: {
    runId: string;
    config: HearthConfig;
    commandLine: readonly string[];
    order?: number;
  },
): RunMeta {
  return {
    version: 1,
    runId,
    createdAt: new Date().toISOString(),
    order,
    commandLine: [...commandLine],
    seed: config.seed,
    device: { requested: config.device, selected: null },
    versions: currentVersions(),
    dataset: null,
    tokenizer: null,
    parameterCount: null,
    totalSteps: null,
    stepsPerEpoch: null,
    config,
    sessions: [],
  };
}

/** `meta` completed by what an open session knows, with one session more. */
export function withSession(
  meta: RunMeta,
  session: Session,
  { commandLine, checkpoint, overrides = [] }: {
    commandLine: readonly string[];
    checkpoint: string | null;
    overrides?: readonly ConfigChange[];
  },
): RunMeta {
  const { config, dataset, tokenizer, device } = session;
  return {
    ...meta,
    config,
    device: { requested: config.device, selected: device },
    versions: currentVersions(),
    dataset: dataset.identity,
    tokenizer: {
      type: tokenizer.type,
      vocabSize: tokenizer.vocabSize,
      fingerprint: tokenizer.fingerprint,
    },
    parameterCount: session.parameterCount,
    totalSteps: session.totalSteps,
    stepsPerEpoch: session.stepsPerEpoch,
    sessions: [...meta.sessions, {
      startedAt: new Date().toISOString(),
      pid: Deno.pid,
      commandLine: [...commandLine],
      versions: currentVersions(),
      checkpoint,
      fromStep: session.state.step,
      kernels: device.kernels,
      overrides: [...overrides],
      start: { ...session.state },
    }],
  };
}

/** What a resume goes by, besides the configuration. */
const resumedSchema = z.looseObject({
  device: z.looseObject({
    selected: z.looseObject({ backend: z.string() }).nullish(),
  }),
  dataset: z.object({
    fingerprint: z.string(),
    sources: z.array(z.object({
      name: z.string(),
      side: z.enum(["train", "val"]),
      weight: z.number().nullish(),
      fingerprint: z.string(),
      textBytes: z.number(),
    })).optional(),
  }).nullable(),
}).partial(); // not all of it is in what earlier versions wrote

/** `meta.json` is not there or not what was once written. */
export class UnreadableMeta extends UserError {}

/** Replaces the file. */
export async function saveMeta(path: string, meta: RunMeta): Promise<void> {
  await writeJson(path, meta);
}

/**
 * Reads the file and checks its configuration, which people may edit.
 *
 * @throws {LaterVersion} If a later version of this program wrote it.
 * @throws {UserError} If it is missing, damaged, or its configuration is not
 * valid.
 */
export async function loadMeta(path: string): Promise<RunMeta> {
  const hint = "restore the file, or start a new run with hearth train";
  let value: unknown;
  try {
    value = await readJson(path);
  } catch (cause) {
    throw new UnreadableMeta(`Cannot read "${path}": it is not JSON`, {
      hint,
      cause,
    });
  }
  const meta = value as RunMeta | null | undefined;
  if (typeof meta?.runId !== "string") {
    throw new UnreadableMeta(
      value === undefined
        ? `Cannot read "${path}": there is no such file`
        : `Cannot read "${path}": it does not describe a run`,
      { hint },
    );
  }
  const writer: unknown = meta.versions?.hearth;
  refuseLater(meta, path, { known: 1, writer });
  const config = configSchema.safeParse(meta.config);
  if (!config.success) {
    const [issue] = config.error.issues;
    if (isLater(writer)) {
      // It may have settings that are not known here.
      throw new LaterVersion(path, { why: issue.message, writer });
    }
    throw new UserError(
      `Cannot read "${path}": config.${issue.path.join(".")}: ${issue.message}`,
      { hint, exitCode: EXIT.usage },
    );
  }
  const resumed = resumedSchema.safeParse(meta);
  if (!resumed.success) {
    const [{ path: key, message }] = resumed.error.issues;
    throw new UnreadableMeta(
      `Cannot read "${path}": ${key.join(".")}: ${message}`,
      { hint },
    );
  }
  const isText = (word: unknown) => typeof word === "string";
  return {
    ...meta,
    config: config.data,
    device: meta.device ?? { requested: config.data.device, selected: null },
    commandLine: listOf(meta.commandLine, isText),
    sessions: listOf(
      meta.sessions,
      (one) => typeof one === "object" && one !== null,
    ).map((one) => ({
      ...one,
      checkpoint: isText(one.checkpoint) ? one.checkpoint : null,
      commandLine: listOf(one.commandLine, isText),
    })),
  };
}

/** What is left of a list that people or damage may have changed. */
function listOf<T>(value: T[], isOne: (item: unknown) => boolean): T[] {
  return Array.isArray(value) ? value.filter(isOne) : [];
}
