/**
 * Programs on the machine of _machine.ts.
 *
 * @module
 */

import type {
  Backend,
  Executable,
  TensorData,
} from "../../../src/backend/backend.ts";
import { compileShader } from "../../../src/backend/spirv/compile_shader.ts";
import {
  bytesPerNumber,
  type GpuTensor,
  type Memory,
} from "../../../src/backend/webgpu/dispatch.ts";
import { shaderText } from "../../../src/backend/webgpu/loading/pipelines.ts";
import {
  lower,
  type LowerOptions,
} from "../../../src/backend/webgpu/lowering/lower.ts";
import type { Program } from "../../../src/graph/program.ts";
import { SpirvMachine } from "./_machine.ts";

/** What a kernel must not take for a number: it is NaN in f32 and f16. */
const NOTHING = 0xff;

/**
 * Opens the machine; `options` are those of the kernels, and how many threads a
 * subgroup has.
 */
export function openSpirvMachine(
  options: LowerOptions & { lanes?: number },
): Backend {
  return {
    device: {
      ...{
        backend: "vulkan",
        id: "machine",
        name: "SPIR-V",
        kernels: "SPIR-V",
      },
    },
    compile: (program) => Promise.resolve(new Loaded(program, options)),
    dispose: () => Promise.resolve(),
  };
}

class Loaded implements Executable {
  readonly isQueued = false;
  readonly #lanes?: number;
  readonly #lowered: ReturnType<typeof lower>;
  readonly #memories = new Map<Memory, Uint8Array<ArrayBuffer>>();
  readonly #machines = new Map<string, SpirvMachine>();

  constructor(program: Program, options: LowerOptions & { lanes?: number }) {
    this.#lanes = options.lanes;
    this.#lowered = lower(program, options);
  }

  write(name: string, data: TensorData): void {
    const bytes = this.#bytes(this.#named(name));
    bytes.set(
      new Uint8Array(
        data.buffer as ArrayBuffer,
        data.byteOffset,
        data.byteLength,
      ),
    );
  }

  run(phase: string): Promise<void> {
    for (const dispatch of this.#lowered.phases.get(phase)!) {
      const { bindings, workgroups, label } = dispatch;
      const text = shaderText(dispatch, bindings.map(({ written }) => written));
      const machine = this.#machines.get(text) ??
        new SpirvMachine(compileShader(text).words, this.#lanes);
      this.#machines.set(text, machine);
      try {
        machine.run(
          workgroups,
          bindings.map(({ tensor, type }) => this.#bytes(tensor, type)),
        );
      } catch (cause) {
        throw new Error(`${label}: ${(cause as Error).message}`, { cause });
      }
    }
    return Promise.resolve();
  }

  read(name: string): Promise<TensorData> {
    const tensor = this.#named(name);
    const copy = this.#bytes(tensor).slice().buffer;
    return Promise.resolve(
      tensor.dtype === "f32"
        ? new Float32Array(copy, 0, tensor.length)
        : new Uint32Array(
          copy,
          0,
          tensor.length * bytesPerNumber(tensor.dtype) / 4,
        ),
    );
  }

  readAll(names: readonly string[]): Promise<TensorData[]> {
    return Promise.all(names.map((name) => this.read(name)));
  }

  dispose(): Promise<void> {
    return Promise.resolve();
  }

  #named(name: string): GpuTensor {
    return this.#lowered.persistent.get(name)!;
  }

  /** A tensor's memory: as vectors are read, whole ones; else no more than it. */
  #bytes(
    { memory, offset, length, dtype }: GpuTensor,
    type?: string,
  ): Uint8Array<ArrayBuffer> {
    let bytes = this.#memories.get(memory);
    if (!bytes) {
      bytes = new Uint8Array(Math.ceil(memory.sizeBytes / 16) * 16);
      if (typeof memory.lifetime !== "string") bytes.fill(NOTHING);
      if (memory.content) bytes.set(new Uint8Array(memory.content.buffer));
      this.#memories.set(memory, bytes);
    }
    const isExact = type === "f32" || type === "u32";
    const numbers = isExact ? length : Math.ceil(length / 4) * 4;
    const size = numbers * bytesPerNumber(dtype);
    return bytes.subarray(offset, offset + size);
  }
}
