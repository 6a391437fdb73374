/**
 * A program on a WebGPU device: its buffers, pipelines and bind groups, made
 * once; a run records them into one pass and submits it.
 *
 * @module
 */

import type { DType } from "../../graph/graph.ts";
import { UserError } from "../../base/errors.ts";
import { formatBytes } from "../../base/format.ts";
import type { Executable, TensorData } from "../backend.ts";
import type { GpuDevice } from "./device.ts";
import type { Dispatch, GpuTensor, Memory } from "./dispatch.ts";
import type { LoweredProgram } from "./lower.ts";
import { type MemoryPlan, type Place, planMemory } from "./memory_plan.ts";
import type { PipelineCache } from "./pipelines.ts";
import type { DeviceRange, Readback } from "./readback.ts";

/** Larger writes are submitted on the way, as each is staged by the queue. */
const WRITE_BYTES = 16 * 2 ** 20;
/** How long signals and timers may have to wait while reads are prompt. */
const PAUSE_EVERY_MS = 20;

/** What a phase repeats: three commands, two of which are often the same. */
interface Step {
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly workgroups: readonly [number, number, number];
}

/** The time of one dispatch. */
export interface DispatchTime {
  readonly op: string;
  readonly workgroups: readonly [number, number, number];
  readonly ms: number;
}

/** What an executable is made of. */
export interface ExecutableParts {
  readonly gpu: GpuDevice;
  readonly readback: Readback;
  readonly pipelines: PipelineCache;
  readonly lowered: LoweredProgram;
}

/**
 * Allocates and fills the buffers and compiles all shaders.
 *
 * @throws {UserError} If the device has not enough memory.
 */
export async function loadProgram(
  parts: ExecutableParts,
): Promise<WebGpuExecutable> {
  const { gpu, pipelines, lowered } = parts;
  const plan = planFor(parts);
  const buffers = await allocate(gpu, plan);
  try {
    const phases = await gpu.expect("validation", () => {
      for (const [{ content }, { buffer, offset }] of plan.places) {
        if (content) {
          gpu.device.queue.writeBuffer(buffers[buffer], offset, content);
        }
      }
      const phases = new Map<string, readonly Step[]>();
      for (const [phase, dispatches] of lowered.phases) {
        phases.set(
          phase,
          dispatches.map((dispatch) =>
            prepare(dispatch, { gpu, pipelines, plan, buffers })
          ),
        );
      }
      return phases;
    });
    return new WebGpuExecutable(parts, { plan, buffers, phases });
  } catch (error) {
    for (const buffer of buffers) buffer.destroy();
    throw error;
  }
}

/** Whether the buffers of a program can be had now. */
export async function programFits(
  parts: Pick<ExecutableParts, "gpu" | "lowered">,
): Promise<boolean> {
  try {
    const buffers = await allocate(parts.gpu, planFor(parts));
    for (const buffer of buffers) buffer.destroy();
    return true;
  } catch (error) {
    if (error instanceof UserError) return false;
    throw error;
  }
}

function planFor(
  { gpu, lowered }: Pick<ExecutableParts, "gpu" | "lowered">,
): MemoryPlan {
  const { limits } = gpu.device;
  return planMemory(lowered, {
    alignment: Math.max(64, limits.minStorageBufferOffsetAlignment),
    maxBufferBytes: limits.maxBufferSize,
  });
}

/** A compiled program with its memory. */
export class WebGpuExecutable implements Executable {
  readonly #parts: ExecutableParts;
  readonly #plan: MemoryPlan;
  readonly #phases: ReadonlyMap<string, readonly Step[]>;
  /** What the inputs hold, or will hold at the next run. */
  readonly #inputs: ArrayBuffer;
  /** The part of the inputs that the device has not got yet, in bytes. */
  #changed: { from: number; to: number } | null = null;
  #buffers: readonly GPUBuffer[];
  #lastPause = performance.now();

  /** Takes over the buffers. */
  constructor(
    parts: ExecutableParts,
    { plan, buffers, phases }: {
      plan: MemoryPlan;
      buffers: readonly GPUBuffer[];
      phases: ReadonlyMap<string, readonly Step[]>;
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

  /** Dispatches of a phase. */
  dispatchCount(phase: string): number {
    return this.#phases.get(phase)?.length ?? 0;
  }

  write(name: string, data: TensorData): void {
    const tensor = this.#named(name);
    const { dtype, length } = tensor;
    const array = arrayOf(dtype);
    if (length !== data.length || !(data instanceof array)) {
      throw new TypeError(
        `Cannot write ${data.constructor.name} of ${data.length} to ` +
          `"${name}": it is a ${array.name} of ${length}`,
      );
    }
    const { buffer, offset } = placeOf(this.#plan, tensor);
    if (buffer === this.#plan.inputBuffer) {
      new array(this.#inputs, offset, length).set(data);
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
      const steps = this.#phases.get(phase);
      if (!steps) throw new TypeError(`Cannot run "${phase}": no such phase`);
      const { device } = this.#parts.gpu;
      this.#sendInputs();
      const encoder = device.createCommandEncoder({ label: phase });
      record(encoder, steps, phase);
      device.queue.submit([encoder.finish()]);
    });
  }

  /**
   * Runs a phase `times` times with a wait behind every dispatch, and gives
   * the shortest time of each. The wait itself, some 0.1 ms, is included.
   */
  async profile(phase: string, times: number): Promise<DispatchTime[]> {
    this.#check();
    const steps = this.#phases.get(phase) ?? [];
    const dispatches = this.#parts.lowered.phases.get(phase) ?? [];
    const { device } = this.#parts.gpu;
    const best = steps.map(() => Infinity);
    const anything = { buffer: this.#buffers[0], offset: 0, sizeBytes: 4 };
    this.#sendInputs();
    for (let run = 0; run < times; run++) {
      for (const [i, step] of steps.entries()) {
        await this.#parts.readback.read([anything]);
        const start = performance.now();
        const encoder = device.createCommandEncoder();
        record(encoder, [step], phase);
        device.queue.submit([encoder.finish()]);
        await this.#parts.readback.read([anything]);
        best[i] = Math.min(best[i], performance.now() - start);
      }
    }
    return dispatches.map(({ label, workgroups }, i) => ({
      op: label,
      workgroups,
      ms: best[i],
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
      const sizeBytes = 4 * tensor.length;
      return { buffer: this.#buffers[buffer], offset, sizeBytes };
    }));
    let at = 0;
    return tensors.map(({ dtype, length }) => {
      const data = new (arrayOf(dtype))(bytes.slice(at, at + 4 * length));
      at += 4 * length;
      return data;
    });
  }

  dispose(): Promise<void> {
    for (const buffer of this.#buffers) buffer.destroy();
    this.#buffers = [];
    return Promise.resolve();
  }

  /** Reads, and tells why that failed if it is the device's fault. */
  async #readRanges(ranges: readonly DeviceRange[]): Promise<ArrayBuffer> {
    const { gpu, readback } = this.#parts;
    try {
      return await readback.read(ranges);
    } catch (error) {
      this.#lastPause = -Infinity;
      throw error;
    } finally {
      await this.#pause();
      gpu.check();
    }
  }

  /** Signals, timers and errors of the device only come when we let them. */
  async #pause(): Promise<void> {
    if (performance.now() - this.#lastPause < PAUSE_EVERY_MS) return;
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

/** Records some dispatches into one pass. */
function record(
  encoder: GPUCommandEncoder,
  steps: readonly Step[],
  label: string,
): void {
  const pass = encoder.beginComputePass({ label });
  let last: GPUComputePipeline | null = null;
  for (const { pipeline, bindGroup, workgroups: [x, y, z] } of steps) {
    if (pipeline !== last) pass.setPipeline(last = pipeline);
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(x, y, z);
  }
  pass.end();
}

/** Makes the buffers; WebGPU fills them with zeros. */
async function allocate(
  gpu: GpuDevice,
  plan: MemoryPlan,
): Promise<GPUBuffer[]> {
  const { device, adapter } = gpu;
  const total = plan.buffers.reduce((sum, size) => sum + size, 0);
  const hint = "use a smaller batchSize, seqLen or model";
  const large = [...plan.places.keys()].find(({ sizeBytes }) =>
    sizeBytes > gpu.maxBindingBytes
  );
  if (large) {
    throw new UserError(
      `Cannot fit the program on ${adapter.name}: ${describe(large)}, the ` +
        `largest piece that it can bind is ` +
        formatBytes(gpu.maxBindingBytes),
      { hint },
    );
  }
  const made: GPUBuffer[] = [];
  try {
    return await gpu.expect("out-of-memory", () => {
      for (const size of plan.buffers) {
        made.push(device.createBuffer({
          size: Math.ceil(size / 16) * 16,
          usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC |
            GPUBufferUsage.COPY_DST,
        }));
      }
      return made;
    });
  } catch (cause) {
    for (const buffer of made) buffer.destroy();
    throw new UserError(
      `Cannot allocate ${formatBytes(total)} on ${adapter.name}`,
      { hint, cause },
    );
  }
}

function describe({ name, sizeBytes }: Memory): string {
  return `"${name}" takes ${formatBytes(sizeBytes)}`;
}

/** Gives a dispatch its pipeline and its bind group. */
function prepare(
  dispatch: Dispatch,
  { gpu, pipelines, plan, buffers }: {
    gpu: GpuDevice;
    pipelines: PipelineCache;
    plan: MemoryPlan;
    buffers: readonly GPUBuffer[];
  },
): Step {
  const { bindings, workgroups } = dispatch;
  const placed = bindings.map(({ tensor }) => placeOf(plan, tensor));
  const writable = bindings.map((_, i) =>
    bindings.some(({ written }, j) =>
      written && placed[j].buffer === placed[i].buffer
    )
  );
  const pipeline = pipelines.get(dispatch, writable);
  const bindGroup = gpu.device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: placed.map(({ buffer, offset }, binding) => ({
      binding,
      resource: {
        buffer: buffers[buffer],
        offset,
        // A vector of four is read whole; pieces of memory do not touch.
        size: Math.ceil(bindings[binding].tensor.length / 4) * 16,
      },
    })),
  });
  return { pipeline, bindGroup, workgroups };
}

/** Where a tensor begins. */
function placeOf(
  { places }: MemoryPlan,
  { memory, offset }: GpuTensor,
): Place {
  const place = places.get(memory)!;
  return { buffer: place.buffer, offset: place.offset + offset };
}

function arrayOf(
  dtype: DType,
): Float32ArrayConstructor | Uint32ArrayConstructor {
  return dtype === "f32" ? Float32Array : Uint32Array;
}
