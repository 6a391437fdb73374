/**
 * Pieces of text on their way to another thread, as UTF-8 in one buffer.
 *
 * Sending one message for a megabyte of short documents costs what sending
 * one document would.
 *
 * @module
 */

/** Texts to be worked on one by one, in order. */
export interface TextBatch {
  /** All of them as UTF-8. */
  bytes: Uint8Array<ArrayBuffer>;
  /**
   * Where each one ends; with {@linkcode ENDS_DOCUMENT} added where a document
   * ends with it.
   */
  ends: Float64Array<ArrayBuffer>;
}

/** Above the size of any batch. */
const ENDS_DOCUMENT = 2 ** 40;

/** Bytes of a batch: enough that the message does not count. */
const BATCH_BYTES = 1 << 20;

/** Gathers texts until they are worth sending. */
export class BatchBuilder {
  #bytes = new Uint8Array(BATCH_BYTES);
  #used = 0;
  #ends: number[] = [];
  #onFull: (batch: TextBatch) => Promise<void>;

  /** @param onFull Takes a batch; what it returns is waited for. */
  constructor(onFull: (batch: TextBatch) => Promise<void>) {
    this.#onFull = onFull;
  }

  /** Appends a text. @returns Its bytes as UTF-8. */
  async add(text: string): Promise<number> {
    const most = 3 * text.length; // of UTF-8 for so many UTF-16 units
    if (this.#used + most > this.#bytes.length) {
      await this.flush();
      if (most > this.#bytes.length) this.#bytes = new Uint8Array(most);
    }
    const free = this.#bytes.subarray(this.#used);
    const { written } = encoder.encodeInto(text, free);
    this.#used += written;
    this.#ends.push(this.#used);
    return written;
  }

  /** The document ends here, also if it was empty. */
  endDocument(): void {
    const last = this.#ends.length - 1;
    if (last < 0 || this.#ends[last] >= ENDS_DOCUMENT) {
      this.#ends.push(this.#used + ENDS_DOCUMENT);
    } else this.#ends[last] += ENDS_DOCUMENT;
  }

  /** Sends what there is. */
  async flush(): Promise<void> {
    if (this.#ends.length === 0) return;
    const batch = {
      bytes: this.#bytes.subarray(0, this.#used),
      ends: Float64Array.from(this.#ends),
    };
    // The buffer goes with the batch; the next one has its own.
    this.#bytes = new Uint8Array(BATCH_BYTES);
    this.#used = 0;
    this.#ends = [];
    await this.#onFull(batch);
  }
}

/** The texts of a batch, as views. */
export function* textsOf(
  { bytes, ends }: TextBatch,
): Generator<{ text: Uint8Array; endsDocument: boolean }> {
  let start = 0;
  for (const mark of ends) {
    const endsDocument = mark >= ENDS_DOCUMENT;
    const end = endsDocument ? mark - ENDS_DOCUMENT : mark;
    yield { text: bytes.subarray(start, end), endsDocument };
    start = end;
  }
}

const encoder = new TextEncoder();
