/**
 * What a queue's counter says of a lost device, by drivers of our own: no
 * driver loses its device at will.
 */

import assert from "node:assert/strict";
import { RESULT, VulkanError } from "../../../src/backend/vulkan/api/result.ts";
import { SemaphoreWaitInfo } from "../../../src/backend/vulkan/api/structs.ts";
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

/** A timeline of two submissions whose waits are answered by the test. */
function slowTimeline() {
  const calls: string[] = [];
  const at = (address: bigint) =>
    new Deno.UnsafePointerView(Deno.UnsafePointer.create(address)!);
  const state = { value: 0n, answer: (_: number) => {} };
  const vk = {
    vkCreateSemaphore: (...[, , , result]: bigint[]) => {
      const place = Deno.UnsafePointer.create(result)!;
      const bytes = Deno.UnsafePointerView.getArrayBuffer(place, 8);
      new DataView(bytes).setBigUint64(0, 70n, true);
      return RESULT.SUCCESS;
    },
    vkDestroySemaphore: (...[, semaphore]: bigint[]) =>
      void calls.push(`destroy ${semaphore}`),
    vkGetSemaphoreCounterValue: (...[, , address]: bigint[]) => {
      const place = Deno.UnsafePointer.create(address)!;
      const bytes = Deno.UnsafePointerView.getArrayBuffer(place, 8);
      new DataView(bytes).setBigUint64(0, state.value, true);
      calls.push("ask");
      return RESULT.SUCCESS;
    },
    vkWaitSemaphores: () => RESULT.TIMEOUT,
    waitSemaphoresAside: (...[, info]: bigint[]) => {
      const { offsets } = SemaphoreWaitInfo;
      const view = at(info);
      assert.equal(view.getUint32(offsets.semaphoreCount), 1);
      const semaphore = at(view.getBigUint64(offsets.pSemaphores));
      const value = at(view.getBigUint64(offsets.pValues));
      calls.push(
        `wait for ${value.getBigUint64()} of ${semaphore.getBigUint64()}`,
      );
      return new Promise<number>((resolve) => state.answer = resolve);
    },
  };
  const timeline = new Timeline(
    { vk, handle: 1n } as unknown as LogicalDevice,
  );
  assert.deepEqual([timeline.next(), timeline.next()], [1, 2]);
  return { timeline, state, calls };
}

/** Until all that can go on has. */
const pause = () => new Promise((resolve) => setTimeout(resolve, 0));

Deno.test("vulkan: a wait goes on until its submission is done", async () => {
  const { timeline, state, calls } = slowTimeline();
  let isOver = false;
  const waiting = timeline.wait(2).then(() => isOver = true);
  state.answer(RESULT.TIMEOUT); // the first slice is over
  await pause();
  assert.equal(isOver, false);
  state.value = 2n;
  state.answer(RESULT.SUCCESS);
  await waiting;
  const waits = calls.filter((call) => call.startsWith("wait"));
  assert.deepEqual(waits, ["wait for 2 of 70", "wait for 2 of 70"]);
  // What is known to be done is not asked again.
  const before = calls.length;
  assert.equal(timeline.isDone(2), true);
  await timeline.wait(1);
  assert.equal(calls.length, before);
  assert.equal(timeline.submitted, 2);
});

Deno.test("vulkan: close() frees the semaphore when nobody waits any more", async () => {
  const { timeline, state, calls } = slowTimeline();
  const waiting = timeline.wait(1);
  const closing = timeline.close();
  await pause();
  assert.ok(!calls.includes("destroy 70"));
  state.answer(RESULT.TIMEOUT);
  await Promise.all([waiting, closing]); // the wait ends, done or not
  assert.equal(calls.at(-1), "destroy 70");
  assert.equal(timeline.isDone(1), true); // nothing can be asked now
  assert.equal(calls.at(-1), "destroy 70");
});
