/**
 * A form: fields with texts or choices, one of them focused. Pure.
 *
 * @module
 */

import { graphemes } from "../text/width.ts";

/** A field. */
export interface Field {
  readonly name: string;
  readonly label: string;
  /** In full, for the field that is focused. */
  readonly hint: string;
  /** Shown while it is empty: what it then means. */
  readonly placeholder: string;
  /** To choose from; without it, the field takes a text. */
  readonly choices?: readonly string[];
  /** Texts that a field may be given without typing them. */
  readonly suggestions?: readonly string[];
}

/** What was filled in. A field that is not there is empty. */
export type Values = Readonly<Record<string, string>>;

/** A form as it is being filled in. */
export interface FormState {
  readonly values: Values;
  /** Index of the focused field. */
  readonly at: number;
  /** Characters before the cursor in the focused text. */
  readonly cursor: number;
}

/** A form with the first field focused. */
export function openForm(values: Values): FormState {
  return { values, at: 0, cursor: MANY };
}

/** The cursor of a text that was not looked at is behind it. */
const MANY = Number.MAX_SAFE_INTEGER;

/** The text of the focused field, as characters. */
function textAt(fields: readonly Field[], form: FormState): string[] {
  return graphemes(form.values[fields[form.at].name] ?? "");
}

/** The cursor where it can be. */
export function cursorOf(fields: readonly Field[], form: FormState): number {
  return Math.min(form.cursor, textAt(fields, form).length);
}

/**
 * What the arrow keys go through: choices, or suggestions as long as nothing
 * else was typed. Null: they move the cursor.
 */
export function ringAt(
  fields: readonly Field[],
  form: FormState,
): readonly string[] | null {
  const { name, choices, suggestions } = fields[form.at];
  if (choices) return choices;
  if (!suggestions?.length) return null;
  const ring = ["", ...suggestions];
  return ring.includes(form.values[name] ?? "") ? ring : null;
}

function withText(
  fields: readonly Field[],
  form: FormState,
  { text, cursor }: { text: readonly string[]; cursor: number },
): FormState {
  const { name } = fields[form.at];
  return {
    ...form,
    values: { ...form.values, [name]: text.join("") },
    cursor,
  };
}

/** The form after an action of the keymap; null if it is not for forms. */
export function actOnForm(
  fields: readonly Field[],
  form: FormState,
  action: string,
): FormState | null {
  const { choices } = fields[form.at];
  const { length: count } = fields;
  switch (action) {
    case "next":
    case "down":
      return { ...form, at: (form.at + 1) % count, cursor: MANY };
    case "previous":
    case "up":
      return { ...form, at: (form.at + count - 1) % count, cursor: MANY };
    case "start":
      return { ...form, cursor: 0 };
    case "end":
      return { ...form, cursor: MANY };
    case "clear":
      return withText(fields, form, { text: [], cursor: 0 });
    case "left":
    case "right": {
      const by = action === "left" ? -1 : 1;
      if (ringAt(fields, form)) return choose(fields, form, by);
      const cursor = cursorOf(fields, form) + by;
      return { ...form, cursor: Math.max(0, cursor) };
    }
    case "backspace":
    case "delete": {
      if (choices) return withText(fields, form, { text: [], cursor: 0 });
      const text = textAt(fields, form);
      const cursor = cursorOf(fields, form);
      const at = action === "backspace" ? cursor - 1 : cursor;
      if (at < 0) return form;
      return withText(fields, form, {
        text: text.toSpliced(at, 1),
        cursor: at,
      });
    }
    default:
      return null;
  }
}

/** The next choice, or the one before; an empty field has its placeholder's. */
function choose(
  fields: readonly Field[],
  form: FormState,
  by: number,
): FormState {
  const { name, choices, placeholder } = fields[form.at];
  const ring = ringAt(fields, form) ?? [];
  const value = form.values[name] || (choices ? placeholder : "");
  // A placeholder may be none of the choices: then it is before the first.
  const at = ring.includes(value) || by > 0 ? ring.indexOf(value) : 0;
  const next = ring[(at + by + ring.length) % ring.length];
  return {
    ...form,
    values: { ...form.values, [name]: next },
    cursor: MANY,
  };
}

/**
 * The form after a character, or a pasted text, was typed; null if the
 * focused field takes none.
 */
export function typeIntoForm(
  fields: readonly Field[],
  form: FormState,
  typed: string,
): FormState | null {
  if (fields[form.at].choices) {
    return typed === " " ? choose(fields, form, 1) : null;
  }
  const cursor = cursorOf(fields, form);
  const added = graphemes(typed.replaceAll(/\r\n?/g, "\n"));
  const text = textAt(fields, form).toSpliced(cursor, 0, ...added);
  return withText(fields, form, { text, cursor: cursor + added.length });
}
