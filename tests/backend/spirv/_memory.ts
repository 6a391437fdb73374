/**
 * Memory of the machine of _machine.ts: numbers one after another,
 * which know who wrote and read them since the threads last met, those of a
 * workgroup or of a subgroup.
 *
 * @module
 */

/** Who accesses: a thread, and how often those around it have met. */
export interface Accessor {
  readonly group: number;
  readonly thread: number;
  /** Its workgroup. */
  readonly epoch: number;
  readonly subgroup: number;
  /** Its subgroup. */
  readonly step: number;
}

/** What a leaf of memory is. */
export type Leaf = number | boolean | bigint | undefined;

/** How numbers of a buffer are stored. */
export type Stored = "f32" | "u32" | "i32" | "f16";

/** Places for single numbers. */
export class Memory {
  readonly #name: string;
  readonly #leaves: Leaf[];
  readonly #buffer?: { view: DataView; stored: Stored };
  readonly #writers: Accessor[] = [];
  readonly #readers: Accessor[] = [];
  readonly #isShared: boolean;

  /**
   * Memory of its own, in which nothing is yet; or that of a buffer.
   *
   * @param options.isShared Whether threads other than one access it.
   */
  constructor(
    name: string,
    options:
      | { size: number; isShared: boolean }
      | { bytes: Uint8Array<ArrayBuffer>; stored: Stored },
  ) {
    this.#name = name;
    this.#isShared = true;
    if ("bytes" in options) {
      const { bytes, stored } = options;
      const view = new DataView(
        bytes.buffer,
        bytes.byteOffset,
        bytes.byteLength,
      );
      this.#leaves = [];
      this.#buffer = { view, stored };
    } else {
      this.#leaves = Array<Leaf>(options.size).fill(undefined);
      this.#isShared = options.isShared;
    }
  }

  /** What is there. @throws If nothing was written, or might be meanwhile. */
  read(at: number, who: Accessor): Leaf {
    this.#expectInside(at);
    if (this.#isShared) {
      this.#expectAlone(at, who, this.#writers);
      this.#readers[at] = who;
    }
    if (this.#buffer) return this.#get(at);
    const leaf = this.#leaves[at];
    if (leaf === undefined) {
      throw this.#wrong("is read before it is written", at);
    }
    return leaf;
  }

  /** Puts something there. @throws If others access it meanwhile. */
  write(at: number, leaf: Leaf, who: Accessor): void {
    this.#expectInside(at);
    if (this.#isShared) {
      this.#expectAlone(at, who, this.#writers);
      this.#expectAlone(at, who, this.#readers);
      this.#writers[at] = who;
    }
    if (this.#buffer) this.#set(at, leaf as number);
    else this.#leaves[at] = leaf;
  }

  #expectInside(at: number): void {
    const size = this.#buffer
      ? this.#buffer.view.byteLength / (this.#buffer.stored === "f16" ? 2 : 4)
      : this.#leaves.length;
    if (!(at >= 0 && at < size)) throw this.#wrong(`has ${size} numbers`, at);
  }

  #expectAlone(
    at: number,
    who: Accessor,
    others: readonly (Accessor | undefined)[],
  ): void {
    const other = others[at];
    if (!other || (other.thread === who.thread && other.group === who.group)) {
      return;
    }
    const haveMet = other.group === who.group &&
      (other.epoch !== who.epoch ||
        (other.subgroup === who.subgroup && other.step !== who.step));
    if (!haveMet) {
      throw this.#wrong("is accessed by threads at the same time", at);
    }
  }

  #get(at: number): number {
    const { view, stored } = this.#buffer!;
    switch (stored) {
      case "f32":
        return view.getFloat32(4 * at, true);
      case "u32":
        return view.getUint32(4 * at, true);
      case "i32":
        return view.getInt32(4 * at, true);
      case "f16":
        return view.getFloat16(2 * at, true);
    }
  }

  #set(at: number, number: number): void {
    const { view, stored } = this.#buffer!;
    switch (stored) {
      case "f32":
        return view.setFloat32(4 * at, number, true);
      case "u32":
        return view.setUint32(4 * at, number, true);
      case "i32":
        return view.setInt32(4 * at, number, true);
      case "f16":
        return view.setFloat16(2 * at, number, true);
    }
  }

  #wrong(what: string, at: number): Error {
    return new Error(`${this.#name} ${what} (number ${at})`);
  }
}
