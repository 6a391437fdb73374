/**
 * What a backend is: a device that compiles step programs and runs them.
 *
 * @module
 */

import type { Program } from "../graph/program.ts";
import type { AdapterInfo } from "./webgpu/device/adapters.ts";

/** The device a backend runs on, as shown to people and kept in meta.json. */
export interface DeviceInfo {
  /** Which executor; that of WebGPU works through Vulkan as well. */
  readonly backend: "reference" | "cpu" | "webgpu" | "vulkan";
  /** How to ask for it again: `cpu`, `webgpu:0`, `vulkan:0`, `software` … */
  readonly id: string;
  /** What it is called: the CPU's or the adapter's own name. */
  readonly name: string;
  /** Arithmetic of the matrix products; absent is fp32. */
  readonly precision?: "bf16" | "fp16";
  /** Worker threads, for a CPU. */
  readonly threads?: number;
  /** Which kernels run, and why: for `doctor` and meta.json. */
  readonly kernels: string;
  /** Why matrix products do not run in native code, if a CPU's do not. */
  readonly noNative?: string;
  /** Why they do not run on the matrix unit of a graphics adapter, if so. */
  readonly noUnit?: string;
  /** What the system's tools know a graphics adapter by. */
  readonly adapter?: Pick<
    AdapterInfo,
    "vendorId" | "deviceId" | "pciAddress" | "uuid" | "isSoftware"
  >;
}

/** Numbers as they go in and out of an executable. */
export type TensorData = Float32Array | Uint32Array;

/** How many numbers an executable keeps for a later look. */
export const KEPT_PLACES = 256;

/** A compiled program with its memory. */
export interface Executable {
  /**
   * Overwrites a persistent tensor. Takes effect before the next `run`.
   *
   * @param data Exactly as many elements as the tensor has.
   */
  write(name: string, data: TensorData): void;
  /** Whether `run` resolves before its work is done, as on a GPU. */
  readonly isQueued?: boolean;
  /** Runs one phase; resolves when it is done, or queued. */
  run(phase: string): Promise<void>;
  /** A copy of a persistent tensor, once all earlier runs are done. */
  read(name: string): Promise<TensorData>;
  /**
   * The same for several tensors at once: a device is waited for once.
   *
   * @returns In the order of `names`.
   */
  readAll(names: readonly string[]): Promise<TensorData[]>;
  /**
   * Copies the first element of a persistent f32 tensor, as all earlier runs
   * leave it, to place `index` of {@linkcode KEPT_PLACES}, without waiting.
   * Only where `isQueued`.
   */
  keep?(name: string, index: number): void;
  /** The first `count` of these places, once all earlier runs are done. */
  readKept?(count: number): Promise<Float32Array>;
  /**
   * Rejects if something has gone wrong on a device that tells it only later:
   * what was read before may be wrong then.
   *
   * @throws {UserError} With the device's words.
   */
  expectSound?(): Promise<void>;
  /** Frees the memory. No other call may be under way or follow. */
  dispose(): Promise<void>;
}

/** An open device. */
export interface Backend {
  /** Which device it is, and which kernels run on it. */
  readonly device: DeviceInfo;
  /** How large a program may be, as far as the device tells. */
  readonly limits?: {
    /** All of its memory. */
    readonly programBytes?: number;
    /** Its largest tensor. */
    readonly tensorBytes?: number;
  };
  /**
   * Gives the program its memory; all persistent tensors begin as 0.
   *
   * @throws {UserError} If the program does not fit the device's memory.
   */
  compile(program: Program): Promise<Executable>;
  /**
   * Whether the program would fit the device's memory now. Absent where there
   * is no bound to it.
   */
  fits?(program: Program): Promise<boolean>;
  /**
   * What a program takes of the device's memory, and its largest tensor, in
   * bytes. Absent where that is what the program says itself, which knows
   * nothing of numbers that are stored in two bytes.
   */
  memoryOf?(program: Program): { total: number; largest: number };
  /**
   * Chooses among kernels that differ in speed and last bits, for what is
   * compiled from then on. Absent where there is nothing to choose.
   *
   * @returns What was chosen for the program, to be kept with what it
   * computes: given back as `recorded` it gives the same bits.
   */
  chooseKernels?(
    program: Program,
    options: ChooseKernelsOptions,
  ): Promise<KernelChoices>;
  /** Ends worker threads and frees the device, executables included. */
  dispose(): Promise<void>;
}

/** Kernels in words, by what they compute. */
export type KernelChoices = Readonly<Record<string, string>>;

/** How kernels are chosen. */
export interface ChooseKernelsOptions {
  /** What was chosen before, on this device. */
  readonly recorded?: KernelChoices;
  /** Whether to time them, or what is known of them suffices. */
  readonly tune: boolean;
  /** Told of kernels that the device does not compile, in one line. */
  readonly onNote?: (note: string) => void;
}
