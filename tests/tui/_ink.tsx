/**
 * The dashboard in Ink, in a terminal that is only a size.
 */

import { render } from "ink-testing-library";
import { App, Frames } from "../../src/tui/app.tsx";
import { Dashboard, type Leaving } from "../../src/tui/dashboard.ts";
import type { TuiOptions } from "../../src/tui/screen.ts";
import { eventually } from "../run/_eventually.ts";

/** What a key sends. */
export const KEYS = {
  up: "\x1b[A",
  down: "\x1b[B",
  right: "\x1b[C",
  left: "\x1b[D",
  enter: "\r",
  esc: "\x1b",
  tab: "\t",
  backspace: "\x7f",
  "shift-tab": "\x1b[Z",
  pageup: "\x1b[5~",
  pagedown: "\x1b[6~",
  delete: "\x1b[3~",
  home: "\x1b[H",
  end: "\x1b[F",
} as const;

/** A dashboard that a test looks at. */
export class TestTui implements AsyncDisposable {
  readonly dashboard: Dashboard;
  readonly copied: string[] = [];
  left: Leaving | null = null;
  readonly #ink: ReturnType<typeof render>;

  constructor(
    root: string,
    { columns = 80, rows = 24, startAgain }: {
      columns?: number;
      rows?: number;
      startAgain?: TuiOptions["startAgain"];
    } = {},
  ) {
    const frames = new Frames();
    this.dashboard = new Dashboard({
      root,
      program: "hearth",
      globalArgs: ["--root", root],
      startAgain: startAgain ??
        (() => Promise.reject(new Error("no process can be started here"))),
    }, {
      draw: frames.draw,
      copy: (text) => this.copied.push(text),
      suspend: () => false,
      leave: (how) => this.left = how,
    });
    this.#ink = render(
      <App
        dashboard={this.dashboard}
        frames={frames}
        color="none"
        size={{ columns, rows }}
      />,
    );
  }

  /** The same with the escapes of bold and inverse text. */
  get styledFrame(): string {
    return this.#ink.lastFrame()!.replaceAll("\u00a0", " ");
  }

  /** What is on the screen; lines end without spaces. */
  get frame(): string {
    // deno-lint-ignore no-control-regex -- bold and inverse
    return this.#ink.lastFrame()!.replaceAll(/\x1b\[[\d;]*m/g, "")
      .replaceAll("\u00a0", " ") // see turned() of app.tsx
      .replaceAll(/ +$/gm, "");
  }

  /** Presses keys, or types a text. */
  async press(
    ...keys: (keyof typeof KEYS | (string & Record<never, never>))[]
  ) {
    for (const key of keys) {
      this.#ink.stdin.write(KEYS[key as keyof typeof KEYS] ?? key);
      await new Promise((resolve) =>
        setTimeout(resolve, key === "esc" ? 60 : 0)
      );
    }
  }

  /** Waits until the screen shows it. */
  async shows(text: string | RegExp): Promise<string> {
    const isThere = () =>
      typeof text === "string"
        ? this.frame.includes(text)
        : text.test(this.frame);
    await eventually(isThere).catch(() => {
      throw new Error(`no ${text} in\n${this.frame}`);
    });
    return this.frame;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ink.unmount();
    this.dashboard[Symbol.dispose]();
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}
