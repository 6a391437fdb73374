/**
 * Where this system keeps what a program can do without.
 *
 * @module
 */

import { join } from "node:path";

/** Hearth's own folder there, which may not exist yet; null if unknown. */
export function cacheFolder(): string | null {
  const env = (name: string) => {
    try {
      return Deno.env.get(name) || null;
    } catch {
      return null; // not permitted
    }
  };
  const home = env("HOME");
  const base = env("XDG_CACHE_HOME") ??
    (Deno.build.os === "windows" ? env("LOCALAPPDATA") : home &&
      join(home, Deno.build.os === "darwin" ? "Library/Caches" : ".cache"));
  return base && join(base, "hearth");
}
