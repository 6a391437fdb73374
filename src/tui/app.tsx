/**
 * The dashboard in Ink: draws its frames, hands it the keys.
 *
 * @module
 */

import { Box, Text, useApp, useInput, usePaste, useWindowSize } from "ink";
import { type ReactNode, useEffect, useSyncExternalStore } from "react";
import type { Dashboard } from "./dashboard.ts";
import { keyNames } from "./keys.ts";
import type { Size } from "./screen.ts";
import type { Line } from "./text/line.ts";
import { type ColorDepth, paintLine } from "./theme.ts";

/** Counts the frames that were asked for. */
export class Frames {
  #count = 0;
  readonly #listeners = new Set<() => void>();

  /** Asks for a new frame. */
  readonly draw = (): void => {
    this.#count++;
    for (const listener of this.#listeners) listener();
  };

  readonly subscribe = (listener: () => void): () => void => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly count = (): number => this.#count;
}

/** Makes Ink let go of the terminal, until what it returns is called. */
export type LetGo = () => Promise<() => Promise<void>>;

/** The whole screen. */
export function App(
  { dashboard, frames, color, onLetGo, size }: {
    dashboard: Dashboard;
    frames: Frames;
    color: ColorDepth;
    /** Is told how Ink lets go of the terminal, which only it can do. */
    onLetGo?: (letGo: LetGo) => void;
    /** In place of the terminal's own. */
    size?: Size;
  },
): ReactNode {
  useSyncExternalStore(frames.subscribe, frames.count);
  const window = useWindowSize();
  const { columns, rows } = size ?? window;
  const { suspendTerminal } = useApp();
  useEffect(() => {
    onLetGo?.(async () => {
      const { resume } = await suspendTerminal();
      return resume;
    });
  }, [suspendTerminal]);
  useInput((input, key) => {
    for (const name of keyNames(input, key)) dashboard.press(name);
  });
  usePaste((text) => dashboard.paste(text));
  const lines = dashboard.frame({ columns, rows });
  if (frames.count() % 2 === 1) lines.push(...lines.splice(-1).map(turned));
  return (
    <Box flexDirection="column" width={columns} height={rows}>
      <Lines lines={lines} color={color} />
    </Box>
  );
}

/**
 * The last line, looking the same and being another.
 *
 * `deno run` from sources shows its progress on stderr whenever it loads a
 * module, for a worker as well, and then erases the line of the cursor, which
 * is the last one (seen with Deno 2.9.6; not with `--quiet`, nor compiled). Ink
 * writes only what has changed, so the line would stay empty. As it begins
 * with another space in every other frame, it comes back with the next one.
 */
function turned(line: Line): Line {
  return line.map((one, i) =>
    i === 0 ? { ...one, text: one.text.replace(/^ /, "\u00a0") } : one
  );
}

/** Lines below each other, as wide as they are. */
function Lines(
  { lines, color }: { lines: readonly Line[]; color: ColorDepth },
): ReactNode {
  const text = lines.map((line) => paintLine(line, color)).join("\n");
  return <Text wrap="truncate">{text}</Text>;
}
