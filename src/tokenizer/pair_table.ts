/**
 * Two ids to a number: an open hash table, some ten times as quick as a `Map`
 * with keys that are no small integers.
 *
 * @module
 */

/** See the module. Pairs cannot be removed. */
export class PairTable {
  #lefts: Int32Array;
  #rights: Int32Array;
  /** -1 marks an empty slot. */
  #values: Int32Array;
  #mask: number;
  #size = 0;

  /** @param expected How many pairs there will be, about. */
  constructor(expected = 0) {
    let slots = 16;
    while (slots < 2 * expected) slots *= 2;
    this.#mask = slots - 1;
    this.#lefts = new Int32Array(slots);
    this.#rights = new Int32Array(slots);
    this.#values = new Int32Array(slots).fill(-1);
  }

  /** The value of a pair, or -1. */
  get(left: number, right: number): number {
    return this.#values[this.#slotOf(left, right)];
  }

  /** Enters a pair, or replaces its value. @param value At least 0. */
  set(left: number, right: number, value: number): void {
    const slot = this.#slotOf(left, right);
    if (this.#values[slot] < 0) this.#size++;
    this.#lefts[slot] = left;
    this.#rights[slot] = right;
    this.#values[slot] = value;
    if (2 * this.#size > this.#values.length) this.#grow();
  }

  /** Where the pair is, or would be. */
  #slotOf(left: number, right: number): number {
    const mask = this.#mask, values = this.#values;
    let hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca77);
    hash ^= hash >>> 15;
    let slot = hash & mask;
    while (
      values[slot] >= 0 &&
      (this.#lefts[slot] !== left || this.#rights[slot] !== right)
    ) slot = slot + 1 & mask;
    return slot;
  }

  #grow(): void {
    const lefts = this.#lefts, rights = this.#rights, values = this.#values;
    const slots = 2 * values.length;
    this.#mask = slots - 1;
    this.#lefts = new Int32Array(slots);
    this.#rights = new Int32Array(slots);
    this.#values = new Int32Array(slots).fill(-1);
    for (let i = 0; i < values.length; i++) {
      if (values[i] < 0) continue;
      const slot = this.#slotOf(lefts[i], rights[i]);
      this.#lefts[slot] = lefts[i];
      this.#rights[slot] = rights[i];
      this.#values[slot] = values[i];
    }
  }
}
