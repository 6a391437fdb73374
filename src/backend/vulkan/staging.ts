/**
 * Memory through which the host's bytes go to the device.
 *
 * It is in blocks that stay mapped. A block is filled from its start to its
 * end, and again from its start once the device has copied all of it.
 *
 * @module
 */

import { createRawBuffer, freeRawBuffer, type RawBuffer } from "./buffer.ts";
import type { LogicalDevice } from "./driver/logical_device.ts";
import type { Timeline } from "./timeline.ts";

/** Size of a block; larger pieces are cut. */
export const BLOCK_BYTES = 4 * 2 ** 20;
/** With so many, the host waits for the device. */
const MOST_BLOCKS = 16;
/** Copies start at multiples of that; 16 is fast everywhere. */
const ALIGNMENT = 16;

interface Block {
  readonly raw: RawBuffer;
  readonly bytes: Uint8Array<ArrayBuffer>;
  used: number;
  /** The submission that copies the last of it. */
  lastUse: number;
}

/** Bytes that lie ready for a copy. */
export interface Staged {
  readonly handle: bigint;
  readonly offset: number;
}

/** The blocks of a device. */
export class Staging {
  readonly #device: LogicalDevice;
  readonly #timeline: Timeline;
  readonly #submit: () => void;
  readonly #blocks: Block[] = [];
  #current: Block | null = null;

  /** @param submit Sends what was staged so far on its way. */
  constructor(
    device: LogicalDevice,
    { timeline, submit }: { timeline: Timeline; submit: () => void },
  ) {
    this.#device = device;
    this.#timeline = timeline;
    this.#submit = submit;
  }

  /**
   * Takes at most {@linkcode BLOCK_BYTES} bytes; the next submission copies
   * them. Waits for the device if it is far behind.
   */
  stage(bytes: Uint8Array): Staged {
    let block = this.#current;
    if (!block || block.used + bytes.length > BLOCK_BYTES) {
      block = this.#current = this.#freeBlock();
    }
    const offset = block.used;
    block.bytes.set(bytes, offset);
    block.used = Math.ceil((offset + bytes.length) / ALIGNMENT) * ALIGNMENT;
    block.lastUse = this.#timeline.submitted + 1;
    return { handle: block.raw.handle, offset };
  }

  destroy(): void {
    for (const { raw, bytes } of this.#blocks) {
      bytes.buffer.transfer(0); // no view of it is left
      freeRawBuffer(this.#device, raw);
    }
    this.#blocks.length = 0;
  }

  #freeBlock(): Block {
    const isFree = (block: Block) => this.#timeline.isDone(block.lastUse);
    let block = this.#blocks.find(isFree);
    if (!block && this.#blocks.length >= MOST_BLOCKS) {
      this.#submit();
      block = this.#blocks.reduce((a, b) => a.lastUse <= b.lastUse ? a : b);
      while (!this.#timeline.waitNow(block.lastUse));
    }
    if (block) block.used = 0;
    else this.#blocks.push(block = this.#newBlock());
    return block;
  }

  #newBlock(): Block {
    const raw = createRawBuffer(this.#device, {
      sizeBytes: BLOCK_BYTES,
      use: "upload",
    });
    const address = Deno.UnsafePointer.create(raw.allocation.address!)!;
    const memory = Deno.UnsafePointerView.getArrayBuffer(address, BLOCK_BYTES);
    return { raw, bytes: new Uint8Array(memory), used: 0, lastUse: 0 };
  }
}
