/**
 * Letters, digits, white space and all other signs, by UTF-8 byte.
 *
 * White space is Unicode's `White_Space`, because Hugging Face's engine counts
 * U+0085 and not U+FEFF, JavaScript's `\s` the other way round. The classes
 * then agree with Python's tokenizers 0.23.2 for each of the 1,112,064 code
 * points (V8 15 and that library both have Unicode 16).
 *
 * @module
 */

/** What a character is to the word pattern. */
export const CLASS = { letter: 1, digit: 2, space: 3, sign: 4 } as const;

/** By code point; 0: its block of 256 was not looked at yet. */
const classes = new Uint8Array(0x110000);
const BLOCK = 256;

/** Class of each byte that is a character of its own; 0 above 0x7f. */
export const ASCII_CLASS: Uint8Array = Uint8Array.from(
  { length: 256 },
  (_, byte) => byte < 0x80 ? classOf(byte) : 0,
);

/** One of {@linkcode CLASS}; what is no code point is a sign. */
export function classOf(codePoint: number): number {
  if (codePoint >= classes.length) return CLASS.sign;
  const known = classes[codePoint];
  if (known !== 0) return known;
  const first = codePoint - codePoint % BLOCK;
  for (let at = first; at < first + BLOCK; at++) {
    const character = String.fromCodePoint(at);
    classes[at] = /\p{L}/u.test(character)
      ? CLASS.letter
      : /\p{N}/u.test(character)
      ? CLASS.digit
      : /\p{White_Space}/u.test(character)
      ? CLASS.space
      : CLASS.sign;
  }
  return classes[codePoint];
}

/** Bytes of the character that begins with `lead`, as it says itself. */
export function sequenceLength(lead: number): number {
  return lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

/** The code point of more than one byte at `at`; any for broken UTF-8. */
export function codePointAt(bytes: Uint8Array, at: number): number {
  const lead = bytes[at];
  if (lead < 0xe0) return (lead & 0x1f) << 6 | bytes[at + 1] & 0x3f;
  const two = (bytes[at + 1] & 0x3f) << 6 | bytes[at + 2] & 0x3f;
  if (lead < 0xf0) return (lead & 0x0f) << 12 | two;
  return (lead & 0x07) << 18 | two << 6 | bytes[at + 3] & 0x3f;
}
