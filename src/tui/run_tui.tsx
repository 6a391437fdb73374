/**
 * Opens the dashboard in this process's terminal and gives the terminal back,
 * however the dashboard ends.
 *
 * Reach this file through load_tui.ts.
 *
 * @module
 */

import { render } from "ink";
import process from "node:process";
import { JobControl } from "../run/process/job_control.ts";
import { onStopSignals } from "../run/process/signals.ts";
import { App, Frames, type LetGo } from "./app.tsx";
import { Dashboard, type Leaving } from "./dashboard.ts";
import { hasShell } from "./has_shell.ts";
import type { TuiOptions } from "./screen.ts";
import { restoreTerminal, takeTerminal, writeClipboard } from "./terminal.ts";
import type { ColorDepth } from "./theme.ts";

/**
 * Ink's signal-exit sends a signal once more where it finds no other listener,
 * and looks for those of Node only. The second one could end the process
 * before the terminal is given back (seen under load, about once in ten times).
 */
const SIGNALS_OF_INK = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const heard = () => {};

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
    suspend: () => {
      jobs?.suspend();
      return jobs !== null;
    },
    leave: (how) => {
      left = how;
      resolve();
    },
  });
  const fail = (error: unknown) => reject(error);
  let letGo: LetGo | null = null;
  let takeBack: (() => Promise<void>) | null = null;
  const terminal = {
    leave: async () => {
      takeBack = await letGo?.() ?? null;
      await written();
      restoreTerminal();
    },
    back: async () => {
      takeBack ??= await letGo?.() ?? null;
      await written();
      takeTerminal();
      await takeBack?.();
      takeBack = null;
      // Only a job that has the terminal is told of a new size.
      Deno.kill(Deno.pid, "SIGWINCH");
    },
    fail,
  };
  using jobs = hasShell() ? new JobControl(terminal) : null;
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
  for (const signal of SIGNALS_OF_INK) process.on(signal, heard);
  takeTerminal();
  try {
    const ink = render(
      <App
        dashboard={dashboard}
        frames={frames}
        color={options.color}
        onLetGo={(how) => letGo = how}
      />,
      {
        exitOnCtrlC: false, // the keymap has it
        patchConsole: false,
        interactive: true, // a variable such as CI would turn it off
        incrementalRendering: true,
        maxFps: 20,
      },
    );
    ink.waitUntilExit().then(() => resolve(), fail);
    void dashboard.watch().catch(fail);
    try {
      await promise;
    } finally {
      ink.unmount();
      await ink.waitUntilExit().catch(() => {});
    }
  } finally {
    for (const signal of SIGNALS_OF_INK) process.off(signal, heard);
    removeEventListener("error", onError);
    removeEventListener("unhandledrejection", onRejection);
    removeEventListener("unload", restoreTerminal);
    restoreTerminal();
    process.stdin.unref?.();
  }
  return left;
}

/** Waits until the terminal has what Ink wrote. */
function written(): Promise<void> {
  return new Promise((resolve) => process.stdout.write("", () => resolve()));
}
