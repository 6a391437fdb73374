/**
 * Opens the dashboard in this process's terminal and gives the terminal back,
 * however the dashboard ends.
 *
 * Reach this file through load_tui.ts.
 *
 * @module
 */

import process from "node:process";
import { render } from "ink";
import { onStopSignals } from "../run/process/signals.ts";
import { App, Frames } from "./app.tsx";
import { Dashboard, type Leaving } from "./dashboard.ts";
import { restoreTerminal, writeClipboard } from "./terminal.ts";
import type { TuiOptions } from "./screen.ts";
import type { ColorDepth } from "./theme.ts";

/** Shows the dashboard until a person leaves it. */
export async function runTui(
  options: TuiOptions & { color: ColorDepth },
): Promise<Leaving> {
  const frames = new Frames();
  let left: Leaving = { args: null };
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  using dashboard = new Dashboard(options, {
    draw: frames.draw,
    copy: writeClipboard,
    leave: (how) => {
      left = how;
      resolve();
    },
  });
  const ink = render(
    <App dashboard={dashboard} frames={frames} color={options.color} />,
    {
      exitOnCtrlC: false, // the keymap has it
      patchConsole: false,
      interactive: true, // a variable such as CI would turn it off
      alternateScreen: true,
      incrementalRendering: true,
      maxFps: 20,
    },
  );
  // Ink leaves the other screen on when an error comes from elsewhere.
  const fail = (error: unknown) => reject(error);
  const onError = (event: ErrorEvent) => {
    event.preventDefault();
    fail(event.error);
  };
  const onRejection = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    fail(event.reason);
  };
  addEventListener("error", onError);
  addEventListener("unhandledrejection", onRejection);
  addEventListener("unload", restoreTerminal);
  using _signals = onStopSignals({ first: () => resolve(), second: () => {} });
  ink.waitUntilExit().then(() => resolve(), fail);
  void dashboard.watch().catch(fail);
  try {
    await promise;
  } finally {
    removeEventListener("error", onError);
    removeEventListener("unhandledrejection", onRejection);
    ink.unmount();
    await ink.waitUntilExit().catch(() => {});
    removeEventListener("unload", restoreTerminal);
    restoreTerminal();
    process.stdin.unref?.();
  }
  return left;
}
