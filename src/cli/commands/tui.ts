/** `hearth tui`: the dashboard. @module */

import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { EXIT, UserError } from "../../base/errors.ts";
import type { App } from "../app.ts";
import { examples } from "../flags/examples.ts";
import { canShowScreens } from "../io.ts";

/** Adds the command. */
export function addTuiCommand(program: CommandUnknownOpts, app: App): void {
  program.command("tui")
    .summary("all runs on one screen: start, watch, stop, resume, generate")
    .description(
      "Open the dashboard: all runs with their curves; start, stop and " +
        "resume them, and write text with them. What it starts goes on when " +
        "it is closed. hearth without arguments opens it, too.",
    )
    .addHelpText("after", examples("hearth tui", "hearth --root ~/models tui"))
    .action(() => openDashboard(app));
}

/**
 * Shows the dashboard until it is left.
 *
 * @throws {UserError} If there is no terminal.
 */
async function openDashboard(app: App): Promise<void> {
  const { io, root } = app;
  if (!canShowScreens(io)) {
    const isTerminal = io.stdinIsTty && io.stdout.isTty;
    const why = isTerminal
      ? "TERM is dumb: the terminal has no screen to draw on"
      : "this is not a terminal";
    throw new UserError(`Cannot open the dashboard: ${why}`, {
      hint: "hearth runs lists the runs, hearth status shows one",
      exitCode: EXIT.usage,
    });
  }
  const { colorDepth } = await import("../../tui/theme.ts");
  const { loadTui } = await import("../../tui/load_tui.ts");
  const { runTui } = await loadTui();
  const { args } = await runTui({
    root,
    program: io.program,
    globalArgs: root === "." ? [] : ["--root", root],
    color: colorDepth(io.env, { wanted: app.wantsColor }),
    startAgain: (options) => io.startAgain(options),
  });
  app.goOnWith = args;
}
