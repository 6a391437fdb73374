import assert from "node:assert/strict";
import {
  BYTE_CHARACTERS,
  CHARACTER_BYTES,
} from "../../src/tokenizer/byte_level.ts";

Deno.test("BYTE_CHARACTERS has GPT-2's character for each byte", () => {
  const at = (text: string) =>
    Array.from(
      new TextEncoder().encode(text),
      (byte) => BYTE_CHARACTERS[byte],
    ).join("");
  assert.equal(at(" a~\n\t!"), "Ġa~Ċĉ!");
  assert.equal(at("é"), "Ã©");
  // The 68 bytes without a look of their own follow U+00FF in order.
  assert.equal(BYTE_CHARACTERS[0x00], "\u0100");
  assert.equal(BYTE_CHARACTERS[0x7f], "\u0121");
  assert.equal(BYTE_CHARACTERS[0xad], "\u0143");
  assert.equal(new Set(BYTE_CHARACTERS).size, 256);
  BYTE_CHARACTERS.forEach((character, byte) => {
    const own = String.fromCharCode(byte);
    assert.equal(character === own, /[!-~¡-¬®-ÿ]/.test(own), `${byte}`);
  });
  assert.equal(CHARACTER_BYTES.get("Ġ"), 0x20);
});
