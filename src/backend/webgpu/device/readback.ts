/**
 * Copies from device buffers to the host.
 *
 * Every look at the device waits for all that was submitted. In Deno the wait
 * is inside `mapAsync`, which then sleeps 10 ms before its promise resolves
 * (denoland/deno, ext/webgpu/buffer.rs, `map_async`, as of 2.9.6). As the data
 * is mapped by then, `getMappedRange` works without awaiting the promise,
 * provided that the buffer was mapped once before. Whether that holds is tried
 * out when a device is opened, else the promise is awaited. Measured with
 * llvmpipe: 0.08 ms in place of 11.4 ms. Delete it when `mapAsync` is prompt.
 *
 * @module
 */

/** Bytes that lie somewhere on the device. */
export interface DeviceRange {
  readonly buffer: GPUBuffer;
  /** Multiples of 4. */
  readonly offset: number;
  readonly sizeBytes: number;
}

/** Buffers for the trip take turns, as mapping one ends a little late. */
const STAGING_BUFFERS = 3;
/** Larger copies go in pieces of this, as each is in host memory twice. */
const CHUNK_BYTES = 16 * 2 ** 20;
/** First size of the staging buffers; a few losses and norms. */
const SMALL_BYTES = 4096;

/** Reads ranges of buffers. */
export class Readback {
  readonly #device: GPUDevice;
  readonly #staging: { buffer: GPUBuffer; mapped: boolean }[] = [];
  readonly #pending = new Set<Promise<unknown>>();
  #next = 0;
  #prompt = false;
  /** How often data was not mapped where that was expected. */
  #late = 0;

  private constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** Tries out whether reads are prompt. */
  static async open(device: GPUDevice): Promise<Readback> {
    const readback = new Readback(device);
    readback.#prompt = await readback.#isPrompt();
    return readback;
  }

  /** Whether reads come without a pause of 10 ms. */
  get prompt(): boolean {
    return this.#prompt;
  }

  /** The content of `ranges`, one after another. Waits for the device. */
  async read(ranges: readonly DeviceRange[]): Promise<ArrayBuffer> {
    const total = ranges.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const result = new Uint8Array(total);
    let done = 0;
    for (const pieces of inChunks(ranges)) {
      const bytes = await this.#readChunk(pieces);
      result.set(bytes, done);
      done += bytes.length;
    }
    return result.buffer;
  }

  /** Frees the buffers, once no map is under way. */
  async dispose(): Promise<void> {
    await Promise.all(this.#pending);
    for (const { buffer } of this.#staging) buffer.destroy();
    this.#staging.length = 0;
  }

  async #readChunk(ranges: readonly DeviceRange[]): Promise<Uint8Array> {
    const total = ranges.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const staging = this.#take(total);
    const { buffer } = staging;
    const encoder = this.#device.createCommandEncoder();
    let at = 0;
    for (const { buffer: source, offset, sizeBytes } of ranges) {
      encoder.copyBufferToBuffer(source, offset, buffer, at, sizeBytes);
      at += sizeBytes;
    }
    this.#device.queue.submit([encoder.finish()]);
    const mapped = buffer.mapAsync(GPUMapMode.READ, 0, total);
    const copy = () => new Uint8Array(buffer.getMappedRange(0, total)).slice();
    let bytes: Uint8Array | null = null;
    if (this.#prompt && staging.mapped) {
      const settled = mapped.catch(() => {}); // unmapping may abort it
      this.#pending.add(settled);
      settled.then(() => this.#pending.delete(settled));
      try {
        bytes = copy();
      } catch {
        this.#late++; // not mapped after all: its promise is waited for
      }
    }
    if (!bytes) {
      await mapped;
      staging.mapped = true;
      bytes = copy();
    }
    buffer.unmap();
    return bytes;
  }

  /** The next staging buffer, made larger if it has to be. */
  #take(sizeBytes: number): { buffer: GPUBuffer; mapped: boolean } {
    const index = this.#next;
    this.#next = (index + 1) % STAGING_BUFFERS;
    const known = this.#staging[index];
    if (known && known.buffer.size >= sizeBytes) return known;
    known?.buffer.destroy();
    const size = Math.max(SMALL_BYTES, Math.ceil(sizeBytes / 8) * 8);
    const buffer = this.#device.createBuffer({
      label: "staging",
      size,
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
    return this.#staging[index] = { buffer, mapped: false };
  }

  /** Reads changing numbers both ways; any difference or error says no. */
  async #isPrompt(): Promise<boolean> {
    const source = this.#device.createBuffer({
      label: "readback test",
      size: 16,
      usage: GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
    });
    try {
      for (let i = 0; i < 3 * STAGING_BUFFERS; i++) {
        // The first round awaits, as buffers must have been mapped once.
        this.#prompt = i >= STAGING_BUFFERS;
        const words = Uint32Array.of(i, ~i, i * 0x9e3779b9, 7);
        this.#device.queue.writeBuffer(source, 0, words);
        const range = { buffer: source, offset: 0, sizeBytes: 16 };
        const got = new Uint32Array(await this.read([range]));
        if (!words.every((word, j) => word === got[j])) return false;
        if (this.#prompt && this.#late > 0) return false;
      }
      return true;
    } catch {
      return false; // not mapped yet: this Deno works in another way
    } finally {
      source.destroy();
    }
  }
}

/** Ranges in groups of at most {@linkcode CHUNK_BYTES}, long ones cut. */
function inChunks(ranges: readonly DeviceRange[]): DeviceRange[][] {
  const chunks: DeviceRange[][] = [[]];
  let room = CHUNK_BYTES;
  for (const { buffer, offset, sizeBytes } of ranges) {
    for (let at = 0; at < sizeBytes;) {
      if (room === 0) {
        chunks.push([]);
        room = CHUNK_BYTES;
      }
      const taken = Math.min(room, sizeBytes - at);
      chunks.at(-1)!.push({ buffer, offset: offset + at, sizeBytes: taken });
      at += taken;
      room -= taken;
    }
  }
  return chunks;
}
