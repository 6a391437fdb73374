/**
 * Words of SPIR-V, as many as it takes.
 *
 * @module
 */

/** A list of u32. */
export class Words {
  #data: Uint32Array<ArrayBuffer>;
  #length = 0;

  constructor(room = 256) {
    this.#data = new Uint32Array(room);
  }

  /** How many there are. */
  get length(): number {
    return this.#length;
  }

  /** Adds a word. */
  add(word: number): void {
    if (this.#length === this.#data.length) this.#grow(1);
    this.#data[this.#length++] = word;
  }

  /** Adds an instruction. */
  op(code: number, ...operands: number[]): void {
    this.add(((operands.length + 1) << 16) | code);
    for (let i = 0; i < operands.length; i++) this.add(operands[i]);
  }

  /** Adds an instruction whose last operand is a text. */
  opText(
    code: number,
    { before = [], text, behind = [] }: {
      before?: readonly number[];
      text: string;
      behind?: readonly number[];
    },
  ): void {
    // The text ends with a zero, and then fills its word with more.
    const bytes = new TextEncoder().encode(text);
    const words = new Uint32Array((bytes.length >> 2) + 1);
    for (const [i, byte] of bytes.entries()) {
      words[i >> 2] |= byte << (8 * (i & 3));
    }
    this.op(code, ...before, ...words, ...behind);
  }

  /** Adds all words of another list. */
  addAll(other: Words): void {
    if (this.#length + other.#length > this.#data.length) {
      this.#grow(other.#length);
    }
    this.#data.set(other.view(), this.#length);
    this.#length += other.#length;
  }

  /** What is there, until more comes. */
  view(): Uint32Array<ArrayBuffer> {
    return this.#data.subarray(0, this.#length);
  }

  #grow(least: number): void {
    const room = Math.max(2 * this.#data.length, this.#length + least);
    const data = new Uint32Array(room);
    data.set(this.view());
    this.#data = data;
  }
}
