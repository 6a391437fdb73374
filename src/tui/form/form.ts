/**
 * A form as a screen has it: fields, what is filled in, what is wrong with
 * it, and what keys do to it.
 *
 * @module
 */

import type { Size } from "../screen.ts";
import { type Line, span } from "../text/line.ts";
import {
  actOnForm,
  type Field,
  type FormState,
  openForm,
  typeIntoForm,
  type Values,
} from "./fields.ts";
import { formLines, type Problems } from "./form_lines.ts";

/** What a form is made of. */
export interface FormOptions {
  fields: readonly Field[];
  /** What is filled in at first. */
  values: Values;
  /** What is wrong with what was filled in, by field. */
  problemsOf: (values: Values) => Problems;
}

/** See the module. */
export class Form {
  #fields: readonly Field[];
  #state: FormState;
  readonly #problemsOf: FormOptions["problemsOf"];

  constructor({ fields, values, problemsOf }: FormOptions) {
    this.#fields = fields;
    this.#state = openForm(values);
    this.#problemsOf = problemsOf;
  }

  get values(): Values {
    return this.#state.values;
  }

  /** Fills in something else. */
  set values(values: Values) {
    this.#state = { ...this.#state, values };
  }

  /** Has other fields; the focus stays on the one that has it. */
  set fields(fields: readonly Field[]) {
    const { name } = this.#fields[this.#state.at];
    const at = fields.findIndex((field) => field.name === name);
    this.#fields = fields;
    this.#state = at < 0
      ? { ...openForm(this.values), at: 0 }
      : { ...this.#state, at };
  }

  /** Does what the keymap says of a key; false: it is not for forms. */
  act(action: string): boolean {
    return this.#become(actOnForm(this.#fields, this.#state, action));
  }

  /** Takes a character, or a pasted text; false: it is not for this field. */
  type(text: string): boolean {
    return this.#become(typeIntoForm(this.#fields, this.#state, text));
  }

  /** Goes to the first field that is wrong; false: none is. */
  focusProblem(): boolean {
    const problems = this.#problemsOf(this.values);
    const at = this.#fields.findIndex(({ name }) => name in problems);
    if (at >= 0) this.#state = { ...this.#state, at };
    return at >= 0;
  }

  /** Whether nothing is wrong with any field. */
  get isSound(): boolean {
    return Object.keys(this.#problemsOf(this.values)).length === 0;
  }

  /** One line for each field; of more than `rows`, those about the focus. */
  lines({ columns, rows }: Size): Line[] {
    const problems = this.#problemsOf(this.values);
    const lines = formLines(this.#fields, this.#state, { problems, columns });
    const above = Math.floor((rows - 1) / 2);
    const last = Math.max(0, lines.length - rows);
    const from = Math.max(0, Math.min(this.#state.at - above, last));
    const shown = lines.slice(from, from + rows);
    if (from > 0) shown[0] = marked(shown[0], "↑");
    if (from < last) shown.push(marked(shown.pop()!, "↓"));
    return shown;
  }

  #become(state: FormState | null): boolean {
    if (state !== null) this.#state = state;
    return state !== null;
  }
}

/** A line of the form whose margin says that there are more. */
function marked([margin, ...rest]: Line, sign: string): Line {
  return [
    margin.text.trim() === "" ? span(`${sign} `, "dim") : margin,
    ...rest,
  ];
}
