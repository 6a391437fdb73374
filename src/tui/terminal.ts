/**
 * Escapes for the terminal as a whole.
 *
 * @module
 */

/** Leaves the other screen, shows the cursor, ends bracketed paste. */
const RESTORE = "\x1b[?2004l\x1b[?1049l\x1b[?25h\x1b[0m";

function write(text: string): void {
  try {
    Deno.stdout.writeSync(new TextEncoder().encode(text));
  } catch {
    // The terminal is gone, and nobody sees what it shows.
  }
}

/** Gives the terminal back as it was; does no harm a second time. */
export function restoreTerminal(): void {
  try {
    if (Deno.stdin.isTerminal()) Deno.stdin.setRaw(false);
  } catch {
    // As above.
  }
  write(RESTORE);
}

/**
 * Puts a text on the clipboard by OSC 52, which also reaches the clipboard of
 * the person at the other end of an ssh. Terminals that do not know it, or do
 * not allow it, ignore it.
 */
export function writeClipboard(text: string): void {
  const base64 = new TextEncoder().encode(text).toBase64();
  write(`\x1b]52;c;${base64}\x07`);
}
