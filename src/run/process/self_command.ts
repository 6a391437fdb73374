/**
 * How to start this same program again: from sources or one bundled file
 * through `deno run`, or as the compiled program that this is.
 *
 * Deno does not tell the flags that it was started with. Linux does; elsewhere
 * they are made up again from what this process is allowed to do, and flags
 * for V8 belong in `DENO_V8_FLAGS`, which every process inherits.
 *
 * @module
 */

import { BUILT_COMMIT } from "../../base/version.ts";

/** A program, and what comes before the arguments of its own. */
export interface SelfCommand {
  command: string;
  prefix: string[];
}

/** What is known of a process. */
export interface SelfFacts {
  execPath: string;
  /** Compiled into one executable. */
  standalone: boolean;
  /** URL of the file that was started. */
  mainModule: string;
  /** Such as `deno run -A mod.ts train`; null if the system does not tell. */
  commandLine: readonly string[] | null;
  /** The end of the command line: what the program itself was given. */
  args: readonly string[];
  /** Permissions that hold everywhere. */
  granted: readonly Permission[];
  /** One file with all that it needs, not sources. */
  bundled: boolean;
}

/** Deno's types lack the last one (2.9.6). */
export type Permission = Deno.PermissionName | "import";

/** All that Deno can ask about. */
const PERMISSIONS: readonly Permission[] = [
  "read",
  "write",
  "net",
  "env",
  "run",
  "sys",
  "ffi",
  "import",
];
/** A bundle looks for nothing beside it, and asks nobody. */
const BUNDLE_FLAGS = [
  "--quiet",
  "--no-config",
  "--no-lock",
  "--cached-only",
  "--no-prompt",
];

/** How to start this process again. @param args What it was given. */
export async function selfCommand(
  args: readonly string[],
): Promise<SelfCommand> {
  return selfCommandOf({
    execPath: Deno.execPath(),
    standalone: Deno.build.standalone,
    mainModule: Deno.mainModule,
    commandLine: await ownCommandLine(),
    args,
    granted: PERMISSIONS.filter(isGranted),
    bundled: BUILT_COMMIT !== null,
  });
}

function isGranted(name: Permission): boolean {
  const descriptor = { name } as Deno.PermissionDescriptor;
  return Deno.permissions.querySync(descriptor).state === "granted";
}

/** The same of any process; pure. */
export function selfCommandOf(facts: SelfFacts): SelfCommand {
  const { execPath: command, args, granted } = facts;
  if (facts.standalone) return { command, prefix: [] };
  const prefix = runWords(facts.commandLine, args);
  if (prefix) return { command, prefix };
  const allowed = granted.length === PERMISSIONS.length
    ? ["--allow-all"]
    : granted.map((name) => `--allow-${name}`);
  const flags = [...facts.bundled ? BUNDLE_FLAGS : [], ...allowed];
  return { command, prefix: ["run", ...flags, facts.mainModule] };
}

/** `run -A mod.ts` of `deno run -A mod.ts train`, or null if it is not so. */
function runWords(
  commandLine: readonly string[] | null,
  args: readonly string[],
): string[] | null {
  if (commandLine === null) return null;
  const end = commandLine.length - args.length;
  const ends = args.every((word, i) => word === commandLine[end + i]);
  const words = commandLine.slice(1, end);
  return ends && words.length > 0 ? words : null;
}

async function ownCommandLine(): Promise<string[] | null> {
  if (Deno.build.os !== "linux") return null;
  try {
    const text = await Deno.readTextFile("/proc/self/cmdline");
    return text.split("\0").slice(0, -1); // each word ends with a zero byte
  } catch {
    return null; // without all permissions, /proc cannot be read
  }
}
