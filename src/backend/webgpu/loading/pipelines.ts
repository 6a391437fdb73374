/**
 * Compiled shaders by their text, so that equal calls share one.
 *
 * @module
 */

import type { GpuDevice } from "../device/device.ts";
import type { Binding, Dispatch } from "../dispatch.ts";
import { bfloatFunctions } from "../shader/bfloat.ts";
import { twoByteAccess } from "../shader/two_byte_access.ts";

/** A dispatch where its memory lies. */
export interface PlacedDispatch {
  readonly dispatch: Dispatch;
  /** Of each binding, whether its buffer is written. */
  readonly writable: readonly boolean[];
}

/** Compiles shaders of one device, each once. */
export class PipelineCache {
  readonly #gpu: GpuDevice;
  readonly #pipelines = new Map<string, GPUComputePipeline>();
  readonly #layouts = new Map<string, GPUPipelineLayout>();

  constructor(gpu: GpuDevice) {
    this.#gpu = gpu;
  }

  /** How many different shaders there are. */
  get size(): number {
    return this.#pipelines.size;
  }

  /**
   * The pipelines of dispatches, in their order. Compiles what is not known
   * yet, several at a time where the device does so in threads of its own.
   *
   * @throws {Error} For the first that the device refuses; all others are known
   * from then on, as who tries again leaves out that one.
   */
  async compileAll(
    all: readonly PlacedDispatch[],
  ): Promise<GPUComputePipeline[]> {
    const texts = all.map(({ dispatch, writable }) =>
      shaderText(dispatch, writable)
    );
    const missing = new Map<string, PlacedDispatch>();
    for (const [i, text] of texts.entries()) {
      if (!this.#pipelines.has(text)) missing.set(text, all[i]);
    }
    const failures = new Map<string, unknown>();
    const queue = missing.entries(); // which all workers take from
    const work = async () => {
      for (const [text, placed] of queue) {
        try {
          this.#pipelines.set(text, await this.#compile(placed, text));
        } catch (error) {
          failures.set(text, error);
        }
      }
    };
    await Promise.all(Array.from({ length: this.#gpu.shadersAtOnce }, work));
    const refused = texts.find((text) => failures.has(text));
    if (refused !== undefined) throw failures.get(refused);
    return texts.map((text) => this.#pipelines.get(text)!);
  }

  /** @throws {Error} If the device refuses it. */
  async #compile(
    placed: PlacedDispatch,
    text: string,
  ): Promise<GPUComputePipeline> {
    const { device, shadersAtOnce } = this.#gpu;
    if (shadersAtOnce > 1) { // and throws what it refuses
      const descriptor = this.#descriptor(placed, text);
      return await device.createComputePipelineAsync(descriptor);
    }
    // WebGPU gives a pipeline also where it refuses the shader.
    return await this.#gpu.expect("validation", () => {
      const descriptor = this.#descriptor(placed, text);
      return device.createComputePipeline(descriptor);
    });
  }

  #descriptor(
    { dispatch: { label }, writable }: PlacedDispatch,
    code: string,
  ): GPUComputePipelineDescriptor {
    return {
      label,
      layout: this.#layout(writable),
      compute: {
        module: this.#gpu.device.createShaderModule({ label, code }),
        entryPoint: "main",
      },
    };
  }

  /** What a shader declares and does not use must be in the layout too. */
  #layout(writable: readonly boolean[]): GPUPipelineLayout {
    const key = writable.map(Number).join("");
    const known = this.#layouts.get(key);
    if (known) return known;
    const group = this.#gpu.device.createBindGroupLayout({
      entries: writable.map((written, binding) => ({
        binding,
        visibility: GPUShaderStage.COMPUTE,
        buffer: { type: written ? "storage" : "read-only-storage" },
      })),
    });
    const layout = this.#gpu.device.createPipelineLayout({
      bindGroupLayouts: [group],
    });
    this.#layouts.set(key, layout);
    return layout;
  }
}

/**
 * The whole shader of a dispatch.
 *
 * @param writable Of each binding, whether its buffer is written.
 */
export function shaderText(
  { bindings, code, enables = [] }: Pick<
    Dispatch,
    "bindings" | "code" | "enables"
  >,
  writable: readonly boolean[],
): string {
  const access = twoByteAccess(bindings, { code, writable });
  const declarations = bindings.map((binding, i) =>
    declaration(binding, i, writable[i])
  );
  return directives([...access.enables, ...enables]) +
    declarations.join("\n") + bfloatFunctions(access.code) + access.code;
}

function declaration(
  { name, type }: Binding,
  index: number,
  writable: boolean,
): string {
  const access = writable ? "read_write" : "read";
  return `@group(0) @binding(${index}) ` +
    `var<storage, ${access}> ${name}: array<${type}>;`;
}

/** WGSL: asks for extensions, each once. */
function directives(enables: readonly string[]): string {
  return [...new Set(enables)].map((name) => `enable ${name};\n`).join("");
}
