/**
 * Compiled shaders with WebGPU's interface.
 *
 * @module
 */

import { errorMessage } from "../../base/errors.ts";
import { type CompiledShader, compileShader } from "../spirv/compile_shader.ts";
import type { BindGroupLayout, ShaderAccess } from "./bind_group.ts";
import {
  PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT,
  SHADER_STAGE_COMPUTE_BIT,
} from "./constants.ts";
import { DeviceError } from "./error_scopes.ts";
import type { LogicalDevice } from "./logical_device.ts";
import { NativeMemory, scratch } from "./native_memory.ts";
import { check } from "./result.ts";
import {
  ComputePipelineCreateInfo,
  PipelineLayoutCreateInfo,
  PipelineShaderStageRequiredSubgroupSizeCreateInfo,
  ShaderModuleCreateInfo,
} from "./structs.ts";

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

/** A shader that can be run. */
export class ComputePipeline implements ShaderAccess {
  readonly label: string;
  readonly handle: bigint;
  readonly layout: PipelineLayout;
  /** What the shader does with each binding of group 0 that it uses. */
  readonly access: ReadonlyMap<number, "read" | "read_write">;
  readonly #device: LogicalDevice;

  /** @throws {VulkanError} If the driver cannot compile it. */
  constructor(
    device: LogicalDevice,
    { label = "", layout, module }: {
      label?: string;
      layout: PipelineLayout;
      module: ShaderModule;
    },
  ) {
    this.label = label;
    this.layout = layout;
    this.#device = device;
    const { shader } = module;
    expectFits(device, { label, shader });
    this.access = new Map(
      shader.bindings.map(({ binding, access }) => [binding, access]),
    );
    this.handle = compile(device, { shader, layout: layout.handle });
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
  { physical: { limits } }: LogicalDevice,
  { label, shader: { workgroupSize } }: {
    label: string;
    shader: CompiledShader;
  },
): void {
  const invocations = workgroupSize.reduce((all, one) => all * one, 1);
  const isWide = workgroupSize.some((one, i) =>
    one > limits.maxWorkgroupSize[i]
  );
  if (!isWide && invocations <= limits.maxInvocations) return;
  throw new DeviceError(
    "validation",
    `Cannot run shader "${label}": its workgroups are of ` +
      `${workgroupSize.join("x")}, the device allows ` +
      `${limits.maxInvocations} invocations and ` +
      limits.maxWorkgroupSize.join("x"),
  );
}

function compile(
  { vk, handle: device, physical }: LogicalDevice,
  { shader, layout }: { shader: CompiledShader; layout: bigint },
): bigint {
  const { words, capabilities } = shader;
  // Too large for the scratch memory, some.
  const code = new NativeMemory(words.byteLength);
  return scratch.during(() => {
    const result = scratch.take(8);
    const module = scratch.write(ShaderModuleCreateInfo, {
      codeSize: BigInt(words.byteLength),
      pCode: code.writeWords(words),
    });
    check(
      vk.vkCreateShaderModule(device, module, 0n, result),
      "vkCreateShaderModule",
    );
    const moduleHandle = scratch.readHandle(result);
    try {
      // The lanes of a matrix product are those of one whole subgroup.
      const isMatrix = capabilities.includes("cooperativeMatrix");
      const { canFixSubgroupSize, computeFullSubgroups } = physical.features;
      const size = scratch.write(
        PipelineShaderStageRequiredSubgroupSizeCreateInfo,
        { requiredSubgroupSize: physical.subgroupSize },
      );
      const info = scratch.write(ComputePipelineCreateInfo, {
        stage: {
          pNext: isMatrix && canFixSubgroupSize ? size : 0n,
          flags: isMatrix && computeFullSubgroups
            ? PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT
            : 0,
          stage: SHADER_STAGE_COMPUTE_BIT,
          module: moduleHandle,
          pName: scratch.writeText("main"),
        },
        layout,
        basePipelineIndex: -1,
      });
      check(
        vk.vkCreateComputePipelines(device, 0n, 1, info, 0n, result),
        "vkCreateComputePipelines",
      );
      return scratch.readHandle(result);
    } finally {
      vk.vkDestroyShaderModule(device, moduleHandle, 0n);
    }
  });
}
