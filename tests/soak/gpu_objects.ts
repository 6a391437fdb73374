/**
 * Counts the WebGPU objects of this process, by watching who makes them.
 *
 * @module
 */

/** How many of a kind were made, and for buffers how many are left. */
export interface GpuObjects {
  /** Made and not destroyed. */
  readonly buffers: number;
  readonly buffersMade: number;
  readonly bindGroups: number;
  readonly shaders: number;
  readonly pipelines: number;
}

/** Begins to count; to be called before a device is opened. */
export function watchGpuObjects(): () => GpuObjects {
  const made = new Map<string, number>();
  const count = (name: string) => made.set(name, (made.get(name) ?? 0) + 1);
  const watch = (prototype: object, name: string) => {
    const methods = prototype as Record<
      string,
      (...args: unknown[]) => unknown
    >;
    const method = methods[name];
    methods[name] = function (...args) {
      count(name);
      return method.apply(this, args);
    };
  };
  watch(GPUDevice.prototype, "createBuffer");
  watch(GPUDevice.prototype, "createBindGroup");
  watch(GPUDevice.prototype, "createShaderModule");
  watch(GPUDevice.prototype, "createComputePipeline");
  watch(GPUBuffer.prototype, "destroy");
  const of = (name: string) => made.get(name) ?? 0;
  return () => ({
    buffers: of("createBuffer") - of("destroy"),
    buffersMade: of("createBuffer"),
    bindGroups: of("createBindGroup"),
    shaders: of("createShaderModule"),
    pipelines: of("createComputePipeline"),
  });
}
