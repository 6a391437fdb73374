/**
 * Compiled shaders by their text, so that equal calls share one.
 *
 * @module
 */

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
  readonly #device: GPUDevice;
  readonly #pipelines = new Map<string, GPUComputePipeline>();
  readonly #layouts = new Map<string, GPUPipelineLayout>();

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** How many different shaders there are. */
  get size(): number {
    return this.#pipelines.size;
  }

  /** The pipeline of a dispatch. */
  get(placed: PlacedDispatch): GPUComputePipeline {
    const text = shaderText(placed.dispatch, placed.writable);
    const known = this.#pipelines.get(text);
    if (known) return known;
    const descriptor = this.#descriptor(placed, text);
    const pipeline = this.#device.createComputePipeline(descriptor);
    this.#pipelines.set(text, pipeline);
    return pipeline;
  }

  /**
   * Compiles what is not known yet, `atOnce` shaders at a time, for a device
   * that does so in threads of its own.
   */
  async compileAll(
    all: readonly PlacedDispatch[],
    atOnce: number,
  ): Promise<void> {
    const missing = new Map<string, PlacedDispatch>();
    for (const placed of all) {
      const text = shaderText(placed.dispatch, placed.writable);
      if (!this.#pipelines.has(text)) missing.set(text, placed);
    }
    const queue = missing.entries(); // which all workers take from
    const work = async () => {
      for (const [text, placed] of queue) {
        try {
          const descriptor = this.#descriptor(placed, text);
          const pipeline = await this.#device
            .createComputePipelineAsync(descriptor);
          this.#pipelines.set(text, pipeline);
        } catch (error) {
          missing.clear(); // nobody begins another
          throw error;
        }
      }
    };
    const works = Array.from({ length: atOnce }, work);
    await Promise.allSettled(works);
    await Promise.all(works); // which throws the first failure
  }

  /** Compiles them anew the next time. */
  forget(all: readonly PlacedDispatch[]): void {
    for (const { dispatch, writable } of all) {
      this.#pipelines.delete(shaderText(dispatch, writable));
    }
  }

  #descriptor(
    { dispatch: { label }, writable }: PlacedDispatch,
    code: string,
  ): GPUComputePipelineDescriptor {
    return {
      label,
      layout: this.#layout(writable),
      compute: {
        module: this.#device.createShaderModule({ label, code }),
        entryPoint: "main",
      },
    };
  }

  /** What a shader declares and does not use must be in the layout too. */
  #layout(writable: readonly boolean[]): GPUPipelineLayout {
    const key = writable.map(Number).join("");
    const known = this.#layouts.get(key);
    if (known) return known;
    const group = this.#device.createBindGroupLayout({
      entries: writable.map((written, binding) => ({
        binding,
        visibility: GPUShaderStage.COMPUTE,
        buffer: { type: written ? "storage" : "read-only-storage" },
      })),
    });
    const layout = this.#device.createPipelineLayout({
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
