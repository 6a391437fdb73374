/**
 * Where the blocks of a zstd stream end, and whether its last frame is whole.
 *
 * The decompressor of node:zlib ends without an error when its input is cut
 * short (Deno 2.9.6), which would silently make a text shorter. This follows
 * the sizes in frame and block headers, and touches no content. It can go
 * once a cut stream is an error there; a test tells.
 *
 * Nor does it hand on an error in a block behind others that came with it: it
 * ends the process. So it should get one block at a time, which is at most
 * {@linkcode BLOCK_BYTES} long when unpacked.
 * Source: RFC 8878, sections 3.1 and 3.1.1.2.
 *
 * @module
 */

/** Most that a block holds; RFC 8878, section 3.1.1.2.3. */
export const BLOCK_BYTES = 128 << 10;

/** What is needed next: bytes to look at, or bytes to pass over. */
type Step = { look: number } | { skip: number };

const FRAME = 0xfd2fb528;
/** The low four bits are free. */
const SKIPPABLE_FRAME = 0x184d2a50;

/** Follows a stream that is handed over in parts. */
export class ZstdFrames {
  #steps = walk();
  #step: Step = { look: 4 };
  #seen: number[] = [];
  #betweenFrames = true;

  constructor() {
    this.#next([]);
  }

  /**
   * Takes the next bytes.
   *
   * @returns The same in parts, none of which goes beyond the end of a block;
   * null when they are no zstd.
   */
  push(bytes: Uint8Array): Uint8Array[] | null {
    const parts: Uint8Array[] = [];
    let from = 0;
    for (let at = 0; at < bytes.length;) {
      if ("skip" in this.#step) {
        const count = Math.min(this.#step.skip, bytes.length - at);
        at += count;
        this.#step.skip -= count;
        if (this.#step.skip > 0) break; // those were all
        parts.push(bytes.subarray(from, at));
        from = at;
        this.#next([]);
      } else {
        this.#betweenFrames = false;
        this.#seen.push(bytes[at++]);
        if (this.#seen.length < this.#step.look) continue;
        const seen = this.#seen;
        this.#seen = [];
        if (!this.#next(seen)) return null;
      }
    }
    if (from < bytes.length) parts.push(bytes.subarray(from));
    return parts;
  }

  /** Whether all frames so far are whole. */
  get complete(): boolean {
    return this.#betweenFrames;
  }

  /** False at the end of what can be understood. */
  #next(seen: number[]): boolean {
    for (;;) {
      const { value, done } = this.#steps.next(seen);
      if (done) return false;
      if (value === "frame end") this.#betweenFrames = true;
      else if ("look" in value || value.skip > 0) {
        this.#step = value;
        return true;
      }
    }
  }
}

/** Yields what it needs, and is handed the bytes it wanted to look at. */
function* walk(): Generator<Step | "frame end", void, number[]> {
  for (;;) {
    const magic = littleEndian(yield { look: 4 });
    if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE_FRAME) {
      yield { skip: littleEndian(yield { look: 4 }) };
    } else if (magic === FRAME) yield* walkFrame();
    else return;
    yield "frame end";
  }
}

function* walkFrame(): Generator<Step, void, number[]> {
  const [descriptor] = yield { look: 1 };
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const windowBytes = isSingleSegment ? 0 : 1;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3];
  const sizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6];
  yield { skip: windowBytes + dictionaryBytes + sizeBytes };
  for (let last = false; !last;) {
    const header = littleEndian(yield { look: 3 });
    last = (header & 1) !== 0;
    const isRepeatedByte = ((header >> 1) & 3) === 1;
    yield { skip: isRepeatedByte ? 1 : header >> 3 };
  }
  const hasChecksum = (descriptor & 4) !== 0;
  yield { skip: hasChecksum ? 4 : 0 };
}

function littleEndian(bytes: number[]): number {
  return bytes.reduceRight((value, byte) => value * 256 + byte, 0);
}
