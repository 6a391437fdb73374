/**
 * How to reach the hub, from the variables that all of its programs heed.
 *
 * Source: Hugging Face, "Environment variables" of huggingface_hub.
 *
 * @module
 */

import { homedir } from "node:os";
import { join } from "node:path";
import { EXIT, UserError } from "../../base/errors.ts";
import { errorCode } from "../../base/io_problem.ts";

/** Value of an environment variable; unset and empty are undefined. */
export type Env = (name: string) => string | undefined;

/** What the environment says about the hub. */
export interface HubSettings {
  /** Without a slash at the end. */
  endpoint: string;
  /** Where the token is from, for messages, and the token; or null. */
  token: { from: string; value: string } | null;
  /** Nothing may be asked over the network. */
  offline: boolean;
  /** The cache that other programs share, `…/hub`. */
  cacheDir: string;
  /** Longest silence of a server. */
  timeoutMs: number;
}

const ENDPOINT = "https://huggingface.co";
const TIMEOUT_S = 30;

/** The environment of this process. */
export const processEnv: Env = (name) => Deno.env.get(name) || undefined;

/** @throws {UserError} For an address or a time that cannot be meant. */
export async function hubSettings(env: Env): Promise<HubSettings> {
  const home = env("HF_HOME") ??
    join(env("XDG_CACHE_HOME") ?? join(homedir(), ".cache"), "huggingface");
  return {
    endpoint: endpointOf(env("HF_ENDPOINT") ?? ENDPOINT),
    token: await findToken(env, home),
    offline: isOn(env("HF_HUB_OFFLINE")) || isOn(env("HF_DATASETS_OFFLINE")),
    cacheDir: env("HF_HUB_CACHE") ?? env("HUGGINGFACE_HUB_CACHE") ??
      join(home, "hub"),
    timeoutMs: timeoutOf(env("HF_HUB_DOWNLOAD_TIMEOUT")),
  };
}

function endpointOf(text: string): string {
  const url = URL.parse(text);
  if (url?.protocol !== "https:" && url?.protocol !== "http:") {
    throw new UserError(
      `Cannot use HF_ENDPOINT "${text}": it is not an address`,
      { hint: `set it to one such as ${ENDPOINT}`, exitCode: EXIT.usage },
    );
  }
  return text.replace(/\/+$/, "");
}

async function findToken(
  env: Env,
  home: string,
): Promise<HubSettings["token"]> {
  for (const from of ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"]) {
    const value = env(from)?.trim();
    if (value) return checkedToken(from, value);
  }
  if (isOn(env("HF_HUB_DISABLE_IMPLICIT_TOKEN"))) return null;
  // Where "hf auth login" leaves it.
  const path = env("HF_TOKEN_PATH") ?? join(home, "token");
  try {
    const value = (await Deno.readTextFile(path)).trim();
    return value ? checkedToken(path, value) : null;
  } catch (error) {
    if (errorCode(error) !== null) return null; // not there, or not ours
    throw error;
  }
}

/** What a header cannot hold would be quoted by an error message. */
function checkedToken(from: string, value: string): HubSettings["token"] {
  if (/^[\x21-\x7e]+$/.test(value)) return { from, value };
  throw new UserError(
    `Cannot use the token in ${from}: it has characters that no token has`,
    {
      hint: "copy it again, without quotes, spaces or line breaks",
      exitCode: EXIT.usage,
    },
  );
}

function timeoutOf(text: string | undefined): number {
  if (text === undefined) return TIMEOUT_S * 1000;
  const seconds = Number(text);
  if (seconds > 0 && seconds < 1e6) return seconds * 1000;
  throw new UserError(
    `Cannot use HF_HUB_DOWNLOAD_TIMEOUT "${text}": expected seconds`,
    { hint: "set it to a number such as 30", exitCode: EXIT.usage },
  );
}

function isOn(value: string | undefined): boolean {
  return /^(1|on|yes|true)$/i.test(value ?? "");
}
