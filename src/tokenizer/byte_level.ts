/**
 * The byte-level alphabet of GPT-2.
 *
 * Every text is UTF-8 bytes; each byte is written as one visible character,
 * so that a vocabulary is plain JSON and no text is unknown.
 * Source: `bytes_to_unicode` in https://github.com/openai/gpt-2,
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

function byteCharacters(): string[] {
  let spare = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 0x21 && byte <= 0x7e) ||
      (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    return String.fromCharCode(printable ? byte : spare++);
  });
}
