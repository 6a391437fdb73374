import assert from "node:assert/strict";
import { App } from "../../../src/cli/app.ts";
import type { Io } from "../../../src/cli/io.ts";
import { LiveLine } from "../../../src/cli/output/live_line.ts";

/** An app that writes to `written`, and a clock. */
function liveApp(
  { isTty, quiet = false }: { isTty: boolean; quiet?: boolean },
) {
  const written: string[] = [];
  const sink = { isTty, write: (text: string) => void written.push(text) };
  const io = {
    stdout: sink,
    stderr: sink,
    columns: () => 40,
    env: () => undefined,
  } as Partial<Io> as Io;
  const app = new App(io);
  app.configure({ color: false, ...quiet ? { quiet } : {} });
  return { app, written };
}

Deno.test("LiveLine rewrites its line, at most ten times a second", () => {
  const { app, written } = liveApp({ isTty: true });
  let now = 0;
  {
    using line = new LiveLine(app, () => now);
    line.update((columns) => `a${columns}`);
    now = 99;
    line.update(() => "too fresh");
    now = 100;
    line.update(() => "b");
    line.print("stays");
    line.warn("careful");
  }
  assert.deepEqual(written, [
    "\r\x1b[Ka40",
    "\r\x1b[Kb",
    "\r\x1b[K", // room for the line that stays, then the live one again
    "stays\n",
    "b",
    "\r\x1b[K",
    "warning: careful\n",
    "b",
    "\r\x1b[K", // disposed
  ]);
});

Deno.test("LiveLine writes no escapes where stderr is no terminal", () => {
  const { app, written } = liveApp({ isTty: false });
  {
    using line = new LiveLine(app);
    line.update(() => "never seen");
    line.print("stays");
  }
  assert.deepEqual(written, ["stays\n"]);
});

Deno.test("LiveLine says nothing but warnings when quiet", () => {
  const { app, written } = liveApp({ isTty: true, quiet: true });
  {
    using line = new LiveLine(app);
    line.update(() => "never seen");
    line.print("nor this");
    line.warn("but this");
  }
  assert.deepEqual(written, ["warning: but this\n"]);
});
