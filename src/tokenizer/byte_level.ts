/**
 * The byte-level alphabet and word pattern of GPT-2.
 *
 * Every text is UTF-8 bytes; each byte is written as one visible character,
 * so that a vocabulary is plain JSON and no text is unknown. Words are cut by
 * a pattern before merging, so that no token reaches across a word boundary.
 * Source: `bytes_to_unicode` and `pat` in https://github.com/openai/gpt-2,
 * src/encoder.py. Twin: `ByteLevel` of Hugging Face's tokenizers.
 *
 * @module
 */

/**
 * The character that stands for each byte, by byte value. Printable bytes
 * stand for themselves, the other 68 for U+0100 and up in order.
 */
export const BYTE_CHARACTERS: readonly string[] = byteCharacters();

/** The byte behind each of {@linkcode BYTE_CHARACTERS}. */
export const CHARACTER_BYTES: ReadonlyMap<string, number> = new Map(
  BYTE_CHARACTERS.map((character, byte) => [character, byte]),
);

/**
 * GPT-2's words: a contraction, or letters, digits or other signs with at
 * most one space before them, or white space.
 *
 * `\s` is spelled out as `White_Space`, because Hugging Face's engine counts
 * U+0085 and not U+FEFF, JavaScript the other way round. The classes then
 * agree with Python's tokenizers 0.23.2 for each of the 1,112,064 code points
 * (V8 15 and that library both have Unicode 16).
 */
const WORD =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/** The words of `text` in order; joined they give `text` again. */
export function splitWords(text: string): string[] {
  return text.match(WORD) ?? [];
}

/** Strings shorter than this are copied, not sliced, by V8. */
const SLICED_LENGTH = 13;

/**
 * A word fit to be kept after the text it was cut from.
 *
 * V8 represents a longer substring as a view of its parent, so a map of words
 * would keep every text alive that a word was first seen in.
 */
export function detachWord(word: string): string {
  if (word.length < SLICED_LENGTH) return word;
  return decoder.decode(encoder.encode(word));
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function byteCharacters(): string[] {
  let spare = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 0x21 && byte <= 0x7e) ||
      (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    return String.fromCharCode(printable ? byte : spare++);
  });
}
