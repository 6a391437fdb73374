/**
 * In which order training sees the windows of its sources.
 *
 * The windows of all epochs are one endless sequence; each place in it is a
 * pure function of seed and position, which is all that a resume needs to
 * know. Nothing is listed, so the memory does not grow with the text.
 *
 * @module
 */

import { Permutation } from "../../base/permutation.ts";
import { STREAM } from "../../base/philox.ts";
import { mixParts } from "../sources/weights.ts";

/** A window of one of several sources. */
export interface WindowPlace {
  /** Index of the source. */
  source: number;
  window: number;
}

/** An endless sequence of windows. */
export interface WindowOrder {
  /** Windows of one epoch. */
  readonly windows: number;
  /** The window in place `position`, counted across epochs. */
  at(position: number): WindowPlace;
}

/**
 * Every window of every source once per epoch, all shuffled together.
 *
 * @param counts Windows of each source.
 */
export class WholeOrder implements WindowOrder {
  readonly windows: number;
  /** Of all sources before each one. */
  #before: number[] = [];
  #seed: number;
  #epoch: { index: number; order: Permutation } | null = null;

  constructor(counts: readonly number[], seed: number) {
    let windows = 0;
    for (const count of counts) {
      this.#before.push(windows);
      windows += count;
    }
    this.windows = windows;
    this.#seed = seed;
  }

  at(position: number): WindowPlace {
    const index = Math.floor(position / this.windows);
    if (this.#epoch?.index !== index) {
      const key = { seed: this.#seed, stream: STREAM.shuffle, index };
      this.#epoch = { index, order: new Permutation(this.windows, key) };
    }
    const window = this.#epoch.order.at(position % this.windows);
    const source = this.#before.findLastIndex((before) => before <= window);
    return { source, window: window - this.#before[source] };
  }
}

/**
 * Sources in given shares, each in epochs of its own.
 *
 * The sequence is cut into patterns that all have the same number of windows
 * of each source, in an order of their own. The windows of a source come in
 * random order, all of them before any comes again. An epoch of the mix has
 * as many windows as all sources together.
 *
 * @param counts Windows of each source, none 0.
 * @param weights Shares, in any unit.
 */
export class MixedOrder implements WindowOrder {
  readonly windows: number;
  #counts: readonly number[];
  #seed: number;
  /** Windows of each source in a pattern, of those before it, and of all. */
  #parts: number[];
  #before: number[] = [];
  #length = 0;
  #pattern: { index: number; order: Permutation } | null = null;
  #epochs: { index: number; order: Permutation }[] = [];

  constructor(
    counts: readonly number[],
    weights: readonly number[],
    seed: number,
  ) {
    this.windows = counts.reduce((a, b) => a + b);
    this.#counts = counts;
    this.#seed = seed;
    this.#parts = mixParts(weights);
    for (const part of this.#parts) {
      this.#before.push(this.#length);
      this.#length += part;
    }
  }

  at(position: number): WindowPlace {
    // 1. The source: a place in the pattern, shuffled.
    const index = Math.floor(position / this.#length);
    if (this.#pattern?.index !== index) {
      const key = { seed: this.#seed, stream: STREAM.mix, index };
      this.#pattern = { index, order: new Permutation(this.#length, key) };
    }
    const place = this.#pattern.order.at(position % this.#length);
    const source = this.#before.findLastIndex((before) => before <= place);

    // 2. How many of its windows came before, and so which one it is.
    const nth = index * this.#parts[source] + place - this.#before[source];
    return { source, window: this.#windowOf(source, nth) };
  }

  #windowOf(source: number, nth: number): number {
    const count = this.#counts[source];
    const index = Math.floor(nth / count);
    let epoch = this.#epochs[source];
    if (epoch?.index !== index) {
      const key = { seed: this.#seed, stream: STREAM.shuffle, index };
      const order = new Permutation(count, { ...key, lane: source + 1 });
      this.#epochs[source] = epoch = { index, order };
    }
    return epoch.order.at(nth % count);
  }
}
