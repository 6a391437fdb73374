/**
 * Which process a pid means: a pid alone may since belong to another one.
 *
 * @module
 */

/** Linux counts process times in 1/100 s on every architecture (USER_HZ). */
const LINUX_TICKS_PER_SECOND = 100;
/** `ps` and a corrected clock may move a start time by this much. */
const START_TOLERANCE_MS = 2000;

/** A process as it is named in `state.json` and in a lock. */
export interface ProcessIdentity {
  pid: number;
  /** ISO time, or null where the system does not tell. */
  processStartedAt: string | null;
  /** As of {@linkcode startMark}; who has it need not rely on the clock. */
  startMark?: string | null;
}

let own: Promise<ProcessIdentity> | undefined;

/** This process. */
export function ownProcess(): Promise<ProcessIdentity> {
  own ??= processStartedAt(Deno.pid).then((startedAt) => ({
    pid: Deno.pid,
    processStartedAt: startedAt,
  }));
  return own;
}

/**
 * Whether that very process still runs. Where its start cannot be found out,
 * any process with the pid passes for it.
 */
export async function isAlive(process: ProcessIdentity): Promise<boolean> {
  return await pidExists(process.pid) && await hasSameStart(process) !== false;
}

/** The same, where a doubt means no: what {@linkcode Deno.kill} asks for. */
export async function isSurelyAlive(
  process: ProcessIdentity,
): Promise<boolean> {
  return await pidExists(process.pid) && await hasSameStart(process) === true;
}

/** Whether who has the pid now started when `process` did; null: unknown. */
async function hasSameStart(process: ProcessIdentity): Promise<boolean | null> {
  const mark = process.startMark ? await startMark(process.pid) : null;
  if (mark !== null) return mark === process.startMark;
  const startedAt = await processStartedAt(process.pid);
  if (startedAt === null || process.processStartedAt === null) return null;
  const differenceMs = Date.parse(startedAt) -
    Date.parse(process.processStartedAt);
  return Math.abs(differenceMs) <= START_TOLERANCE_MS;
}

/**
 * When a process started, as a text that means nothing but stays the same
 * when the clock is set; null where there is no such thing.
 */
export async function startMark(pid: number): Promise<string | null> {
  if (Deno.build.os !== "linux") return null;
  try {
    const boot = await Deno.readTextFile("/proc/sys/kernel/random/boot_id");
    return `${boot.trim()} ${await startTicks(pid)}`;
  } catch {
    return null; // the process is gone, or may not be looked at
  }
}

/** When a process started, ISO; null if it is gone or cannot be asked. */
export async function processStartedAt(pid: number): Promise<string | null> {
  if (!isPid(pid)) return null; // it becomes part of a command on Windows
  try {
    const startedMs = Deno.build.os === "linux"
      ? await startedMsFromProc(pid)
      : Deno.build.os === "windows"
      ? await startedMsFromPowerShell(pid)
      : await startedMsFromPs(pid);
    return new Date(startedMs).toISOString();
  } catch {
    return null; // the process is gone, or the tool is missing
  }
}

/** Others mean groups of processes, or all there are; files may say anything. */
function isPid(pid: unknown): pid is number {
  return Number.isSafeInteger(pid) && (pid as number) > 0;
}

async function pidExists(pid: number): Promise<boolean> {
  if (!isPid(pid)) return false;
  if (Deno.build.os !== "linux") return await processStartedAt(pid) !== null;
  try {
    // Z and X: it has ended, and its parent has not asked how.
    return !/^[ZX]/.test((await statFields(pid))[0]);
  } catch {
    return false;
  }
}

/** The fields of proc(5) from the third on, which is the state. */
async function statFields(pid: number): Promise<string[]> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
  // The name in parentheses before them may hold spaces.
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

/** Ticks from the start of the machine to that of the process. */
async function startTicks(pid: number): Promise<number> {
  return Number((await statFields(pid))[22 - 3]); // field 22
}

async function startedMsFromProc(pid: number): Promise<number> {
  const [ticks, system] = await Promise.all([
    startTicks(pid),
    Deno.readTextFile("/proc/stat"),
  ]);
  const bootSeconds = Number(/^btime (\d+)$/m.exec(system)?.[1]);
  return (bootSeconds + ticks / LINUX_TICKS_PER_SECOND) * 1000;
}

/** macOS and BSD: `ps` prints such as `Mon Nov 23 17:33:01 2026`. */
async function startedMsFromPs(pid: number): Promise<number> {
  const text = await output("ps", ["-o", "lstart=", "-p", String(pid)]);
  return Date.parse(text);
}

async function startedMsFromPowerShell(pid: number): Promise<number> {
  const text = await output("powershell", [
    "-NoProfile",
    "-Command",
    `(Get-Process -Id ${pid}).StartTime.ToUniversalTime().ToString("o")`,
  ]);
  return Date.parse(text);
}

async function output(command: string, args: string[]): Promise<string> {
  const { stdout } = await new Deno.Command(command, {
    args,
    env: { LC_ALL: "C" },
    stdin: "null",
    stderr: "null",
  }).output();
  return new TextDecoder().decode(stdout).trim();
}
