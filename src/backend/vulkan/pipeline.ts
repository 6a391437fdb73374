/**
 * Compiled shaders with WebGPU's interface.
 *
 * @module
 */

import { errorMessage } from "../../base/errors.ts";
import { type CompiledShader, compileShader } from "../spirv/compile_shader.ts";
import {
  PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT,
  SHADER_STAGE_COMPUTE_BIT,
} from "./api/constants.ts";
import { NativeMemory, scratch } from "./api/native_memory.ts";
import { check } from "./api/result.ts";
import {
  ComputePipelineCreateInfo,
  PipelineLayoutCreateInfo,
  PipelineShaderStageRequiredSubgroupSizeCreateInfo,
  ShaderModuleCreateInfo,
} from "./api/structs.ts";
import type { BindGroupLayout, ShaderAccess } from "./bind_group.ts";
import type { LogicalDevice } from "./driver/logical_device.ts";
import type { OptionalFeatures } from "./driver/physical_device.ts";
import { DeviceError } from "./error_scopes.ts";

/** A shader as the driver takes it. */
export class ShaderModule {
  readonly label: string;
  readonly shader: CompiledShader;

  /** @throws {DeviceError} If the text does not compile. */
  constructor({ label = "", code }: GPUShaderModuleDescriptor) {
    this.label = label;
    try {
      this.shader = compileShader(code);
    } catch (error) {
      throw new DeviceError(
        "validation",
        `Cannot compile shader "${label}": ${errorMessage(error)}`,
      );
    }
  }
}

/** The layouts of a pipeline's groups. */
export class PipelineLayout {
  readonly label: string;
  readonly handle: bigint;
  readonly groups: readonly BindGroupLayout[];
  readonly #device: LogicalDevice;

  constructor(
    device: LogicalDevice,
    { label = "", groups }: {
      label?: string;
      groups: readonly BindGroupLayout[];
    },
  ) {
    this.label = label;
    this.groups = groups;
    this.#device = device;
    this.handle = scratch.during(() => {
      const layout = scratch.take(8);
      const info = scratch.write(PipelineLayoutCreateInfo, {
        setLayoutCount: groups.length,
        pSetLayouts: scratch.writeHandles(groups.map(({ handle }) => handle)),
      });
      check(
        device.vk.vkCreatePipelineLayout(device.handle, info, 0n, layout),
        "vkCreatePipelineLayout",
      );
      return scratch.readHandle(layout);
    });
  }

  destroy(): void {
    const { vk, handle } = this.#device;
    vk.vkDestroyPipelineLayout(handle, this.handle, 0n);
  }
}

/** What a pipeline is made of. */
export interface PipelineParts {
  readonly label?: string;
  readonly layout: PipelineLayout;
  readonly module: ShaderModule;
}

/** A shader that can be run. */
export class ComputePipeline implements ShaderAccess {
  readonly label: string;
  readonly handle: bigint;
  readonly layout: PipelineLayout;
  /** What the shader does with each binding of group 0 that it uses. */
  readonly access: ReadonlyMap<number, "read" | "read_write">;
  readonly #device: LogicalDevice;

  private constructor(
    device: LogicalDevice,
    { label = "", layout, module }: PipelineParts,
    handle: bigint,
  ) {
    this.label = label;
    this.layout = layout;
    this.handle = handle;
    this.#device = device;
    this.access = new Map(
      module.shader.bindings.map(({ binding, access }) => [binding, access]),
    );
  }

  /** @throws {VulkanError} If the driver cannot compile it. */
  static compile(
    device: LogicalDevice,
    parts: PipelineParts,
  ): ComputePipeline {
    const compilation = new Compilation(device, parts);
    try {
      return new ComputePipeline(device, parts, compilation.now());
    } finally {
      compilation.free();
    }
  }

  /** The same in a thread of its own. */
  static async compileAside(
    device: LogicalDevice,
    parts: PipelineParts,
  ): Promise<ComputePipeline> {
    const compilation = new Compilation(device, parts);
    try {
      return new ComputePipeline(device, parts, await compilation.aside());
    } finally {
      compilation.free();
    }
  }

  getBindGroupLayout(index: number): BindGroupLayout {
    return this.layout.groups[index];
  }

  destroy(): void {
    const { vk, handle } = this.#device;
    vk.vkDestroyPipeline(handle, this.handle, 0n);
  }
}

/** What no driver need refuse by itself. */
function expectFits(
  { physical: { limits, features } }: LogicalDevice,
  { label, shader: { workgroupSize, capabilities } }: {
    label: string;
    shader: CompiledShader;
  },
): void {
  const refuse = (why: string) => {
    throw new DeviceError(
      "validation",
      `Cannot run shader "${label}": ${why}`,
    );
  };
  const missing = capabilities.filter((one) => !hasCapability(features, one));
  if (missing.length > 0) refuse(`the device lacks ${missing.join(", ")}`);
  const invocations = workgroupSize.reduce((all, one) => all * one, 1);
  const isWide = workgroupSize.some((one, i) =>
    one > limits.maxWorkgroupSize[i]
  );
  if (isWide || invocations > limits.maxInvocations) {
    refuse(
      `its workgroups are of ${workgroupSize.join("x")}, the device allows ` +
        `${limits.maxInvocations} invocations and ` +
        limits.maxWorkgroupSize.join("x"),
    );
  }
}

/** Whether a device was opened with what a shader asks of it. */
function hasCapability(
  features: OptionalFeatures,
  capability: CompiledShader["capabilities"][number],
): boolean {
  switch (capability) {
    case "shader":
      return true;
    case "float16":
      return features.shaderFloat16;
    case "int64":
      return features.shaderInt64;
    case "groupNonUniform":
    case "groupNonUniformVote":
    case "groupNonUniformShuffle":
      return features.hasSubgroups;
    case "storageBuffer16BitAccess":
      return features.storageBuffer16BitAccess;
    case "vulkanMemoryModel":
      return features.vulkanMemoryModel;
    case "cooperativeMatrix":
      return features.cooperativeMatrix;
    case "bFloat16Type":
      return features.bfloat16;
    case "bFloat16CooperativeMatrix":
      return features.bfloat16Matrix;
  }
}

/** Structures of a pipeline but for the shader's words. */
const INFO_BYTES = 512;

/** One call of the driver's compiler, in memory of its own. */
class Compilation {
  readonly #device: LogicalDevice;
  readonly #memory: NativeMemory;
  readonly #info: bigint;
  readonly #result: bigint;
  readonly #module: bigint;

  constructor(
    device: LogicalDevice,
    { label = "", layout, module: { shader } }: PipelineParts,
  ) {
    expectFits(device, { label, shader });
    const { vk, handle, physical } = device;
    const { words, capabilities } = shader;
    const memory = new NativeMemory(words.byteLength + INFO_BYTES);
    this.#device = device;
    this.#memory = memory;
    this.#result = memory.take(8);
    const module = memory.write(ShaderModuleCreateInfo, {
      codeSize: BigInt(words.byteLength),
      pCode: memory.writeWords(words),
    });
    check(
      vk.vkCreateShaderModule(handle, module, 0n, this.#result),
      "vkCreateShaderModule",
    );
    this.#module = memory.readHandle(this.#result);
    // The lanes of a matrix product are those of one whole subgroup.
    const isMatrix = capabilities.includes("cooperativeMatrix");
    const { canFixSubgroupSize, computeFullSubgroups } = physical.features;
    const size = memory.write(
      PipelineShaderStageRequiredSubgroupSizeCreateInfo,
      { requiredSubgroupSize: physical.subgroupSize },
    );
    this.#info = memory.write(ComputePipelineCreateInfo, {
      stage: {
        pNext: isMatrix && canFixSubgroupSize ? size : 0n,
        flags: isMatrix && computeFullSubgroups
          ? PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT
          : 0,
        stage: SHADER_STAGE_COMPUTE_BIT,
        module: this.#module,
        pName: memory.writeText("main"),
      },
      layout: layout.handle,
      basePipelineIndex: -1,
    });
  }

  /** The pipeline. @throws {VulkanError} */
  now(): bigint {
    const { vk, handle } = this.#device;
    return this.#made(
      vk.vkCreateComputePipelines(handle, 0n, 1, this.#info, 0n, this.#result),
    );
  }

  /** The same; this thread goes on meanwhile. */
  async aside(): Promise<bigint> {
    const { vk, handle } = this.#device;
    return this.#made(
      await vk.createComputePipelinesAside(
        ...[handle, 0n, 1, this.#info, 0n, this.#result] as const,
      ),
    );
  }

  free(): void {
    const { vk, handle } = this.#device;
    vk.vkDestroyShaderModule(handle, this.#module, 0n);
  }

  #made(result: number): bigint {
    check(result, "vkCreateComputePipelines");
    return this.#memory.readHandle(this.#result);
  }
}
