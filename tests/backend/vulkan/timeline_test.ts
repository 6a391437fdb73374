/**
 * What a queue's counter says of a lost device, by drivers of our own: no
 * driver loses its device at will.
 */

import assert from "node:assert/strict";
import { RESULT, VulkanError } from "../../../src/backend/vulkan/api/result.ts";
import type { LogicalDevice } from "../../../src/backend/vulkan/driver/logical_device.ts";
import { Timeline } from "../../../src/backend/vulkan/timeline.ts";

/** A timeline with one submission, of a driver that answers so. */
function timelineOf({ value, wait }: { value: bigint; wait: number }) {
  const vk = {
    vkCreateSemaphore: () => RESULT.SUCCESS,
    vkDestroySemaphore: () => {},
    vkGetSemaphoreCounterValue: (
      _device: bigint,
      _semaphore: bigint,
      address: bigint,
    ) => {
      const place = Deno.UnsafePointer.create(address)!;
      const bytes = Deno.UnsafePointerView.getArrayBuffer(place, 8);
      new DataView(bytes).setBigUint64(0, value, true);
      bytes.transfer(0);
      return RESULT.SUCCESS;
    },
    vkWaitSemaphores: () => wait,
    waitSemaphoresAside: () => Promise.resolve(wait),
  };
  const device = { vk, handle: 1n } as unknown as LogicalDevice;
  const timeline = new Timeline(device);
  timeline.next();
  return timeline;
}

const isLoss = (error: unknown) =>
  error instanceof VulkanError && error.isDeviceLost;

Deno.test("vulkan: a counter beyond all submissions is a lost device", async () => {
  const timeline = timelineOf({ value: 2n ** 64n - 1n, wait: RESULT.SUCCESS });
  assert.throws(() => timeline.isDone(1), isLoss);
  await assert.rejects(timeline.wait(1), isLoss);
});

Deno.test("vulkan: a wait that ends with nothing done is a lost device", async () => {
  const timeline = timelineOf({ value: 0n, wait: RESULT.SUCCESS });
  assert.equal(timeline.isDone(1), false);
  assert.throws(() => timeline.waitNow(1), isLoss);
  await assert.rejects(timeline.wait(1), isLoss);
});

Deno.test("vulkan: a wait that ends too early is no loss", () => {
  const timeline = timelineOf({ value: 0n, wait: RESULT.TIMEOUT });
  assert.equal(timeline.waitNow(1), false);
  const done = timelineOf({ value: 1n, wait: RESULT.TIMEOUT });
  assert.equal(done.waitNow(1), true);
});
