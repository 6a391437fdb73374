/**
 * Takes the pictures of the dashboard in `docs/images/`: trains small runs
 * in a directory of its own, opens `hearth tui` in tmux, presses keys, and
 * draws what the terminal shows. Takes two minutes on two cores.
 *
 *     deno task captures
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { hasTmux, Tmux } from "../tests/tui/_tmux.ts";
import { terminalSvg } from "./terminal_svg.ts";

const MOD = fileURLToPath(new URL("../mod.ts", import.meta.url));
const IMAGES = new URL("../docs/images/", import.meta.url);
const SIZE = { columns: 118, rows: 36 };

/** Runs a command line to its end. */
async function hearth(root: string, ...args: string[]): Promise<void> {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", MOD, "--root", root, "--quiet", ...args],
    stdout: "null",
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`hearth ${args.join(" ")} failed`);
}

/** Draws what the terminal shows. */
async function capture(tmux: Tmux, name: string, title: string) {
  const lines = (await tmux.styledFrame()).replaceAll(root, "~/models")
    .split("\n").slice(0, SIZE.rows);
  await Deno.writeTextFile(
    new URL(`${name}.svg`, IMAGES),
    terminalSvg(lines, { columns: SIZE.columns, title }),
  );
  console.log(`docs/images/${name}.svg`);
}

if (!await hasTmux()) throw new Error("the pictures need tmux");
await Deno.mkdir(IMAGES, { recursive: true });
const root = `${await Deno.makeTempDir()}/models`;
const train = (runId: string, ...args: string[]) =>
  hearth(root, "train", "--profile", "demo", "--run-id", runId, ...args);

try {
  // 1. Runs that have ended in different ways, and one that goes on.
  await train("wren-1", "--steps", "200", "--lr", "1e-3");
  await train("seal-2", "--steps", "300", "--eval-every", "60");
  await Deno.mkdir(`${root}/runs/lynx-1`);
  await Deno.writeTextFile(`${root}/runs/lynx-1/state.json`, '{"status": "ru');
  await train(
    "story-1",
    "--log-every",
    "10",
    "--eval-every",
    "150",
    "--detach",
  );

  // 2. What a person sees of them.
  await using tmux = await Tmux.hearth(["--root", root, "tui"], SIZE);
  await tmux.shows(/story-1 .* step +[6-9]\d\d\/|[6-9]\d\d\/3,000/);
  await capture(tmux, "runs", "All runs in the dashboard");
  await tmux.press("Enter");
  await tmux.shows(/step 1,[5-9]\d\d\/3,000/);
  await capture(tmux, "run", "One run in the dashboard");
  await tmux.press("Escape");
  await tmux.shows("Enter open");
  await hearth(root, "stop", "story-1");
  await tmux.shows("■ stopped");
  await tmux.press("f");
  await tmux.shows("LoRA rank");
  await tmux.press("Down", "Down");
  await tmux.type("8");
  await tmux.press("Down", "Down", "Down", "Down", "Down");
  await tmux.type("3");
  await tmux.shows(/adapters of .* are trained/);
  await tmux.shows(/--epochs 3/);
  await capture(tmux, "form", "The form of a run that trains adapters");
  await tmux.press("Escape");
  await tmux.shows("Enter open");
  await tmux.press("g");
  await tmux.shows("Enter writes a text");
  await tmux.type("One day, a fox");
  await tmux.press("Down", "Down", "Left"); // the last one in the list
  await tmux.press("Enter");
  // Two speeds, and no cursor any more.
  await tmux.shows(/^(?![\s\S]*▌)[\s\S]*( at [\d,]+ tok\/s[^\n]*){2}/);
  await capture(tmux, "generate", "Two checkpoints write side by side");
} finally {
  await Deno.remove(root, { recursive: true });
}
