/**
 * Writes commands to the driver's command buffers, with a barrier where one is
 * needed and nowhere else.
 *
 * @module
 */

import {
  ACCESS_HOST_READ_BIT,
  ACCESS_SHADER_READ_BIT,
  ACCESS_SHADER_WRITE_BIT,
  ACCESS_TRANSFER_READ_BIT,
  ACCESS_TRANSFER_WRITE_BIT,
  PIPELINE_BIND_POINT_COMPUTE,
  PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT,
  PIPELINE_STAGE_COMPUTE_SHADER_BIT,
  PIPELINE_STAGE_HOST_BIT,
  PIPELINE_STAGE_TRANSFER_BIT,
  QUERY_RESULT_64_BIT,
  QUERY_RESULT_WAIT_BIT,
} from "../api/constants.ts";
import { NativeMemory, scratch } from "../api/native_memory.ts";
import { BufferCopy, MemoryBarrier } from "../api/structs.ts";
import type { LogicalDevice } from "../driver/logical_device.ts";
import type { ComputePipeline } from "../pipeline.ts";
import type { Command, DispatchCommand } from "./commands.ts";
import { type Access, Hazards } from "./hazards.ts";

const BOTH = PIPELINE_STAGE_COMPUTE_SHADER_BIT | PIPELINE_STAGE_TRANSFER_BIT;
const WRITES = ACCESS_SHADER_WRITE_BIT | ACCESS_TRANSFER_WRITE_BIT;
const READS = ACCESS_SHADER_READ_BIT | ACCESS_TRANSFER_READ_BIT;

/** Bytes of a query's answer. */
const QUERY_BYTES = 8;

/** Records for one queue, in the order of its submissions. */
export class CommandRecorder {
  readonly #device: LogicalDevice;
  readonly #hazards = new Hazards();
  readonly #barriers = new NativeMemory(64);
  readonly #amongDevice: bigint;
  readonly #toHost: bigint;
  /** The command buffer that is written to, and what is bound in it. */
  #target = 0n;
  #pipeline: ComputePipeline | null = null;
  #isReadByHost = false;
  #barrierCount = 0;
  #dispatchCount = 0;

  constructor(device: LogicalDevice) {
    this.#device = device;
    this.#amongDevice = this.#barriers.write(MemoryBarrier, {
      srcAccessMask: WRITES,
      dstAccessMask: READS | WRITES,
    });
    this.#toHost = this.#barriers.write(MemoryBarrier, {
      srcAccessMask: WRITES,
      dstAccessMask: ACCESS_HOST_READ_BIT,
    });
  }

  /** So many barriers between commands were put, and dispatches recorded. */
  get counts(): { barriers: number; dispatches: number } {
    return { barriers: this.#barrierCount, dispatches: this.#dispatchCount };
  }

  /** Writes `commands` to an open command buffer. */
  record(target: bigint, commands: readonly Command[]): void {
    this.#target = target;
    this.#pipeline = null;
    this.#isReadByHost = false;
    for (const command of commands) this.#write(command);
    if (this.#isReadByHost) {
      this.#putBarrier(PIPELINE_STAGE_HOST_BIT, this.#toHost);
    }
  }

  #write(command: Command): void {
    const { vk } = this.#device, target = this.#target;
    switch (command.kind) {
      case "dispatch":
        return this.#dispatch(command);
      case "copy": {
        const { from, to, sizeBytes } = command;
        const source = range(from, sizeBytes, false);
        this.#waitFor([source, range(to, sizeBytes, true)]);
        return this.#copy(from.buffer.raw!.handle, command);
      }
      case "upload": {
        const { from, to, sizeBytes } = command;
        this.#waitFor([range(to, sizeBytes, true)]);
        return this.#copy(from.handle, command);
      }
      case "clear": {
        const { buffer } = command.to, size = BigInt(buffer.size);
        this.#waitFor([range({ buffer, offset: 0 }, buffer.size, true)]);
        const { handle } = buffer.raw!;
        return vk.vkCmdFillBuffer(target, handle, 0n, size, 0);
      }
      case "timestamp": {
        // What comes after must not begin before, nor the other way round.
        const { querySet: { handle }, index } = command;
        this.#putBarrier(BOTH, this.#amongDevice);
        this.#hazards.clear();
        vk.vkCmdResetQueryPool(target, handle, index, 1);
        vk.vkCmdWriteTimestamp(
          target,
          PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT,
          handle,
          index,
        );
        return;
      }
      case "resolve": {
        const { querySet, first, count, to } = command;
        this.#waitFor([range(to, QUERY_BYTES * count, true)]);
        vk.vkCmdCopyQueryPoolResults(
          ...[target, querySet.handle, first, count] as const,
          to.buffer.raw!.handle,
          BigInt(to.offset),
          BigInt(QUERY_BYTES),
          QUERY_RESULT_64_BIT | QUERY_RESULT_WAIT_BIT,
        );
        return;
      }
    }
  }

  #dispatch({ pipeline, group, workgroups }: DispatchCommand): void {
    const { vk } = this.#device, target = this.#target;
    this.#waitFor(group.accessesOf(pipeline));
    if (pipeline !== this.#pipeline) {
      this.#pipeline = pipeline;
      const point = PIPELINE_BIND_POINT_COMPUTE;
      vk.vkCmdBindPipeline(target, point, pipeline.handle);
    }
    vk.vkCmdBindDescriptorSets(
      ...[target, PIPELINE_BIND_POINT_COMPUTE, pipeline.layout.handle] as const,
      ...[0, 1, group.setAddress, 0, 0n] as const,
    );
    vk.vkCmdDispatch(target, ...workgroups);
    this.#dispatchCount++;
  }

  #copy(
    source: bigint,
    { from, to, sizeBytes }: Extract<Command, { kind: "copy" | "upload" }>,
  ): void {
    const { vk } = this.#device;
    if (to.buffer.raw!.allocation.address !== null) this.#isReadByHost = true;
    scratch.during(() => {
      const region = scratch.write(BufferCopy, {
        srcOffset: BigInt(from.offset),
        dstOffset: BigInt(to.offset),
        size: BigInt(sizeBytes),
      });
      const target = to.buffer.raw!.handle;
      vk.vkCmdCopyBuffer(this.#target, source, target, 1, region);
    });
  }

  #waitFor(accesses: readonly Access[]): void {
    if (!this.#hazards.visit(accesses)) return;
    this.#putBarrier(BOTH, this.#amongDevice);
    this.#barrierCount++;
  }

  #putBarrier(stages: number, barrier: bigint): void {
    this.#device.vk.vkCmdPipelineBarrier(
      ...[this.#target, BOTH, stages, 0] as const,
      ...[1, barrier, 0, 0n, 0, 0n] as const,
    );
  }
}

function range(
  { buffer, offset }: {
    buffer: { log: Access["log"] };
    offset: number;
  },
  sizeBytes: number,
  written: boolean,
): Access {
  const end = offset + sizeBytes;
  return { log: buffer.log, start: offset, end, written };
}
