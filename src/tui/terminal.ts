/**
 * Escapes for the terminal as a whole.
 *
 * The other screen is entered and left here and not by Ink, which leaves it
 * with its last frame on it: tmux 3.3a shows rows of that frame in the shell
 * when the window was smaller as the screen was entered, so it has to be empty
 * by then.
 *
 * @module
 */

/** Enters the other screen, at its top. */
const TAKE = "\x1b[?1049h\x1b[H\x1b[J";
/** Empties and leaves it, shows the cursor, ends bracketed paste. */
const RESTORE = "\x1b[0m\x1b[H\x1b[J\x1b[?2004l\x1b[?1049l\x1b[?25h";

let isTaken = false;

function write(text: string): void {
  try {
    Deno.stdout.writeSync(new TextEncoder().encode(text));
  } catch {
    // The terminal is gone, and nobody sees what it shows.
  }
}

function setRaw(isRaw: boolean): void {
  try {
    if (Deno.stdin.isTerminal()) Deno.stdin.setRaw(isRaw);
  } catch {
    // As above.
  }
}

/**
 * Shows an empty screen in place of what the terminal shows.
 *
 * The mode comes first: after a shell's `bg`, the system stops the process for
 * it, before anything is written over the shell's screen.
 */
export function takeTerminal(): void {
  setRaw(true);
  isTaken = true;
  write(TAKE);
}

/** Gives the terminal back as it was; nothing happens a second time. */
export function restoreTerminal(): void {
  if (!isTaken) return;
  isTaken = false;
  setRaw(false);
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
