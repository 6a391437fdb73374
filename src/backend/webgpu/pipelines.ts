/**
 * Compiled shaders by their text, so that equal calls share one.
 *
 * @module
 */

import type { Binding, Dispatch } from "./dispatch.ts";
import { twoByteAccess } from "./two_bytes.ts";

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

  /**
   * The pipeline of a dispatch.
   *
   * @param writable Of each binding, whether its buffer is written.
   */
  get(dispatch: Dispatch, writable: readonly boolean[]): GPUComputePipeline {
    const { label } = dispatch;
    const text = shaderText(dispatch, writable);
    const known = this.#pipelines.get(text);
    if (known) return known;
    const pipeline = this.#device.createComputePipeline({
      label,
      layout: this.#layout(writable),
      compute: {
        module: this.#device.createShaderModule({ label, code: text }),
        entryPoint: "main",
      },
    });
    this.#pipelines.set(text, pipeline);
    return pipeline;
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
    declarations.join("\n") + access.code;
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
