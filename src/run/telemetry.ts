/**
 * What training takes from the machine right now.
 *
 * @module
 */

import process from "node:process";

/** One look at the machine; null is unknown. */
export interface Telemetry {
  gpuUtilPct: number | null;
  vramUsedBytes: number | null;
  vramTotalBytes: number | null;
  powerW: number | null;
  tempC: number | null;
  /** Of this process, 100 for each core it keeps busy. */
  cpuPct: number | null;
  /** Resident memory of this process, worker threads included. */
  rssBytes: number | null;
}

/** Before the first look. */
export const NO_TELEMETRY: Telemetry = {
  gpuUtilPct: null,
  vramUsedBytes: null,
  vramTotalBytes: null,
  powerW: null,
  tempC: null,
  cpuPct: null,
  rssBytes: null,
};

/** Looks at this process; CPU use is the average since the look before. */
export class TelemetrySampler {
  #cpuMicros = cpuMicros();
  #wallMs = performance.now();

  sample(): Telemetry {
    const micros = cpuMicros(), wallMs = performance.now();
    const busyMs = (micros - this.#cpuMicros) / 1000;
    const passedMs = wallMs - this.#wallMs;
    this.#cpuMicros = micros;
    this.#wallMs = wallMs;
    return {
      ...NO_TELEMETRY,
      cpuPct: passedMs > 0 ? Math.round(100 * busyMs / passedMs) : null,
      rssBytes: Deno.memoryUsage().rss,
    };
  }
}

function cpuMicros(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
