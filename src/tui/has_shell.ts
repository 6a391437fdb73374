/**
 * Whether Ctrl+Z has anywhere to go.
 *
 * @module
 */

import {
  C_LIBRARIES,
  openFirst,
} from "../backend/cpu/native/system_library.ts";

/**
 * Whether a shell can take the terminal and go on with this process later: it
 * gives each job a process group of its own.
 */
export function hasShell(): boolean {
  if (Deno.build.os === "windows") return false;
  try {
    const { symbols } = openFirst(C_LIBRARIES, {
      getpgid: { parameters: ["i32"], result: "i32" },
      getsid: { parameters: ["i32"], result: "i32" },
    });
    return symbols.getpgid(0) !== symbols.getsid(0);
  } catch {
    return false;
  }
}
