/**
 * A queue with WebGPU's interface: what is written and submitted happens in
 * that order.
 *
 * @module
 */

import { NativeMemory } from "./api/native_memory.ts";
import { check } from "./api/result.ts";
import { SubmitInfo, TimelineSemaphoreSubmitInfo } from "./api/structs.ts";
import type { VulkanBuffer } from "./buffer.ts";
import { CommandBuffers } from "./commands/command_buffers.ts";
import type { CommandBuffer } from "./commands/command_encoder.ts";
import { CommandRecorder } from "./commands/command_recorder.ts";
import { buffersOf, type Command } from "./commands/commands.ts";
import type { LogicalDevice } from "./driver/logical_device.ts";
import { DeviceError } from "./error_scopes.ts";
import { BLOCK_BYTES, Staging } from "./staging.ts";
import { Timeline } from "./timeline.ts";

/** The queue of a device. */
export class VulkanQueue {
  readonly label = "";
  readonly timeline: Timeline;
  readonly #device: LogicalDevice;
  readonly #staging: Staging;
  readonly #commandBuffers: CommandBuffers;
  readonly #recorder: CommandRecorder;
  /** Uploads and the like that the next submission begins with. */
  #pending: Command[] = [];
  /** What can go once a submission is done, in their order. */
  readonly #leaving: { submission: number; free: () => void }[] = [];
  readonly #guard: (work: () => void) => void;
  /** The structures of a submission, written anew for each. */
  readonly #memory = new NativeMemory(256);

  /**
   * @param guard Runs work, and reports what goes wrong with it.
   * @throws {VulkanError} If the driver refuses; nothing is left then.
   */
  constructor(device: LogicalDevice, guard: (work: () => void) => void) {
    this.#device = device;
    this.#guard = guard;
    this.timeline = new Timeline(device);
    try {
      this.#commandBuffers = new CommandBuffers(device, this.timeline);
    } catch (error) {
      void this.timeline.close();
      throw error;
    }
    this.#recorder = new CommandRecorder(device);
    this.#staging = new Staging(device, {
      timeline: this.timeline,
      submit: () => this.#submit([]),
    });
  }

  /** Barriers between commands, and dispatches, of all submissions so far. */
  get counts(): { barriers: number; dispatches: number } {
    return this.#recorder.counts;
  }

  /** Copies numbers to a buffer, before all that is submitted later. */
  writeBuffer(
    buffer: VulkanBuffer,
    offset: number,
    data: ArrayBufferView | ArrayBuffer,
  ): undefined {
    const bytes = ArrayBuffer.isView(data)
      ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
      : new Uint8Array(data);
    this.#guard(() => {
      expectWrite(buffer, offset, bytes.length);
      for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
        const piece = bytes.subarray(at, at + BLOCK_BYTES);
        this.#pending.push({
          kind: "upload",
          from: this.#staging.stage(piece),
          to: { buffer, offset: offset + at },
          sizeBytes: piece.length,
        });
      }
    });
  }

  /** Fills a buffer with zeros before all that is submitted later. */
  clear(buffer: VulkanBuffer): void {
    this.#pending.push({ kind: "clear", to: { buffer } });
  }

  submit(commandBuffers: readonly CommandBuffer[]): undefined {
    this.#guard(() => {
      const commands = commandBuffers.flatMap((one) => one.commands);
      for (const command of commands) expectUsable(command);
      this.#submit(commands);
    });
  }

  /** Calls `free` once a submission is done: at once if it is. */
  whenDone(submission: number, free: () => void): void {
    try {
      if (this.timeline.isDone(submission)) return free();
    } catch {
      // Lost: it goes with the device.
    }
    this.#leaving.push({ submission, free });
  }

  /** Frees what the device is done with. */
  collect(): void {
    while (
      this.#leaving.length > 0 &&
      this.timeline.isDone(this.#leaving[0].submission)
    ) {
      this.#leaving.shift()!.free();
    }
  }

  /** Waits for all that was submitted, and frees what can go. */
  waitIdle(): void {
    const { vk, handle } = this.#device;
    vk.vkDeviceWaitIdle(handle); // that of a lost device is done, too
    for (const { free } of this.#leaving) free();
    this.#leaving.length = 0;
  }

  /** Only after {@linkcode waitIdle}. */
  async destroy(): Promise<void> {
    this.#staging.destroy();
    this.#commandBuffers.destroy();
    await this.timeline.close();
  }

  #submit(commands: readonly Command[]): void {
    this.collect();
    // What was destroyed before it was filled needs no content.
    const before = this.#pending.filter((one) =>
      buffersOf(one).every(({ isUsable }) => isUsable)
    );
    this.#pending = [];
    const all = before.length === 0 ? commands : [...before, ...commands];
    if (all.length === 0) return;
    const submission = this.timeline.submitted + 1;
    const handle = this.#commandBuffers.record(
      submission,
      (target) => this.#recorder.record(target, all),
    );
    this.#send(handle, submission);
    for (const command of all) {
      for (const buffer of buffersOf(command)) buffer.lastUse = submission;
      if ("querySet" in command) command.querySet.lastUse = submission;
    }
  }

  #send(commandBuffer: bigint, submission: number): void {
    const { vk, queue } = this.#device;
    const memory = this.#memory;
    const result = memory.during(() => {
      const values = memory.writeHandles([BigInt(submission)]);
      const info = memory.write(SubmitInfo, {
        pNext: memory.write(TimelineSemaphoreSubmitInfo, {
          signalSemaphoreValueCount: 1,
          pSignalSemaphoreValues: values,
        }),
        commandBufferCount: 1,
        pCommandBuffers: memory.writeHandles([commandBuffer]),
        signalSemaphoreCount: 1,
        pSignalSemaphores: memory.writeHandles([this.timeline.semaphore]),
      });
      return vk.vkQueueSubmit(queue, 1, info, 0n);
    });
    check(result, "vkQueueSubmit");
    this.timeline.next();
  }
}

function expectWrite(
  buffer: VulkanBuffer,
  offset: number,
  sizeBytes: number,
): void {
  const { label, size, usage } = buffer;
  const why = !buffer.isUsable
    ? "it is destroyed"
    : !(usage & GPUBufferUsage.COPY_DST)
    ? "it lacks COPY_DST"
    : offset % 4 !== 0 || sizeBytes % 4 !== 0 || offset + sizeBytes > size
    ? `${sizeBytes} bytes from ${offset} are not in its ${size}, or no ` +
      "multiples of 4"
    : null;
  if (why === null) return;
  throw new DeviceError(
    "validation",
    `Cannot write to buffer "${label}": ${why}`,
  );
}

function expectUsable(command: Command): void {
  for (const { isUsable, label, mapState } of buffersOf(command)) {
    if (isUsable && mapState === "unmapped") continue;
    throw new DeviceError(
      "validation",
      `Cannot submit commands: buffer "${label}" is ` +
        (isUsable ? mapState : "destroyed"),
    );
  }
  if ("querySet" in command && !command.querySet.isUsable) {
    throw new DeviceError(
      "validation",
      `Cannot submit commands: query set "${command.querySet.label}" is ` +
        "destroyed",
    );
  }
}
