/**
 * React decides by the environment which of its builds to load, once: the
 * development build takes several times as long for a frame. So this comes
 * before the first import of Ink, which is dynamic.
 *
 * @module
 */

import process from "node:process";

/** Loads the dashboard with React's production build. */
export async function loadTui(): Promise<typeof import("./run_tui.tsx")> {
  Deno.env.set("NODE_ENV", "production");
  // Ink makes stdin as it is imported. Where the terminal is another user's (a
  // shell by su) the three streams share what they are read by, and the one
  // made last would have all of them wait: no Esc, no frame until the next key
  // (Deno 2.9.6, Linux).
  void [process.stdout, process.stderr];
  return await import("./run_tui.tsx");
}
