/**
 * Command buffers of the driver, used again when the device is done with them.
 *
 * @module
 */

import {
  COMMAND_BUFFER_LEVEL_PRIMARY,
  COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
  COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
} from "../api/constants.ts";
import { scratch } from "../api/native_memory.ts";
import { check } from "../api/result.ts";
import {
  CommandBufferAllocateInfo,
  CommandBufferBeginInfo,
  CommandPoolCreateInfo,
} from "../api/structs.ts";
import type { LogicalDevice } from "../driver/logical_device.ts";
import type { Timeline } from "../timeline.ts";

/** The command buffers of a queue. */
export class CommandBuffers {
  readonly #device: LogicalDevice;
  readonly #timeline: Timeline;
  readonly #pool: bigint;
  /** In the order of their submissions. */
  readonly #busy: { handle: bigint; submission: number }[] = [];

  constructor(device: LogicalDevice, timeline: Timeline) {
    this.#device = device;
    this.#timeline = timeline;
    this.#pool = scratch.during(() => {
      const pool = scratch.take(8);
      const info = scratch.write(CommandPoolCreateInfo, {
        flags: COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
        queueFamilyIndex: device.physical.queueFamily,
      });
      check(
        device.vk.vkCreateCommandPool(device.handle, info, 0n, pool),
        "vkCreateCommandPool",
      );
      return scratch.readHandle(pool);
    });
  }

  /** Runs `record` on an open command buffer for a submission to come. */
  record(submission: number, record: (handle: bigint) => void): bigint {
    const { vk } = this.#device;
    const handle = this.#take();
    // Whatever happens, it is free again after that submission.
    this.#busy.push({ handle, submission });
    const flags = COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
    scratch.during(() =>
      check(
        vk.vkBeginCommandBuffer(
          handle,
          scratch.write(CommandBufferBeginInfo, { flags }),
        ),
        "vkBeginCommandBuffer",
      )
    );
    record(handle);
    check(vk.vkEndCommandBuffer(handle), "vkEndCommandBuffer");
    return handle;
  }

  destroy(): void {
    const { vk, handle } = this.#device;
    vk.vkDestroyCommandPool(handle, this.#pool, 0n);
  }

  #take(): bigint {
    const [oldest] = this.#busy;
    if (oldest && this.#timeline.isDone(oldest.submission)) {
      this.#busy.shift();
      return oldest.handle;
    }
    const { vk, handle: device } = this.#device;
    return scratch.during(() => {
      const result = scratch.take(8);
      const info = scratch.write(CommandBufferAllocateInfo, {
        commandPool: this.#pool,
        level: COMMAND_BUFFER_LEVEL_PRIMARY,
        commandBufferCount: 1,
      });
      check(
        vk.vkAllocateCommandBuffers(device, info, result),
        "vkAllocateCommandBuffers",
      );
      return scratch.readHandle(result);
    });
  }
}
