/**
 * The dashboard without a terminal: screens on top of each other, what is
 * known of the runs, and what a key press does. app.tsx shows it.
 *
 * @module
 */

import { errorMessage } from "../base/errors.ts";
import { pause } from "../base/pause.ts";
import type { RunInfo } from "../run/files/runs.ts";
import { RunsWatch } from "../run/watch/watch_runs.ts";
import { frameLines, type FrameParts, helpEnd, helpOverlay } from "./frame.ts";
import { actionOf, type ScreenName } from "./keymap.ts";
import { isText } from "./keys.ts";
import type { Host, Screen, Size, TuiOptions } from "./screen.ts";
import { DetailScreen } from "./screens/detail_screen.ts";
import { moved } from "./screens/list_cursor.ts";
import { RunsScreen } from "./screens/runs_screen.ts";
import { bold, type Line, type Span, span } from "./text/line.ts";
import { panel } from "./text/panel.ts";
import { wrapWidth } from "./text/width.ts";

/** Updates a second to choose from. */
const RATES = [0.2, 0.5, 1, 2, 5, 10];
const USUAL_RATE = 2;
/** How long a message stays. */
const MESSAGE_MS = 6000;

/** Ages on the screen grow although nothing changes. */
const IDLE_REDRAW_MS = 2000;

/** What is asked over the screen. */
interface Question {
  text: string;
  yes: () => void;
}

/** How the dashboard ended. */
export interface Leaving {
  /** What the command line does next; null: nothing. */
  args: readonly string[] | null;
}

/** See the module. */
export class Dashboard implements Host, Disposable {
  readonly root: string;
  readonly program: string;
  readonly globalArgs: readonly string[];
  readonly startAgain: TuiOptions["startAgain"];
  lastRun: string | null = null;
  readonly #closing = new AbortController();
  readonly #watch: RunsWatch;
  readonly #draw: () => void;
  readonly #copy: (text: string) => void;
  readonly #suspend: () => boolean;
  readonly #leave: (how: Leaving) => void;
  #screens: Screen[];
  #runs: readonly RunInfo[] = [];
  #rate = USUAL_RATE;
  #isPaused = false;
  #message: Span | null = null;
  #messageTimer: ReturnType<typeof setTimeout> | null = null;
  #question: Question | null = null;
  #helpTop: number | null = null;
  #drawTimer: ReturnType<typeof setTimeout> | null = null;
  #drawnAtMs = -Infinity;

  /**
   * @param surroundings.draw Shows the frame anew.
   * @param surroundings.copy Puts a text on the clipboard.
   * @param surroundings.suspend Goes back to the shell until `fg`, if it can.
   * @param surroundings.leave Ends the dashboard.
   */
  constructor(
    options: TuiOptions,
    { draw, copy, suspend, leave }: {
      draw: () => void;
      copy: (text: string) => void;
      suspend: () => boolean;
      leave: (how: Leaving) => void;
    },
  ) {
    this.root = options.root;
    this.program = options.program;
    this.globalArgs = options.globalArgs;
    this.startAgain = options.startAgain;
    this.#watch = new RunsWatch(options.root);
    this.#draw = draw;
    this.#copy = copy;
    this.#suspend = suspend;
    this.#leave = leave;
    this.#screens = [new RunsScreen(this)];
  }

  /** Looks at the runs again and again, until it is disposed of. */
  async watch(): Promise<void> {
    while (!this.signal.aborted) {
      if (!this.#isPaused) await this.look();
      await pause(1000 / this.#rate, this.signal);
    }
  }

  /** Looks at the runs once. */
  async look(): Promise<void> {
    const before = this.#runs;
    try {
      this.#runs = await this.#watch.look();
    } catch (error) {
      this.say(`Cannot list the runs: ${errorMessage(error)}`, "bad");
    }
    const isSame = before.length === this.#runs.length &&
      before.every((run, i) => run === this.#runs[i]);
    const ageMs = performance.now() - this.#drawnAtMs;
    if (!isSame || ageMs >= IDLE_REDRAW_MS) this.changed();
  }

  /** The whole screen. */
  frame(size: Size): Line[] {
    const parts: FrameParts = {
      path: this.#screens.map(({ title }) => title),
      screen: this.#screenName,
      body: (inside) => this.#top.view(inside),
      overlay: (inside) => this.#overlay(inside),
      message: this.#message,
      counts: {
        runs: this.#runs.length,
        alive: this.#runs.filter(({ state }) => state?.alive).length,
      },
      rate: this.#rate,
      isPaused: this.#isPaused,
    };
    return frameLines(parts, size);
  }

  /** Does what a key stands for. */
  press(key: string): void {
    this.#message = null;
    const screen = this.#screenName;
    const isOver = screen === "help" || screen === "confirm";
    const text = key === "space" ? " " : key;
    if (!isOver && isText(text) && this.#top.type?.(text)) return;
    const action = actionOf(screen, key);
    if (action === "quit") return this.#leave({ args: null });
    if (action === "suspend") {
      if (!this.#suspend()) this.say("there is no shell to go back to");
    } else if (action === "help") this.#helpTop = 0;
    else if (action === "pause") this.#isPaused = !this.#isPaused;
    else if (action === "faster") this.#changeRate(1);
    else if (action === "slower") this.#changeRate(-1);
    else if (screen === "help") this.#actOnHelp(action);
    else if (screen === "confirm") this.#answer(action);
    else if (action !== null) this.#top.act(action);
    this.changed(true);
  }

  /** Takes a text that was pasted. */
  paste(text: string): void {
    this.#top.type?.(text);
    this.changed(true);
  }

  [Symbol.dispose](): void {
    this.#closing.abort();
    for (const screen of this.#screens) screen[Symbol.dispose]();
    if (this.#drawTimer !== null) clearTimeout(this.#drawTimer);
    if (this.#messageTimer !== null) clearTimeout(this.#messageTimer);
  }

  get signal(): AbortSignal {
    return this.#closing.signal;
  }

  now(): number {
    return Date.now();
  }

  runs(): readonly RunInfo[] {
    return this.#runs;
  }

  changed(urgent = false): void {
    if (this.signal.aborted || this.#isPaused && !urgent) return;
    const waitMs = urgent
      ? 0
      : this.#drawnAtMs + 1000 / this.#rate - performance.now();
    if (waitMs <= 0) return this.#drawNow();
    this.#drawTimer ??= setTimeout(() => this.#drawNow(), waitMs);
  }

  open(screen: Screen): void {
    this.#screens.push(screen);
    this.changed(true);
  }

  back(): void {
    if (this.#screens.length === 1) return;
    this.#screens.pop()![Symbol.dispose]();
    this.#top.resumed?.();
    this.changed(true);
  }

  showRun(runId: string): void {
    for (const one of this.#screens.splice(1)) one[Symbol.dispose]();
    this.open(new DetailScreen(this, runId));
  }

  say(message: string, tone?: "good" | "bad" | "warn"): void {
    if (this.signal.aborted) return;
    this.#message = tone ? bold(message, tone) : span(message);
    if (this.#messageTimer !== null) clearTimeout(this.#messageTimer);
    this.#messageTimer = setTimeout(() => {
      this.#message = null;
      this.changed(true);
    }, MESSAGE_MS);
    this.changed(true);
  }

  ask(text: string, yes: () => void): void {
    this.#question = { text, yes };
    this.changed(true);
  }

  copy(text: string): void {
    this.#copy(text);
    this.say("copied, where the terminal allows it", "good");
  }

  leaveFor(args: readonly string[]): void {
    this.#leave({ args });
  }

  get #top(): Screen {
    return this.#screens.at(-1)!;
  }

  /** Whose keys count. */
  get #screenName(): ScreenName {
    if (this.#question !== null) return "confirm";
    return this.#helpTop !== null ? "help" : this.#top.name;
  }

  #overlay(size: Size): Line[] | null {
    if (this.#question !== null) {
      return questionOverlay(this.#question.text, size);
    }
    if (this.#helpTop === null) return null;
    const { name } = this.#top;
    this.#helpTop = Math.min(this.#helpTop, helpEnd(name, size));
    return helpOverlay(name, size, this.#helpTop);
  }

  #actOnHelp(action: string | null): void {
    if (action === "back") this.#helpTop = null;
    else if (action !== null) {
      const at = this.#helpTop ?? 0;
      this.#helpTop = moved(action, { at, count: Infinity, page: 8 }) ?? at;
    }
  }

  #answer(action: string | null): void {
    const question = this.#question;
    if (action !== "yes" && action !== "no") return;
    this.#question = null;
    if (action === "yes") question?.yes();
  }

  #changeRate(by: 1 | -1): void {
    const at = RATES.indexOf(this.#rate) + by;
    this.#rate = RATES[Math.max(0, Math.min(RATES.length - 1, at))];
  }

  #drawNow(): void {
    if (this.#drawTimer !== null) clearTimeout(this.#drawTimer);
    this.#drawTimer = null;
    this.#drawnAtMs = performance.now();
    this.#draw();
  }
}

function questionOverlay(text: string, { columns }: Size): Line[] {
  const width = Math.min(columns, 60);
  const lines = [
    ...wrapWidth(text, width - 4).map((one): Line => [span(one)]),
    [],
    [bold("y", "accent"), span(" yes   "), bold("n", "accent"), span(" no")],
  ];
  return panel(lines, {
    title: "sure?",
    columns: width,
    rows: lines.length + 2,
    focused: true,
  });
}
