/**
 * The numbers 0 … n-1 in random order, without a list of them.
 *
 * Each place is computed by itself, so an order of a billion numbers takes no
 * memory and any part of it can be read first. A Feistel network over a grid
 * of a x b cells, the least that holds n, moves cells to cells; one that lands
 * outside of n is moved on until it is inside ("cycle walking").
 * Source: Black and Rogaway 2002, "Ciphers with arbitrary finite domains",
 * https://doi.org/10.1007/3-540-45760-7_9, methods 2 and 3.
 *
 * @module
 */

import { philox, seedKey } from "./philox.ts";

/** Half move rows, half columns; with fewer, orders of five are uneven. */
const ROUNDS = 12;

/** Which order; see {@linkcode Permutation}. */
export interface PermutationKey {
  /** An integer of up to 53 bits. */
  seed: number;
  /** One of `STREAM`. */
  stream: number;
  /** Which of the stream's orders, such as the epoch. */
  index: number;
  /** Tells apart what is shuffled at the same time, below 2^24. */
  lane?: number;
}

/** An order of 0 … n-1 that depends on its key alone. */
export class Permutation {
  /** How many numbers are in order, at most 2^50. */
  readonly size: number;
  #rows: number;
  #columns: number;
  #key: [number, number];
  #stream: number;
  #index: number;
  #lane: number;

  constructor(size: number, { seed, stream, index, lane = 0 }: PermutationKey) {
    this.size = size;
    this.#rows = Math.ceil(Math.sqrt(size));
    this.#columns = Math.ceil(size / this.#rows);
    this.#key = seedKey(seed);
    this.#stream = stream;
    this.#index = index;
    this.#lane = lane;
  }

  /** The number in place `at`, an integer in [0, size). */
  at(at: number): number {
    if (!(at >= 0 && at < this.size)) {
      throw new RangeError(`Cannot read place ${at} of ${this.size}`);
    }
    let cell = at;
    do cell = this.#move(cell); while (cell >= this.size);
    return cell;
  }

  #move(cell: number): number {
    let column = cell % this.#columns;
    let row = (cell - column) / this.#columns;
    for (let round = 0; round < ROUNDS; round += 2) {
      row = (row + this.#random(round, column)) % this.#rows;
      column = (column + this.#random(round + 1, row)) % this.#columns;
    }
    return row * this.#columns + column;
  }

  #random(round: number, value: number): number {
    const where = (this.#lane << 8 | round) >>> 0;
    return philox([value, where, this.#index, this.#stream], this.#key)[0];
  }
}
