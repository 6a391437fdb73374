/**
 * What the machine's CPU is: its name, and how many cores it really has.
 *
 * Two hardware threads of one core share its arithmetic units, so kernels
 * that keep those busy gain nothing from the second: one thread per core.
 *
 * @module
 */

/** The CPU of this machine. */
export interface CpuInfo {
  /** Model name, such as `AMD Ryzen 9 7950X`; the architecture if unknown. */
  readonly name: string;
  /** Physical cores that this process may use, at least 1. */
  readonly cores: number;
  /** Hardware threads that this process may use, at least 1. */
  readonly hardwareThreads: number;
}

/** Asks the system. Never fails: what cannot be read is taken as said above. */
export function readCpuInfo(): CpuInfo {
  // Respects affinity masks and containers, unlike /proc/cpuinfo.
  const hardwareThreads = Math.max(1, navigator.hardwareConcurrency);
  const unknown = { name: Deno.build.arch, cores: hardwareThreads };
  if (Deno.build.os !== "linux") return { ...unknown, hardwareThreads };
  const text = readText("/proc/cpuinfo");
  if (text === null) return { ...unknown, hardwareThreads };
  const { name, cores } = parseCpuInfo(text);
  return {
    name: name ?? unknown.name,
    cores: Math.min(cores ?? hardwareThreads, hardwareThreads),
    hardwareThreads,
  };
}

/** Name and number of physical cores from the text of /proc/cpuinfo. */
export function parseCpuInfo(
  text: string,
): { name: string | null; cores: number | null } {
  let name: string | null = null;
  const cores = new Set<string>();
  for (const block of text.split(/\n\s*\n/)) {
    const field = (key: string) =>
      block.match(new RegExp(`^${key}\\s*: *(.*?)\\s*$`, "m"))?.[1] || null;
    name ??= field("model name") ?? field("Model");
    const core = field("core id");
    if (core !== null) cores.add(`${field("physical id") ?? 0}/${core}`);
  }
  return { name, cores: cores.size > 0 ? cores.size : null };
}

function readText(path: string): string | null {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return null; // no such file, or no permission to read it
  }
}
