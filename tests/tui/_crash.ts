/**
 * Opens a dashboard in this terminal. Once the window is 100 columns wide, it
 * ends it from elsewhere, as `Deno.args[0]` says.
 */

import { loadTui } from "../../src/tui/load_tui.ts";

const [how] = Deno.args;
const root = await Deno.makeTempDir();
const { runTui } = await loadTui();
const timer = setInterval(() => {
  if (Deno.consoleSize().columns !== 100) return;
  clearInterval(timer);
  if (how === "throws") throw new Error("it crashed");
  if (how === "rejects") void Promise.reject(new Error("it crashed"));
  if (how === "exits") Deno.exit(5);
  if (how.startsWith("SIG")) Deno.kill(Deno.pid, how as Deno.Signal);
}, 50);
try {
  await runTui({
    root,
    program: "hearth",
    globalArgs: [],
    color: "256",
    startAgain: () => Promise.reject(new Error("not here")),
  });
  console.log("left");
} catch (error) {
  console.error(`caught: ${(error as Error).message}`);
  Deno.exit(1);
} finally {
  clearInterval(timer);
  await Deno.remove(root);
}
