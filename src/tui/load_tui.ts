/**
 * React decides by the environment which of its builds to load, once: the
 * development build takes several times as long for a frame. So this comes
 * before the first import of Ink, which is dynamic.
 *
 * @module
 */

/** Loads the dashboard with React's production build. */
export async function loadTui(): Promise<typeof import("./run_tui.tsx")> {
  Deno.env.set("NODE_ENV", "production");
  return await import("./run_tui.tsx");
}
