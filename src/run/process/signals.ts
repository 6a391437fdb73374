/**
 * Signals that ask a process to stop.
 *
 * The first asks politely, the second means at once. A terminal that closes
 * may send its hang-up twice, from the kernel and from the shell, so a hang-up
 * never counts as the second. `deno task` passes a Ctrl+C on that the terminal
 * has sent already, in the same millisecond (seen with 2.9.6 on Linux); what
 * follows the first that closely is the same key press. A process that left
 * its terminal behind has no use for hang-ups.
 *
 * @module
 */

/** A person needs longer than this to press Ctrl+C again. */
const SAME_PRESS_MS = 100;

const isWindows = Deno.build.os === "windows";
const SIGNALS: Deno.Signal[] = isWindows
  ? ["SIGINT", "SIGBREAK"]
  : ["SIGINT", "SIGTERM", "SIGHUP"];

/**
 * Listens until disposed; the process then does no longer end by itself.
 *
 * @param handlers `first` is called once, `second` for each later signal.
 * @param options hangUps: false leaves them alone. now: a clock in
 * milliseconds, for tests.
 */
export function onStopSignals(
  { first, second }: {
    first: (signal: Deno.Signal) => void;
    second: (signal: Deno.Signal) => void;
  },
  { hangUps = true, now = () => performance.now() }: {
    hangUps?: boolean;
    now?: () => number;
  } = {},
): Disposable {
  let firstAtMs: number | null = null;
  const signals = SIGNALS.filter((signal) => hangUps || signal !== "SIGHUP");
  const listeners = signals.map((signal) => {
    const listener = () => {
      if (firstAtMs === null) {
        firstAtMs = now();
        first(signal);
      } else if (
        signal !== "SIGHUP" && now() - firstAtMs > SAME_PRESS_MS
      ) {
        second(signal);
      }
    };
    Deno.addSignalListener(signal, listener);
    return { signal, listener };
  });
  return {
    [Symbol.dispose]() {
      for (const { signal, listener } of listeners) {
        Deno.removeSignalListener(signal, listener);
      }
    },
  };
}

/** From now on, this process outlives whoever sends it a hang-up. */
export function ignoreHangUps(): void {
  // Windows ends a process that has no console for other reasons only.
  if (!isWindows) Deno.addSignalListener("SIGHUP", () => {});
}
