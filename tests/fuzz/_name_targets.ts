/**
 * Names that are meant to be something else: of runs, checkpoints, datasets
 * and files. Nothing outside of the root may change, and no answer may be a
 * crash or drive a terminal.
 *
 * @module
 */

import { join } from "node:path";
import type { PhiloxStream } from "../../src/base/philox.ts";
import { checkRunId } from "../../src/run/files/run_id.ts";
import { run } from "../cli/_fake_io.ts";
import type { OpenTarget } from "./_targets.ts";
import { TINY_MODELS, writeTinyCheckpoint } from "./_tiny_models.ts";

const PARTS = [
  ...["..", ".", "/", "\\", "owl-1", "latest", "best", "5", "step-00000005"],
  ...["\0", "\x1b[2J", "\x9b", "con", "nul.txt", "C:", ":", " ", "~", "-", "*"],
  ...["$(id)", "`id`", ";", "|", "&", "%00", "%2e%2e", "\u202e", "é", "\ud800"],
  ...[
    "a".repeat(300),
    "a/".repeat(3000),
    "hf:",
    "https://",
    "file:///etc/",
    "?",
  ],
  ...["[", "{a,b}", "**", "\n", "\r", "=", "null", "../outside", "secret"],
];
const COMMANDS = [
  (name: string) => ["status", name],
  (name: string) => ["logs", name],
  (name: string) => ["stop", name],
  (name: string) => ["rm", "--yes", name],
  (name: string) => ["generate", name, "--max-new-tokens", "1"],
  (name: string) => ["resume", name],
  (name: string) => ["resume", "owl-1", "--from", name],
  (name: string) => ["compare", "owl-1", name],
  (name: string) => ["train", "--config", name],
  (name: string) => ["train", "--run-id", name, "--dataset", "none.txt"],
  (name: string) => ["train", "--dataset", name, "--n-layer", "0"],
  (name: string) => ["tokenizer", "inspect", name],
  (name: string) => ["data", "info", name],
];

/** A command line with a name that is none. */
export async function openNames(dir: string): Promise<OpenTarget> {
  const root = join(dir, "root");
  const checkpoint = join(root, "checkpoints/owl-1/step-00000005");
  await Deno.mkdir(join(root, "runs/owl-1"), { recursive: true });
  await Deno.mkdir(checkpoint, { recursive: true });
  await writeTinyCheckpoint(checkpoint, TINY_MODELS[0]);
  const secret = join(dir, "outside", "secret");
  await Deno.mkdir(join(dir, "outside"));
  await Deno.writeTextFile(secret, "untouched");
  return {
    async feed(random) {
      const name = nameOf(random);
      const command = COMMANDS[random.below(COMMANDS.length)];
      // Those that have a meaning do what they do; this is about the others.
      if (/^(owl-1|o|ow|owl|owl-|latest)$/.test(name.trim())) return;
      const argv = ["--root", root, ...command(name)];
      const { code, out, err } = await run(argv, { tty: true });
      const where = JSON.stringify(argv);
      // deno-lint-ignore no-control-regex -- all but colors is a finding
      const plain = (out + err).replaceAll(/\x1b\[\d+m/g, "");
      // deno-lint-ignore no-control-regex -- likewise
      if (/[\x00-\x08\x0b-\x1f\x7f-\x9f]/.test(plain)) {
        throw new Error(`${where} drives the terminal: ${plain}`);
      }
      if (/went wrong that should not/.test(err)) {
        throw new Error(`${where}: ${err}`);
      }
      if (await Deno.readTextFile(secret) !== "untouched") {
        throw new Error(`${where} has left its root`);
      }
      if (
        isAllowed(name) === false && command(name)[0] === "rm" && code === 0
      ) {
        throw new Error(`${where} has removed something`);
      }
      if (code !== 0) throw new Refused();
    },
    mayThrow: (error) => error instanceof Refused,
  };
}

/** The command line said no. */
class Refused extends Error {}

function nameOf(random: PhiloxStream): string {
  return Array.from(
    { length: 1 + random.below(4) },
    () => PARTS[random.below(PARTS.length)],
  ).join("");
}

function isAllowed(name: string): boolean {
  try {
    checkRunId(name);
    return true;
  } catch {
    return false;
  }
}
