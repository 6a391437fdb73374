/**
 * What Vulkan's functions answer.
 *
 * @module
 */

/** VkResult. */
export const RESULT = {
  SUCCESS: 0,
  NOT_READY: 1,
  TIMEOUT: 2,
  INCOMPLETE: 5,
  ERROR_OUT_OF_HOST_MEMORY: -1,
  ERROR_OUT_OF_DEVICE_MEMORY: -2,
  ERROR_INITIALIZATION_FAILED: -3,
  ERROR_DEVICE_LOST: -4,
  ERROR_MEMORY_MAP_FAILED: -5,
  ERROR_LAYER_NOT_PRESENT: -6,
  ERROR_EXTENSION_NOT_PRESENT: -7,
  ERROR_FEATURE_NOT_PRESENT: -8,
  ERROR_INCOMPATIBLE_DRIVER: -9,
  ERROR_TOO_MANY_OBJECTS: -10,
  ERROR_FRAGMENTED_POOL: -12,
  ERROR_UNKNOWN: -13,
  ERROR_INVALID_SHADER_NV: -1000012000,
  ERROR_OUT_OF_POOL_MEMORY: -1000069000,
  ERROR_INVALID_EXTERNAL_HANDLE: -1000072003,
  ERROR_NOT_PERMITTED: -1000174001,
  ERROR_INVALID_OPAQUE_CAPTURE_ADDRESS: -1000257000,
} as const;

const NAMES = new Map<number, string>(
  Object.entries(RESULT).map(([name, code]) => [code, `VK_${name}`]),
);

const OUT_OF_MEMORY: readonly number[] = [
  RESULT.ERROR_OUT_OF_HOST_MEMORY,
  RESULT.ERROR_OUT_OF_DEVICE_MEMORY,
  RESULT.ERROR_TOO_MANY_OBJECTS,
];

/** A call that failed. */
export class VulkanError extends Error {
  override readonly name = "VulkanError";
  readonly result: number;

  constructor(result: number, call: string) {
    super(`${call}: ${NAMES.get(result) ?? `VkResult ${result}`}`);
    this.result = result;
  }

  /** Whether less would have been given. */
  get isOutOfMemory(): boolean {
    return OUT_OF_MEMORY.includes(this.result);
  }

  get isDeviceLost(): boolean {
    return this.result === RESULT.ERROR_DEVICE_LOST;
  }
}

/** @throws {VulkanError} If a call failed. */
export function check(result: number, call: string): void {
  if (result < 0) throw new VulkanError(result, call);
}
