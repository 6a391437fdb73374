/**
 * A program on a WebGPU device, made by loading/load_program.ts: a run records
 * its dispatches and submits them.
 *
 * @module
 */

import { type Executable, KEPT_PLACES, type TensorData } from "../backend.ts";
import { expectData } from "../expect_data.ts";
import { collectIfDue, countSubmission } from "./device/collect.ts";
import type { GpuDevice } from "./device/device.ts";
import {
  type PreparedDispatch,
  recordPass,
  type Submission,
} from "./device/prepared_dispatch.ts";
import type { DeviceRange, Readback } from "./device/readback.ts";
import { timeInOrder } from "./device/timestamps.ts";
import { bytesPerNumber, type Dispatch, type GpuTensor } from "./dispatch.ts";
import { type MemoryPlan, placeOf } from "./loading/memory_plan.ts";
import type { PipelineCache } from "./loading/pipelines.ts";
import type { LoweredProgram } from "./lowering/lower.ts";

/** Larger writes are submitted on the way, as each is staged by the queue. */
const WRITE_BYTES = 16 * 2 ** 20;
/** How long signals and timers may have to wait while reads are prompt. */
const PAUSE_EVERY_MS = 20;

/** How long one dispatch is profiled, and how often in that time at most. */
const PROFILE_MS = 2, MOST_IN_A_ROW = 32;

/** The time of one dispatch. */
export interface DispatchTime {
  readonly op: string;
  readonly workgroups: readonly [number, number, number];
  readonly ms: number;
  /** Multiplications and additions, where there are many. */
  readonly flops: number;
  /** Of all that it binds. */
  readonly bytes: number;
}

/** What an executable is made of. */
export interface ExecutableParts {
  readonly gpu: GpuDevice;
  readonly readback: Readback;
  readonly pipelines: PipelineCache;
  readonly lowered: LoweredProgram;
  /** See `LowerOptions`. */
  readonly overlap?: boolean;
  /** Called once it is disposed of. */
  readonly onDispose?: (executable: WebGpuExecutable) => void;
}

/** A compiled program with its memory. */
export class WebGpuExecutable implements Executable {
  readonly isQueued = true;
  readonly #parts: ExecutableParts;
  readonly #plan: MemoryPlan;
  readonly #phases: ReadonlyMap<string, readonly Submission[]>;
  /** What the inputs hold, or will hold at the next run. */
  readonly #inputs: ArrayBuffer;
  /** The part of the inputs that the device has not got yet, in bytes. */
  #changed: { from: number; to: number } | null = null;
  #buffers: readonly GPUBuffer[];
  #kept: GPUBuffer | null = null;
  /** Phases that have run. */
  readonly #ran = new Set<string>();
  #lastPause = performance.now();

  /** Takes over the buffers. */
  constructor(
    parts: ExecutableParts,
    { plan, buffers, phases }: {
      plan: MemoryPlan;
      buffers: readonly GPUBuffer[];
      phases: ReadonlyMap<string, readonly Submission[]>;
    },
  ) {
    this.#parts = parts;
    this.#plan = plan;
    this.#phases = phases;
    this.#buffers = buffers;
    const { inputBuffer } = plan;
    const inputBytes = inputBuffer === null ? 0 : plan.buffers[inputBuffer];
    this.#inputs = new ArrayBuffer(inputBytes);
    for (const [{ content }, { buffer, offset }] of plan.places) {
      if (!content || buffer !== inputBuffer) continue;
      new Float32Array(this.#inputs, offset, content.length).set(content);
    }
  }

  /** Bytes of device memory. */
  get sizeBytes(): number {
    return this.#plan.buffers.reduce((sum, size) => sum + size, 0);
  }

  /** What a run of a phase records, in order. */
  dispatches(phase: string): readonly Dispatch[] {
    return this.#parts.lowered.phases.get(phase) ?? [];
  }

  write(name: string, data: TensorData): void {
    const tensor = this.#named(name);
    const { type, length } = dataOf(tensor);
    expectData(name, data, { type, length });
    const { buffer, offset } = placeOf(this.#plan, tensor);
    if (buffer === this.#plan.inputBuffer) {
      new type(this.#inputs, offset, length).set(data);
      const { from, to } = this.#changed ?? { from: offset, to: offset };
      this.#changed = {
        from: Math.min(from, offset),
        to: Math.max(to, offset + data.byteLength),
      };
      return;
    }
    const { queue } = this.#parts.gpu.device;
    const step = WRITE_BYTES / data.BYTES_PER_ELEMENT;
    for (let at = 0; at < length; at += step) {
      // TensorData names no buffer type, and the queue takes every one.
      const piece = data.subarray(at, at + step) as Float32Array<ArrayBuffer>;
      queue.writeBuffer(this.#buffers[buffer], offset + 4 * at, piece);
      if (piece.length === step) queue.submit([]);
    }
  }

  run(phase: string): Promise<void> {
    return Promise.try(() => {
      this.#check();
      const submissions = this.#phases.get(phase);
      if (!submissions) {
        throw new TypeError(`Cannot run "${phase}": no such phase`);
      }
      const { device, trials } = this.#parts.gpu;
      using _ = this.#ran.has(phase)
        ? null
        : trials.begin("was beginning to compute");
      this.#ran.add(phase);
      this.#sendInputs();
      for (const passes of submissions) {
        const encoder = device.createCommandEncoder({ label: phase });
        for (const pass of passes) recordPass(encoder, pass, { label: phase });
        device.queue.submit([encoder.finish()]);
        countSubmission();
      }
    });
  }

  /**
   * Runs every dispatch of a phase many times in a row, `times` times, and
   * gives the shortest time of each. Tensors hold other numbers after that, as
   * in a phase that runs again and again.
   */
  async profile(phase: string, times: number): Promise<DispatchTime[]> {
    this.#check();
    const dispatches = this.#phases.get(phase)?.flat(2) ?? [];
    const { device } = this.#parts.gpu;
    const anything = { buffer: this.#buffers[0], offset: 0, sizeBytes: 4 };
    this.#sendInputs();
    const timed = async (some: readonly PreparedDispatch[]) => {
      const start = performance.now();
      const encoder = device.createCommandEncoder();
      recordPass(encoder, some, { label: phase });
      device.queue.submit([encoder.finish()]);
      await this.#parts.readback.read([anything]);
      return performance.now() - start;
    };
    let answerMs = Infinity;
    for (let i = 0; i < 5; i++) answerMs = Math.min(answerMs, await timed([]));
    const best: number[] = [];
    for (const dispatch of dispatches) {
      const once = Math.max(await timed([dispatch]) - answerMs, 1e-3);
      const runs = Math.min(MOST_IN_A_ROW, Math.ceil(PROFILE_MS / once));
      let ms = Infinity;
      for (let run = 0; run < times; run++) {
        const inARow = new Array<PreparedDispatch>(runs).fill(dispatch);
        const some = await timed(inARow) - answerMs;
        ms = Math.min(ms, Math.max(some, 0) / runs);
      }
      best.push(ms);
    }
    return this.#described(phase, best);
  }

  /**
   * The median time of every dispatch where it stands in the phase, by the
   * device's clock; null if it has none.
   */
  async profileInOrder(
    phase: string,
    times: number,
  ): Promise<DispatchTime[] | null> {
    this.#check();
    this.#sendInputs();
    const ms = await timeInOrder(this.#parts.gpu.device, {
      dispatches: this.#phases.get(phase)?.flat(2) ?? [],
      times,
      readback: this.#parts.readback,
      anything: this.#buffers[0],
    });
    return ms && this.#described(phase, ms);
  }

  #described(phase: string, ms: readonly number[]): DispatchTime[] {
    return this.dispatches(phase).map((
      { label, workgroups, flops = 0, bindings },
      i,
    ) => ({
      op: label,
      workgroups,
      ms: ms[i],
      flops,
      bytes: bindings.reduce(
        (sum, { tensor: { length, dtype } }) =>
          sum + length * bytesPerNumber(dtype),
        0,
      ),
    }));
  }

  async read(name: string): Promise<TensorData> {
    const [data] = await this.readAll([name]);
    return data;
  }

  async readAll(names: readonly string[]): Promise<TensorData[]> {
    const tensors = names.map((name) => this.#named(name));
    this.#check();
    this.#sendInputs();
    const bytes = await this.#readRanges(tensors.map((tensor) => {
      const { buffer, offset } = placeOf(this.#plan, tensor);
      const sizeBytes = 4 * dataOf(tensor).length;
      return { buffer: this.#buffers[buffer], offset, sizeBytes };
    }));
    let at = 0;
    return tensors.map((tensor) => {
      const { type, length } = dataOf(tensor);
      const data = new type(bytes.slice(at, at + 4 * length));
      at += 4 * length;
      return data;
    });
  }

  keep(name: string, index: number): void {
    this.#check();
    const { buffer, offset } = placeOf(this.#plan, this.#named(name));
    if (!(index < KEPT_PLACES)) {
      throw new RangeError(`Cannot keep "${name}": there is no place ${index}`);
    }
    const { device } = this.#parts.gpu;
    this.#kept ??= device.createBuffer({
      label: "kept",
      size: 4 * KEPT_PLACES,
      usage: GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
    });
    this.#sendInputs();
    const encoder = device.createCommandEncoder();
    const from = this.#buffers[buffer];
    encoder.copyBufferToBuffer(from, offset, this.#kept, 4 * index, 4);
    device.queue.submit([encoder.finish()]);
    countSubmission();
  }

  async readKept(count: number): Promise<Float32Array> {
    this.#check();
    if (!this.#kept) throw new TypeError("Cannot read what was not kept");
    const range = { buffer: this.#kept, offset: 0, sizeBytes: 4 * count };
    return new Float32Array(await this.#readRanges([range]));
  }

  async expectSound(): Promise<void> {
    await this.#pause();
    this.#parts.gpu.check();
  }

  dispose(): Promise<void> {
    for (const buffer of this.#buffers) buffer.destroy();
    this.#kept?.destroy();
    this.#buffers = [];
    this.#parts.onDispose?.(this);
    return Promise.resolve();
  }

  /** Reads, and tells why that failed if it is the device's fault. */
  async #readRanges(ranges: readonly DeviceRange[]): Promise<ArrayBuffer> {
    const { gpu, readback } = this.#parts;
    let bytes: ArrayBuffer;
    try {
      bytes = await readback.read(ranges);
    } catch (error) {
      await this.expectSound();
      throw error;
    }
    const sincePause = performance.now() - this.#lastPause;
    if (sincePause >= PAUSE_EVERY_MS) await this.#pause();
    gpu.check();
    gpu.trials.answered();
    return bytes;
  }

  /** Signals, timers and errors of the device only come when we let them. */
  async #pause(): Promise<void> {
    collectIfDue();
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.#lastPause = performance.now();
  }

  /** One upload for all inputs that were written since the last run. */
  #sendInputs(): void {
    if (!this.#changed) return;
    const { from, to } = this.#changed;
    this.#changed = null;
    const buffer = this.#buffers[this.#plan.inputBuffer!];
    const bytes = new Uint8Array(this.#inputs, from, to - from);
    this.#parts.gpu.device.queue.writeBuffer(buffer, from, bytes);
  }

  #check(): void {
    if (this.#buffers.length === 0) {
      throw new TypeError("Cannot use a disposed executable");
    }
    this.#parts.gpu.check();
  }

  #named(name: string): GpuTensor {
    const tensor = this.#parts.lowered.persistent.get(name);
    if (!tensor) throw new TypeError(`Cannot find tensor "${name}"`);
    return tensor;
  }
}

/** What a persistent tensor is written and read as. */
function dataOf({ dtype, length }: GpuTensor): {
  type: Float32ArrayConstructor | Uint32ArrayConstructor;
  length: number;
} {
  if (dtype === "f32") return { type: Float32Array, length };
  // Two numbers of two bytes are a word; see `LowerOptions.stored`.
  return { type: Uint32Array, length: length * bytesPerNumber(dtype) / 4 };
}
