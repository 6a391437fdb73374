/**
 * The template language in which the stories are written.
 *
 * - `{toy}` a word of the list "toy", drawn once per story: it stays the same
 *   thing to the end. `{toy2}` is another toy.
 * - `{place.at}` a form of that word; `{Toy}`, `{place.At}` with a capital.
 * - `{friend}` whoever has a form "full" ("her friend Tom") gets it at first.
 * - `{he} {him} {his} {himself}` the pronouns of the hero.
 * - `{a}` or `{A}` becomes "a" or "an" to suit the next word.
 * - `[one|other]` any of these, drawn anew each time; may be nested.
 * - `<glad>` any of a list of templates, drawn anew each time.
 *
 * @module
 */

import type { PhiloxStream } from "../../base/philox.ts";

/** A word and its other forms; `is` is the plain one. */
export type Word = { is: string } & Record<string, string>;

/** What templates draw from. */
export interface Lexicon {
  /** For `{slots}`, by the slot's name without digits. */
  words: Readonly<Record<string, readonly Word[]>>;
  /** For `<phrases>`, by name. */
  phrases: Readonly<Record<string, readonly Template[]>>;
}

/** One parsed sequence: literal text and things to fill in. */
export type Template = readonly Part[];

type Part =
  | string
  | { slot: string; list: string; form: string; capital: boolean }
  | { choices: readonly Template[] }
  | { phrase: string };

/** Forms of the hero that are written without its name. */
const HERO_FORMS = new Set(["he", "him", "his", "himself"]);

/** Forms that name somebody: "Tom", "her friend Tom", "a boy named Tom". */
const NAMING_FORMS = new Set(["is", "name", "intro"]);

/** Stand for the articles until the next word is known. */
const ARTICLE = "@a";
const CAPITAL_ARTICLE = "@A";

/** Parses `source`. @throws {SyntaxError} When brackets do not match. */
export function parseTemplate(source: string): Template {
  const parser = { source, at: 0 };
  const template = parseSequence(parser, "");
  if (parser.at < source.length) throw unexpected(parser);
  return template;
}

interface Parser {
  source: string;
  at: number;
}

/** Reads up to one of `stops`, or the end. */
function parseSequence(parser: Parser, stops: string): Template {
  const parts: Part[] = [];
  for (;;) {
    const literal = /[^{}[\]<>|]*/y;
    literal.lastIndex = parser.at;
    const text = literal.exec(parser.source)?.[0] ?? "";
    if (text !== "") parts.push(text);
    parser.at += text.length;
    const next = parser.source[parser.at];
    if (next === undefined || stops.includes(next)) return parts;
    parser.at++;
    if (next === "{") parts.push(slotPart(parseName(parser, "}")));
    else if (next === "<") parts.push({ phrase: parseName(parser, ">") });
    else if (next === "[") parts.push({ choices: parseChoices(parser) });
    else throw unexpected(parser);
  }
}

function parseName(parser: Parser, end: string): string {
  const close = parser.source.indexOf(end, parser.at);
  if (close < 0) throw unexpected(parser);
  const name = parser.source.slice(parser.at, close);
  parser.at = close + 1;
  return name;
}

function parseChoices(parser: Parser): Template[] {
  const choices: Template[] = [];
  for (;;) {
    choices.push(parseSequence(parser, "|]"));
    const end = parser.source[parser.at++];
    if (end === "]") return choices;
    if (end !== "|") throw unexpected(parser);
  }
}

function slotPart(name: string): Part {
  if (name === "a") return ARTICLE;
  if (name === "A") return CAPITAL_ARTICLE;
  const plain = name.replace(/(^|\.)[A-Z]/g, (start) => start.toLowerCase());
  const capital = plain !== name;
  if (HERO_FORMS.has(plain)) {
    return { slot: "hero", list: "hero", form: plain, capital };
  }
  const [slot, form = "is"] = plain.split(".");
  return { slot, list: slot.replace(/\d+$/, ""), form, capital };
}

function unexpected({ source, at }: Parser): SyntaxError {
  return new SyntaxError(`Unmatched bracket near character ${at}: ${source}`);
}

/** The words of one story, drawn as its sentences ask for them. */
export class Scene {
  #lexicon: Lexicon;
  #rng: PhiloxStream;
  #bound = new Map<string, Word>();
  #taken = new Set<string>();
  #introduced = new Set<string>();

  /** @param cast Words that are settled from the start, such as the hero. */
  constructor(
    lexicon: Lexicon,
    rng: PhiloxStream,
    cast: Readonly<Record<string, Word>>,
  ) {
    this.#lexicon = lexicon;
    this.#rng = rng;
    for (const [slot, word] of Object.entries(cast)) {
      this.#bound.set(slot, word);
      this.#taken.add(word.is).add(word.kind);
    }
  }

  /** The text of `template` in this story. */
  tell(template: Template): string {
    return this.#expand(template).replace(/@([aA]) (\w+)/g, (_, a, word) => {
      const article = articleOf(word);
      return `${a === "a" ? article : capitalize(article)} ${word}`;
    });
  }

  #expand(template: Template): string {
    let text = "";
    for (const part of template) {
      if (typeof part === "string") text += part;
      else if ("slot" in part) text += this.#fill(part);
      else if ("choices" in part) {
        text += this.#expand(this.#pick(part.choices));
      } else text += this.#expand(this.#pick(this.#phrases(part.phrase)));
    }
    return text;
  }

  #fill(
    { slot, list, form, capital }: Extract<Part, { slot: string }>,
  ): string {
    let word = this.#bound.get(slot);
    if (word === undefined) {
      word = this.#draw(list);
      this.#bound.set(slot, word);
      this.#taken.add(word.is);
    }
    const text = word[this.#introduce(slot, word, form)];
    if (text === undefined) {
      throw new RangeError(`The word "${word.is}" has no form "${form}"`);
    }
    return capital ? capitalize(text) : text;
  }

  /**
   * Whoever has the form "full" is introduced by it when first named, unless
   * the template itself does so with another of the naming forms.
   */
  #introduce(slot: string, word: Word, form: string): string {
    if (!("full" in word) || !NAMING_FORMS.has(form)) return form;
    if (this.#introduced.has(slot)) return form;
    this.#introduced.add(slot);
    return form === "is" ? "full" : form;
  }

  /** A word that no other slot of this story has. */
  #draw(list: string): Word {
    const words = this.#lexicon.words[list];
    if (words === undefined) throw new RangeError(`No word list "${list}"`);
    for (;;) {
      const word = this.#pick(words);
      if (!this.#taken.has(word.is)) return word;
    }
  }

  #phrases(name: string): readonly Template[] {
    const phrases = this.#lexicon.phrases[name];
    if (phrases === undefined) throw new RangeError(`No phrases "${name}"`);
    return phrases;
  }

  #pick<T>(options: readonly T[]): T {
    return options[this.#rng.below(options.length)];
  }
}

/** "an" before the sound of a vowel. */
export function articleOf(word: string): string {
  return /^(?:[aeio]|u(?!ni|se)|hones|hour)/i.test(word) ? "an" : "a";
}

function capitalize(text: string): string {
  return text[0].toUpperCase() + text.slice(1);
}
