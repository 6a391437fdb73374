/**
 * The CPU executor: step programs in WebAssembly, on all cores.
 *
 * A program gets one shared memory that holds its tensors, its calls and the
 * kernels' scratch; a pool of workers runs whole phases over it. The numbers
 * are the same bits for any number of threads. Oracle: ../reference/.
 *
 * @module
 */

import type { PlacedTensor, Program } from "../../graph/program.ts";
import { sizeOf } from "../../graph/tensor.ts";
import type {
  Backend,
  DeviceInfo,
  Executable,
  TensorData,
} from "../backend.ts";
import { expectData } from "../expect_data.ts";
import { type CpuInfo, readCpuInfo } from "./cores.ts";
import { type KernelChoice, type Kernels, loadKernels } from "./kernels.ts";
import { findPlaces, layOut, type MemoryLayout } from "./memory_layout.ts";
import { MemoryStore, MOST_BYTES } from "./memory_store.ts";
import { WorkerFailure, WorkerPool } from "./worker_pool.ts";

/** How to open the CPU; what is absent is the best for this machine. */
export interface CpuOptions extends KernelChoice {
  /** Worker threads; 0 or absent is one per physical core. */
  readonly threads?: number;
  /**
   * Threads stop at random moments, which follow from this number, as if other
   * programs kept them from running; for tests.
   */
  readonly pauses?: number;
}

/** The time one call took: the shortest of the runs of a profile. */
export interface CallTime {
  readonly op: string;
  /** The sizes of the call, for people. */
  readonly attrs: Readonly<Record<string, number>>;
  readonly ms: number;
  /** What of that a thread waited for the slowest one, on average. */
  readonly waitMs: number;
}

/** An executable that can also say where its time goes. */
export interface CpuExecutable extends Executable {
  /** Runs a phase `times` times with a clock around every call. */
  profile(phase: string, times: number): Promise<CallTime[]>;
}

/** A backend whose executables are {@linkcode CpuExecutable}s. */
export interface CpuBackend extends Backend {
  readonly limits: { readonly programBytes: number };
  fits(program: Program): Promise<boolean>;
  compile(program: Program): Promise<CpuExecutable>;
}

/** Opens the CPU. @throws {RangeError} If `threads` is not a whole number. */
export function openCpuBackend(options: CpuOptions = {}): Promise<CpuBackend> {
  const cpu = readCpuInfo();
  const threads = options.threads || cpu.cores;
  if (!Number.isInteger(threads) || threads < 1) {
    throw new RangeError(`Cannot start ${threads} threads`);
  }
  const kernels = loadKernels(options);
  const { precision, pauses } = options;
  return Promise.resolve(
    new OpenCpu({ cpu, kernels, threads, precision, pauses }),
  );
}

class OpenCpu implements CpuBackend {
  readonly device: DeviceInfo;
  readonly #kernels: Kernels;
  readonly #pool: WorkerPool;
  readonly #memories = new MemoryStore();
  #programs = 0;

  constructor(
    { cpu, kernels, threads, precision, pauses }: {
      cpu: CpuInfo;
      kernels: Kernels;
      threads: number;
      precision: CpuOptions["precision"];
      pauses: CpuOptions["pauses"];
    },
  ) {
    this.device = {
      backend: "cpu",
      id: "cpu",
      name: cpu.name,
      threads,
      ...precision === "bf16" && { precision },
      kernels: kernels.label,
      ...kernels.noNative !== null && { noNative: kernels.noNative },
    };
    this.#kernels = kernels;
    const { code } = kernels;
    this.#pool = new WorkerPool({ threads, code, pauses });
  }

  get limits(): { programBytes: number } {
    const { available } = Deno.systemMemoryInfo();
    return { programBytes: Math.min(MOST_BYTES, available) };
  }

  fits(program: Program): Promise<boolean> {
    const { code } = this.#kernels;
    const { threads } = this.#pool;
    const memory = this.#memories.take();
    try {
      const { totalBytes } = findPlaces(program, { code, memory, threads });
      return Promise.resolve(totalBytes <= this.limits.programBytes);
    } finally {
      this.#memories.give(memory);
    }
  }

  async compile(program: Program): Promise<CpuExecutable> {
    const { code } = this.#kernels;
    const { threads } = this.#pool;
    const memory = this.#memories.take();
    let layout: MemoryLayout;
    try {
      layout = layOut(program, { code, memory, threads });
    } catch (error) {
      this.#memories.give(memory);
      throw error;
    }
    const id = this.#programs++;
    await this.#pool.send((thread) => ({
      kind: "load",
      program: id,
      memory,
      sharedScratch: layout.sharedScratch,
      threadScratch: layout.threadScratch + thread * layout.threadScratchBytes,
    }));
    const pool = this.#pool;
    const memories = this.#memories;
    const parts = { id, pool, program, layout, memory, memories };
    return new LoadedProgram(parts);
  }

  async dispose(): Promise<void> {
    await this.#pool.close();
  }
}

interface LoadedParts {
  readonly id: number;
  readonly pool: WorkerPool;
  readonly program: Program;
  readonly layout: MemoryLayout;
  readonly memory: WebAssembly.Memory;
  /** Where the memory goes back to. */
  readonly memories: MemoryStore;
}

class LoadedProgram implements CpuExecutable {
  /** Null once disposed: another program may have the memory now. */
  #parts: LoadedParts | null;
  /** Why no further run is possible, or null. */
  #failure: Error | null = null;
  #lastRun: Promise<void> = Promise.resolve();

  constructor(parts: LoadedParts) {
    this.#parts = parts;
  }

  write(name: string, data: TensorData): void {
    const target = this.#view(name);
    const type = target instanceof Float32Array ? Float32Array : Uint32Array;
    expectData(name, data, { type, length: target.length });
    target.set(data);
  }

  run(phase: string): Promise<void> {
    return this.#start(phase, 0);
  }

  async profile(phase: string, times: number): Promise<CallTime[]> {
    const { program, layout, memory } = this.#open();
    const calls = program.phases[phase];
    const { profile } = layout;
    const { threads } = this.#open().pool;
    const count = calls.length, parts = 1 + count;
    const length = parts + count * threads;
    const clock = new Float64Array(memory.buffer, profile, length);
    const best = calls.map(() => ({ ms: Infinity, waitMs: 0 }));
    for (let run = 0; run < times; run++) {
      await this.#start(phase, profile);
      for (let i = 0; i < count; i++) {
        const [start, end] = clock.subarray(i, i + 2);
        if (end - start >= best[i].ms) continue;
        const ended = clock.subarray(parts + i * threads).subarray(0, threads);
        // A thread that was late for the whole call did not wait for its end.
        const waits = ended.reduce((sum, t) => sum + Math.max(0, end - t), 0);
        best[i] = { ms: end - start, waitMs: waits / threads };
      }
    }
    return calls.map(({ op, attrs }, i) => ({
      op,
      attrs: { ...attrs },
      ...best[i],
    }));
  }

  async read(name: string): Promise<TensorData> {
    await this.#lastRun;
    return this.#view(name).slice();
  }

  readAll(names: readonly string[]): Promise<TensorData[]> {
    return Promise.all(names.map((name) => this.read(name)));
  }

  async dispose(): Promise<void> {
    if (!this.#parts) return;
    const { id, pool, memory, memories } = this.#parts;
    this.#parts = null;
    await pool.send(() => ({ kind: "unload", program: id }));
    memories.give(memory);
  }

  #start(phase: string, profile: number): Promise<void> {
    const run = this.#run(phase, profile);
    this.#lastRun = run.catch(() => {}); // the caller of run sees it
    return run;
  }

  async #run(phase: string, profile: number): Promise<void> {
    const { id, pool, program, layout } = this.#open();
    const records = layout.phases.get(phase);
    if (!records) throw new TypeError(`Cannot run "${phase}": no such phase`);
    if (this.#failure) throw this.#failure;
    await this.#lastRun;
    try {
      await pool.run({ program: id, ...records, profile });
    } catch (cause) {
      this.#failure = explain(cause, phase, program);
      throw this.#failure;
    }
  }

  #open(): LoadedParts {
    if (!this.#parts) throw new TypeError("Cannot use a disposed executable");
    return this.#parts;
  }

  #view(name: string): TensorData {
    const { program, layout, memory } = this.#open();
    const tensor = program.persistent.get(name);
    if (!tensor) throw new TypeError(`Cannot find tensor "${name}"`);
    return viewOf(tensor, memory.buffer, layout.persistent);
  }
}

/** Adds what was being computed to the words of the failure. */
function explain(cause: unknown, phase: string, program: Program): Error {
  if (!(cause instanceof WorkerFailure) || cause.callIndex === null) {
    return new Error(`Cannot run "${phase}"`, { cause });
  }
  const { op } = program.phases[phase][cause.callIndex];
  return new Error(
    `Cannot run "${phase}": ${op} (call ${cause.callIndex}) failed: ` +
      cause.message,
    { cause },
  );
}

function viewOf(
  { dtype, shape, place }: PlacedTensor,
  buffer: ArrayBufferLike,
  start: number,
): TensorData {
  const array = dtype === "f32" ? Float32Array : Uint32Array;
  const at = start + place.offset;
  // TensorData names no buffer type, and so means ArrayBuffer; a view of a
  // shared one does all the same things.
  return new array(buffer as ArrayBuffer, at, sizeOf(shape));
}
