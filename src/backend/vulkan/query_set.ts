/**
 * Places for what the device's clock shows.
 *
 * @module
 */

import { QUERY_TYPE_TIMESTAMP } from "./api/constants.ts";
import { scratch } from "./api/native_memory.ts";
import { check } from "./api/result.ts";
import { QueryPoolCreateInfo } from "./api/structs.ts";
import type { LogicalDevice } from "./driver/logical_device.ts";
import { DeviceError } from "./error_scopes.ts";

/** What is done when a set is not needed any more. */
type OnDestroy = (querySet: QuerySet) => void;

/** A query set with WebGPU's interface. */
export class QuerySet {
  readonly label: string;
  readonly count: number;
  readonly handle: bigint;
  /** The last submission that uses it. */
  lastUse = 0;
  readonly #onDestroy: OnDestroy;
  #isDestroyed = false;

  /** @throws {DeviceError} If the device has no clock. */
  constructor(
    { vk, handle: device, physical }: LogicalDevice,
    { label = "", type, count }: GPUQuerySetDescriptor,
    onDestroy: OnDestroy,
  ) {
    if (type !== "timestamp" || physical.features.timestampBits === 0) {
      throw new DeviceError(
        "validation",
        `Cannot make query set "${label}": the device has no ${type} queries`,
      );
    }
    this.label = label;
    this.count = count;
    this.#onDestroy = onDestroy;
    this.handle = scratch.during(() => {
      const pool = scratch.take(8);
      const info = scratch.write(QueryPoolCreateInfo, {
        queryType: QUERY_TYPE_TIMESTAMP,
        queryCount: count,
      });
      check(vk.vkCreateQueryPool(device, info, 0n, pool), "vkCreateQueryPool");
      return scratch.readHandle(pool);
    });
  }

  get isUsable(): boolean {
    return !this.#isDestroyed;
  }

  destroy(): undefined {
    if (this.#isDestroyed) return;
    this.#isDestroyed = true;
    this.#onDestroy(this);
  }
}
