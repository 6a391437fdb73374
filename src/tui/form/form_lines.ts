/**
 * A form as lines. Pure.
 *
 * @module
 */

import { bold, type Line, type Span, span } from "../text/line.ts";
import { fitText, graphemes, takeWidth, textWidth } from "../text/width.ts";
import { cursorOf, type Field, type FormState, ringAt } from "./fields.ts";

/** What is wrong, by the name of the field. */
export type Problems = Readonly<Record<string, string>>;

/** One line for each field; the problem or the hint behind it, if it fits. */
export function formLines(
  fields: readonly Field[],
  form: FormState,
  { problems, columns }: { problems: Problems; columns: number },
): Line[] {
  const labelWidth = Math.max(...fields.map(({ label }) => textWidth(label)));
  const room = columns - labelWidth - 6 - (columns >= 72 ? 26 : 0);
  const widest = Math.max(
    ...fields.map(({ name, placeholder }) =>
      textWidth(form.values[name] || placeholder)
    ),
  );
  // Room for a cursor, or for the arrows of a choice.
  const valueWidth = Math.max(12, Math.min(44, room, Math.max(24, widest + 4)));
  return fields.map((field, i) => {
    const isFocused = i === form.at;
    const problem = problems[field.name];
    const value = isFocused
      ? focusedValue(fields, form, valueWidth)
      : restingValue(field, form, valueWidth);
    const about = problem !== undefined
      ? span(` ✗ ${problem}`, "bad")
      : isFocused && columns >= 72
      ? span(`  ${field.hint}`, "dim")
      : span("");
    return [
      isFocused ? bold("❯ ", "accent") : span("  "),
      {
        ...span(fitText(field.label, labelWidth), isFocused ? "accent" : "dim"),
        bold: isFocused,
      },
      span("  "),
      ...value,
      about,
    ];
  });
}

function restingValue(
  { name, placeholder }: Field,
  { values }: FormState,
  width: number,
): Span[] {
  const value = values[name] ?? "";
  return value === ""
    ? [span(fitText(placeholder, width), "dim")]
    : [span(fitText(shown(value), width))];
}

/** With a cursor, or with arrows around a choice. */
function focusedValue(
  fields: readonly Field[],
  form: FormState,
  width: number,
): Span[] {
  const { name, choices, placeholder } = fields[form.at];
  const value = form.values[name] ?? "";
  if (choices) {
    const text = value || placeholder;
    return [
      span("‹ ", "accent"),
      bold(fitText(text, Math.min(textWidth(text), width - 4))),
      span(" ›", "accent"),
      span(" ".repeat(Math.max(0, width - 4 - textWidth(text)))),
    ];
  }
  if (ringAt(fields, form)) {
    return [
      span("‹ ", "accent"),
      ...textWithCursor(fields, form, width - 4),
      span(" ›", "accent"),
    ];
  }
  return textWithCursor(fields, form, width);
}

function textWithCursor(
  fields: readonly Field[],
  form: FormState,
  width: number,
): Span[] {
  const { name, placeholder } = fields[form.at];
  const value = form.values[name] ?? "";
  const text = graphemes(value).map(shown);
  const cursor = cursorOf(fields, form);
  // The end of a long text, so that the cursor is in sight.
  let from = 0;
  while (textWidth(text.slice(from, cursor).join("")) > width - 2) from++;
  const before = (from > 0 ? "…" : "") +
    text.slice(from + (from > 0 ? 1 : 0), cursor).join("");
  const under = text[cursor] ?? " ";
  const room = width - textWidth(before) - textWidth(under);
  const after = value === ""
    ? takeWidth(placeholder, Math.max(0, room))
    : takeWidth(text.slice(cursor + 1).join(""), Math.max(0, room));
  return [
    span(before),
    { text: under, inverse: true },
    span(after, value === "" ? "dim" : undefined),
    span(" ".repeat(Math.max(0, room - textWidth(after)))),
  ];
}

/** Line breaks and other controls as signs. */
function shown(text: string): string {
  // deno-lint-ignore no-control-regex -- these are what is replaced
  return text.replaceAll("\n", "⏎").replaceAll(/[\x00-\x1f\x7f-\x9f]/g, "�");
}
