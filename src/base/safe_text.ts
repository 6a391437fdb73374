/**
 * What a model writes, made harmless for a terminal.
 *
 * @module
 */

/** C0 controls but tab and newline, DEL, and C1 controls. */
// deno-lint-ignore no-control-regex -- these are what is looked for
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;

/**
 * `text` with `�` in place of control characters: a byte-level model may
 * write escape sequences, which move the cursor, change colors, or worse.
 */
export function safeText(text: string): string {
  return text.replaceAll(CONTROLS, "\ufffd");
}

/**
 * `value` as JSON that is harmless to look at: `JSON.stringify` escapes only
 * some of those characters.
 */
export function safeJson(value: unknown): string {
  return (JSON.stringify(value) ?? "null").replaceAll(
    CONTROLS,
    (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
