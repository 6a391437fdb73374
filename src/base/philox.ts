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

/** What tells this generator from others. */
export const PHILOX = {
  multiplier0: 0xd2511f53,
  multiplier1: 0xcd9e8d57,
  /** Added to the key: the golden ratio and sqrt(3) - 1, in 32 bits. */
  weyl0: 0x9e3779b9,
  weyl1: 0xbb67ae85,
  rounds: 10,
} as const;

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
  const { multiplier0, multiplier1, weyl0, weyl1, rounds } = PHILOX;
  for (let round = 0; round < rounds; round++) {
    const low0 = Math.imul(multiplier0, c0), low1 = Math.imul(multiplier1, c2);
    const high0 = mulHigh(multiplier0, c0, low0);
    const high1 = mulHigh(multiplier1, c2, low1);
    [c0, c1, c2, c3] = [high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0];
    k0 = (k0 + weyl0) | 0;
    k1 = (k1 + weyl1) | 0;
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
  mix: 7,
  adapterInit: 8,
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

/**
 * High 32 bits of the product of two u32, given the low ones.
 *
 * The product in f64 is off by less than 2^11; without its low bits it is a
 * multiple of 2^32 but for that, so rounding finds it.
 */
export function mulHigh(a: number, b: number, low: number): number {
  return ((a * (b >>> 0) - (low >>> 0)) / 2 ** 32 + 0.5) | 0;
}
