/**
 * Philox4x32-10: random numbers as a pure function of a key and a counter.
 *
 * There is no state to save: initialization, shuffles and dropout name the
 * place they draw for, so every backend gets the same numbers and a resumed
 * run continues where the counters say.
 * Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3",
 * https://doi.org/10.1145/2063384.2063405 (constants and ten rounds).
 *
 * @module
 */

const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
/** Weyl increments: the golden ratio and sqrt(3) - 1, in 32 bits. */
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;
const ROUNDS = 10;

/** Four 32-bit words: the counter, and one block of output. */
export type Philox4 = [number, number, number, number];

/**
 * One block of four unsigned 32-bit words.
 *
 * @param counter Four u32 words that name the block.
 * @param key Two u32 words, usually {@linkcode seedKey}.
 */
export function philox(
  counter: Readonly<Philox4>,
  key: readonly [number, number],
): Philox4 {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < ROUNDS; round++) {
    const hi0 = mulHigh(MULTIPLIER_0, c0), lo0 = Math.imul(MULTIPLIER_0, c0);
    const hi1 = mulHigh(MULTIPLIER_1, c2), lo1 = Math.imul(MULTIPLIER_1, c2);
    [c0, c1, c2, c3] = [hi1 ^ c1 ^ k0, lo1, hi0 ^ c3 ^ k1, lo0];
    k0 = (k0 + WEYL_0) | 0;
    k1 = (k1 + WEYL_1) | 0;
  }
  return [c0 >>> 0, c1 >>> 0, c2 >>> 0, c3 >>> 0];
}

/** Splits a seed (an integer of up to 53 bits) into the two key words. */
export function seedKey(seed: number): [number, number] {
  return [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0];
}

/**
 * What a stream of random numbers is for. Two purposes with the same seed
 * never share a number.
 */
export const STREAM = {
  init: 1,
  shuffle: 2,
  dropout: 3,
  sampling: 4,
  sampleText: 5,
  split: 6,
} as const;

/** Random numbers drawn one after another from one counter-based stream. */
export class PhiloxStream {
  #key: [number, number];
  #stream: number;
  #index: number;
  #block = 0;
  #words: Philox4 = [0, 0, 0, 0];
  #used = 4;
  #spareNormal: number | null = null;

  /**
   * @param seed An integer of up to 53 bits.
   * @param stream One of {@linkcode STREAM}.
   * @param index Which of the stream's sequences (a parameter, an epoch …).
   */
  constructor(seed: number, stream: number, index = 0) {
    this.#key = seedKey(seed);
    this.#stream = stream;
    this.#index = index;
  }

  /** The next word, an integer in [0, 2^32). */
  uint32(): number {
    if (this.#used === 4) {
      const block = this.#block++;
      this.#words = philox([
        block >>> 0,
        Math.floor(block / 2 ** 32),
        this.#index,
        this.#stream,
      ], this.#key);
      this.#used = 0;
    }
    return this.#words[this.#used++];
  }

  /** Uniform in [0, 1) with 24 bits, so that an f32 holds it exactly. */
  uniform(): number {
    return (this.uint32() >>> 8) / 2 ** 24;
  }

  /** A uniform integer in [0, bound), without modulo bias; bound < 2^32. */
  below(bound: number): number {
    const limit = 2 ** 32 - (2 ** 32 % bound);
    for (;;) {
      const word = this.uint32();
      if (word < limit) return word % bound;
    }
  }

  /** Standard normal by Box and Muller. */
  normal(): number {
    if (this.#spareNormal !== null) {
      const spare = this.#spareNormal;
      this.#spareNormal = null;
      return spare;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    const angle = 2 * Math.PI * this.uniform();
    this.#spareNormal = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /** The integers 0 … n-1 in random order (Fisher and Yates). */
  permutation(n: number): Uint32Array {
    const order = new Uint32Array(n);
    for (let i = 0; i < n; i++) {
      const j = this.below(i + 1);
      order[i] = order[j];
      order[j] = i;
    }
    return order;
  }
}

/** High 32 bits of the product of two u32, without BigInt. */
function mulHigh(a: number, b: number): number {
  const aHigh = a >>> 16, aLow = a & 0xffff;
  const bHigh = (b >>> 16) & 0xffff, bLow = b & 0xffff;
  const low = aLow * bLow;
  const middle = aHigh * bLow + (low >>> 16);
  const middleLow = (middle & 0xffff) + aLow * bHigh;
  return (aHigh * bHigh + Math.floor(middle / 65536) +
    Math.floor(middleLow / 65536)) | 0;
}
