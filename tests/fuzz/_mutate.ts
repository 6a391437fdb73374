/**
 * Damage, by chance: what a stranger's file may look like.
 *
 * @module
 */

import type { PhiloxStream } from "../../src/base/philox.ts";

/** Numbers at which parsers break: sizes, counts and offsets gone wrong. */
const NUMBERS = [
  ...[0, 1, -1, 127, 255, 256, 65535, 65536, 2 ** 31 - 1, 2 ** 31],
  ...[2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 1e15, 1e300, -1e300, 0.5],
  ...[-0.5, 1e-300, -(2 ** 31), -(2 ** 63), 2 ** 63, 2 ** 64],
];
/** Texts likewise: paths, keys of every object, escapes, no characters. */
const TEXTS = [
  ...["", "..", "../../../etc/passwd", "/etc/passwd", "C:\\x", "nul", "\0"],
  ...["__proto__", "constructor", "toString", "\x1b]0;owned\x07\x1b[2J"],
  ...["\ud800", "\u202e", "ü".repeat(300), "a".repeat(5000), "null", "-1"],
];
const DEEP = 20_000;

/** `bytes` with one to four things wrong. @param others Other valid inputs. */
export function mutateBytes(
  bytes: Uint8Array,
  random: PhiloxStream,
  others: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> {
  let result = bytes.slice() as Uint8Array<ArrayBuffer>;
  for (let left = 1 + random.below(4); left > 0; left--) {
    result = damage(result, random, others);
  }
  return result;
}

function damage(
  bytes: Uint8Array<ArrayBuffer>,
  random: PhiloxStream,
  others: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> {
  if (bytes.length === 0) return Uint8Array.of(random.below(256));
  // Headers are at the ends, and that is where damage tells.
  const near = Math.min(bytes.length, 1 + random.below(64));
  const at = [
    () => random.below(bytes.length),
    () => random.below(near),
    () => bytes.length - 1 - random.below(near),
  ][random.below(3)]();
  const span = 1 + random.below(Math.min(32, bytes.length - at));
  const other = others[random.below(others.length)];
  switch (random.below(8)) {
    case 0: // a bit
      bytes[at] ^= 1 << random.below(8);
      return bytes;
    case 1: // a byte
      bytes[at] = random.below(256);
      return bytes;
    case 2: // the end is missing
      return bytes.slice(0, at);
    case 3: // a piece is missing
      return concat(bytes.subarray(0, at), bytes.subarray(at + span));
    case 4: // a piece comes again, often
      return concat(
        bytes.subarray(0, at),
        ...Array(1 + random.below(40)).fill(bytes.subarray(at, at + span)),
        bytes.subarray(at),
      );
    case 5: { // the rest is another's
      const from = random.below(other.length + 1);
      return concat(bytes.subarray(0, at), other.subarray(from));
    }
    case 6: // random bytes
      for (let i = at; i < at + span; i++) bytes[i] = random.below(256);
      return bytes;
    default: // a number of 2, 4 or 8 bytes
      writeNumber(bytes, at, random);
      return bytes;
  }
}

function writeNumber(bytes: Uint8Array, at: number, random: PhiloxStream) {
  const size = [2, 4, 8][random.below(3)];
  if (at + size > bytes.length) return;
  const value = BigInt(Math.trunc(NUMBERS[random.below(NUMBERS.length)]));
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, size);
  if (size === 8) view.setBigUint64(0, BigInt.asUintN(64, value), true);
  else if (size === 4) view.setUint32(0, Number(value & 0xffffffffn), true);
  else view.setUint16(0, Number(value & 0xffffn), true);
}

/** A JSON text of another structure than `json`; still JSON, mostly. */
export function mutateJson(json: string, random: PhiloxStream): string {
  const root = { value: JSON.parse(json) };
  for (let left = 1 + random.below(3); left > 0; left--) {
    const places = [...placesIn(root)];
    if (places.length === 0) break; // all of it was taken away
    const { owner, key } = places[random.below(places.length)];
    damageValue(owner, key, random);
  }
  const text = JSON.stringify(root.value) ?? "";
  // What JSON.stringify() cannot write: other spellings, and deep nesting.
  if (random.below(8) === 0) return respell(text, random);
  if (random.below(50) === 0) {
    const [open, close] = random.below(2) ? ["[", "]"] : ['{"a":', "}"];
    const deep = open.repeat(DEEP) + "0" + close.repeat(DEEP);
    const at = text.indexOf(":") + 1;
    return at === 0
      ? deep
      : `${text.slice(0, at)}${deep},"x":${text.slice(at)}`;
  }
  return text;
}

/** Numbers that are 0, infinite or whole, though they do not look like it. */
const SPELLINGS = ["-0", "0e9", "1e999", "-1e999", "1E2", "1e-999", "2.50e1"];

/** A number or a key in a spelling of its own, or a key that comes again. */
function respell(json: string, random: PhiloxStream): string {
  const pick = <T>(list: readonly T[]) => list[random.below(list.length)];
  const isKey = random.below(3) > 0;
  const places = [...json.matchAll(
    isKey ? /"(\w+)":/g : /(?<=[:,[])-?\d[\d.e+-]*(?=[,\]}])/g,
  )];
  if (places.length === 0) return json;
  const place = pick(places);
  const [whole, key] = place, { index } = place;
  const [before, after] = [
    json.slice(0, index),
    json.slice(index + whole.length),
  ];
  if (!isKey) return before + pick(SPELLINGS) + after;
  const letters = Array.from(
    key,
    (letter) =>
      random.below(2) === 0
        ? letter
        : `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  const spelled = `"${letters.join("")}":`;
  const again = `${pick([whole, spelled])}${pick(["0", "null", "{}", '""'])},`;
  return before + pick([spelled, again + whole, again + spelled]) + after;
}

/** A value, by where it is. */
interface Place {
  owner: Record<string, unknown>;
  key: string;
}

function* placesIn(owner: object): Generator<Place> {
  for (const key of Object.keys(owner)) {
    yield { owner: owner as Place["owner"], key };
    const value = (owner as Place["owner"])[key];
    if (typeof value === "object" && value !== null) yield* placesIn(value);
  }
}

function damageValue(
  owner: Place["owner"],
  key: string,
  random: PhiloxStream,
): void {
  const value = owner[key];
  const pick = <T>(list: readonly T[]) => list[random.below(list.length)];
  switch (random.below(9)) {
    case 0:
      if (Array.isArray(owner)) owner.splice(Number(key), 1);
      else delete owner[key];
      break;
    case 1:
    case 2:
      owner[key] = pick(NUMBERS);
      break;
    case 3:
      owner[key] = pick(TEXTS);
      break;
    case 4:
      owner[key] = pick<unknown>([null, true, [], {}, [[]], { toString: 1 }]);
      break;
    case 5: // the same in another wrapping
      owner[key] = pick([[value], { value }, JSON.stringify(value), [
        value,
        value,
      ]]);
      break;
    case 6: // a key that is none of ours; `__proto__` as JSON has it
      Object.defineProperty(Array.isArray(owner) ? {} : owner, pick(TEXTS), {
        value: pick([value, 1, null, {}]),
        ...{ enumerable: true, configurable: true, writable: true },
      });
      break;
    case 7: // very many
      owner[key] = Array(random.below(isSmall(value) ? 2000 : 4)).fill(value);
      break;
    default: // a number that is a little off
      owner[key] = typeof value === "number"
        ? value + random.below(5) - 2
        : typeof value === "string"
        ? value.slice(random.below(value.length + 1))
        : pick(NUMBERS);
  }
}

/** Else three times very many would be more than any parser is to blame for. */
function isSmall(value: unknown): boolean {
  return typeof value === "number" || typeof value === "boolean";
}

/** Text such as people and their tools get wrong. */
export function mutateText(
  text: string,
  random: PhiloxStream,
  others: readonly string[],
): string {
  const lines = text.split("\n");
  const pick = <T>(list: readonly T[]) => list[random.below(list.length)];
  for (let left = 1 + random.below(4); left > 0; left--) {
    const i = random.below(lines.length);
    const line = lines[i];
    const at = random.below(line.length + 1);
    const put = pick([
      ...TEXTS.slice(0, 16),
      ...NUMBERS.map(String),
      ...["&a ", "*a", "<<: ", "!!binary ", "- ", "? ", ": ", "  ", "\t"],
      ...["|", ">-", "{", "}", "[", "]", "#", "'", '"', "%YAML 9", "---", "~"],
      pick(pick(others).split("\n")),
    ]);
    lines[i] = pick([
      line.slice(0, at) + put + line.slice(at),
      line.slice(0, at),
      line.replace(/:.*/, `: ${put}`),
      put,
    ]);
    if (random.below(4) === 0) lines.splice(i, random.below(4), line, line);
  }
  return lines.join("\n");
}

function concat(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(
    parts.reduce((sum, { length }) => sum + length, 0),
  );
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}

/** The header's JSON with another structure, and its length put right. */
export function mutateHeader(
  file: Uint8Array,
  random: PhiloxStream,
): Uint8Array {
  const length = Number(new DataView(file.buffer).getBigUint64(0, true));
  const json = new TextDecoder().decode(file.subarray(8, 8 + length));
  return safetensors(mutateJson(json, random), file.subarray(8 + length));
}

/** A file of a header and what follows it. */
export function safetensors(json: string, data: Uint8Array): Uint8Array {
  const header = new TextEncoder().encode(json);
  const file = new Uint8Array(8 + header.length + data.length);
  new DataView(file.buffer).setBigUint64(0, BigInt(header.length), true);
  file.set(header, 8);
  file.set(data, 8 + header.length);
  return file;
}
