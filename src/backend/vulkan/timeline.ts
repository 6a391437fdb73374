/**
 * How far a queue has come: a semaphore that counts finished submissions.
 *
 * @module
 */

import { SEMAPHORE_TYPE_TIMELINE } from "./api/constants.ts";
import { NativeMemory, scratch } from "./api/native_memory.ts";
import { check, RESULT, VulkanError } from "./api/result.ts";
import {
  SemaphoreCreateInfo,
  SemaphoreTypeCreateInfo,
  SemaphoreWaitInfo,
} from "./api/structs.ts";
import type { LogicalDevice } from "./driver/logical_device.ts";

/**
 * So long it is waited at once, in nanoseconds. Another thread, which leaves
 * this one free meanwhile, costs about as much (120 us, Deno 2.9, Zen 4).
 */
const PROMPT_NS = 100_000n;
/** A thread that waits comes back at least that often. */
const SLICE_NS = 1_000_000_000n;

/** Counts submissions, and waits for them. */
export class Timeline {
  readonly semaphore: bigint;
  readonly #device: LogicalDevice;
  readonly #value = new NativeMemory(8);
  readonly #waits = new Set<Promise<unknown>>();
  #submitted = 0;
  #completed = 0;
  #closed = false;

  constructor(device: LogicalDevice) {
    this.#device = device;
    this.semaphore = scratch.during(() => {
      const handle = scratch.take(8);
      const info = scratch.write(SemaphoreCreateInfo, {
        pNext: scratch.write(SemaphoreTypeCreateInfo, {
          semaphoreType: SEMAPHORE_TYPE_TIMELINE,
        }),
      });
      check(
        device.vk.vkCreateSemaphore(device.handle, info, 0n, handle),
        "vkCreateSemaphore",
      );
      return scratch.readHandle(handle);
    });
  }

  /** The number of the last submission. */
  get submitted(): number {
    return this.#submitted;
  }

  /** The number of the next submission, which is about to be made. */
  next(): number {
    return ++this.#submitted;
  }

  /** Whether a submission has finished. @throws {VulkanError} If lost. */
  isDone(submission: number): boolean {
    if (submission <= this.#completed || this.#closed) return true;
    const { vk, handle } = this.#device;
    const { address } = this.#value;
    check(
      vk.vkGetSemaphoreCounterValue(handle, this.semaphore, address),
      "vkGetSemaphoreCounterValue",
    );
    const value = Number(this.#value.readHandle(address));
    // Some drivers count to the end when the device is lost.
    if (value > this.#submitted) throw lost("vkGetSemaphoreCounterValue");
    this.#completed = value;
    return submission <= value;
  }

  /** Waits, and blocks this thread for `ns` at most. */
  waitNow(submission: number, ns = PROMPT_NS): boolean {
    if (this.isDone(submission)) return true;
    const { vk, handle } = this.#device;
    const result = scratch.during(() =>
      vk.vkWaitSemaphores(handle, this.#waitInfo(scratch, submission), ns)
    );
    return this.#isOver(result, submission);
  }

  /**
   * Resolves when a submission has finished: at once if it soon does.
   *
   * @throws {VulkanError} If the device is lost.
   */
  async wait(submission: number): Promise<void> {
    if (this.waitNow(submission)) return;
    const memory = new NativeMemory(128);
    const info = this.#waitInfo(memory, submission);
    const { vk, handle } = this.#device;
    while (!this.#closed) {
      const waiting = vk.waitSemaphoresAside(handle, info, SLICE_NS);
      this.#waits.add(waiting);
      const result = await waiting;
      this.#waits.delete(waiting);
      if (this.#isOver(result, submission)) return;
      memory.readU32(info); // holds it until here
    }
  }

  /** Frees the semaphore: at once, or when no thread waits for it any more. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#waits.size > 0) await Promise.allSettled(this.#waits);
    const { vk, handle } = this.#device;
    vk.vkDestroySemaphore(handle, this.semaphore, 0n);
  }

  /**
   * Whether a wait came to its end in time. That of a lost device may succeed
   * as well (Vulkan, section "Lost Device"), with nothing done.
   */
  #isOver(result: number, submission: number): boolean {
    check(result, "vkWaitSemaphores");
    if (result === RESULT.TIMEOUT) return false;
    if (!this.isDone(submission)) throw lost("vkWaitSemaphores");
    return true;
  }

  #waitInfo(memory: NativeMemory, submission: number): bigint {
    return memory.write(SemaphoreWaitInfo, {
      semaphoreCount: 1,
      pSemaphores: memory.writeHandles([this.semaphore]),
      pValues: memory.writeHandles([BigInt(submission)]),
    });
  }
}

function lost(call: string): VulkanError {
  return new VulkanError(RESULT.ERROR_DEVICE_LOST, call);
}
