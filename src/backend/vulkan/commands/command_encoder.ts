/**
 * Collects commands, with WebGPU's interface.
 *
 * @module
 */

import type { BindGroup } from "../bind_group.ts";
import type { VulkanBuffer } from "../buffer.ts";
import { DeviceError } from "../error_scopes.ts";
import type { ComputePipeline } from "../pipeline.ts";
import type { QuerySet } from "../query_set.ts";
import type { Command } from "./commands.ts";

/** What an encoder has collected; to be submitted once. */
export interface CommandBuffer {
  readonly label: string;
  readonly commands: readonly Command[];
}

/** Reports the first mistake that was made. */
type Report = (error: unknown) => void;

/** Where a pass begins and ends, by the device's clock. */
interface TimestampWrites {
  readonly querySet: QuerySet;
  readonly beginningOfPassWriteIndex?: number;
  readonly endOfPassWriteIndex?: number;
}

/** An encoder. */
export class CommandEncoder {
  readonly label: string;
  readonly #commands: Command[] = [];
  readonly #report: Report;
  readonly #maxWorkgroups: readonly number[];
  #error: DeviceError | null = null;

  constructor(
    label: string,
    { report, maxWorkgroups }: {
      report: Report;
      maxWorkgroups: readonly number[];
    },
  ) {
    this.label = label;
    this.#report = report;
    this.#maxWorkgroups = maxWorkgroups;
  }

  beginComputePass(
    { timestampWrites }: { timestampWrites?: TimestampWrites } = {},
  ): ComputePass {
    const stamp = (index?: number) => {
      if (!timestampWrites || index === undefined) return;
      const { querySet } = timestampWrites;
      if (!querySet.isUsable || index >= querySet.count) {
        return this.#refuse(
          `query ${index} of "${querySet.label}" is not there`,
        );
      }
      this.#commands.push({ kind: "timestamp", querySet, index });
    };
    stamp(timestampWrites?.beginningOfPassWriteIndex);
    return new ComputePass({
      commands: this.#commands,
      refuse: (why) => this.#refuse(why),
      maxWorkgroups: this.#maxWorkgroups,
      onEnd: () => stamp(timestampWrites?.endOfPassWriteIndex),
    });
  }

  /** All in bytes: multiples of 4. */
  copyBufferToBuffer(
    ...[source, sourceOffset, target, targetOffset, size]: [
      source: VulkanBuffer,
      sourceOffset: number,
      target: VulkanBuffer,
      targetOffset: number,
      size: number,
    ]
  ): undefined {
    const from = { buffer: source, offset: sourceOffset };
    const to = { buffer: target, offset: targetOffset };
    this.#expectUse(from, { size, usage: "COPY_SRC" });
    this.#expectUse(to, { size, usage: "COPY_DST" });
    if (source === target) {
      this.#refuse("a copy needs two buffers");
    }
    if (size > 0) {
      this.#commands.push({ kind: "copy", from, to, sizeBytes: size });
    }
  }

  /** Writes 8 bytes for each query, in ticks of the device's clock. */
  resolveQuerySet(
    ...[querySet, first, count, target, offset]: [
      querySet: QuerySet,
      first: number,
      count: number,
      target: VulkanBuffer,
      offset: number,
    ]
  ): undefined {
    const to = { buffer: target, offset };
    this.#expectUse(to, { size: 8 * count, usage: "QUERY_RESOLVE" });
    if (!querySet.isUsable || first + count > querySet.count) {
      this.#refuse(`query set "${querySet.label}" has no ${count} queries`);
    }
    this.#commands.push({ kind: "resolve", querySet, first, count, to });
  }

  finish(): CommandBuffer {
    const { label } = this;
    if (!this.#error) return { label, commands: this.#commands };
    this.#report(this.#error);
    return { label, commands: [] };
  }

  #expectUse(
    { buffer, offset }: { buffer: VulkanBuffer; offset: number },
    { size, usage }: { size: number; usage: keyof typeof GPUBufferUsage },
  ): void {
    const { label } = buffer;
    if (!(buffer.usage & (GPUBufferUsage[usage] as number))) {
      this.#refuse(`buffer "${label}" lacks ${usage}`);
    }
    if (offset % 4 !== 0 || size % 4 !== 0 || offset + size > buffer.size) {
      this.#refuse(
        `${size} bytes from ${offset} are not in buffer "${label}" of ` +
          `${buffer.size} bytes, or no multiples of 4`,
      );
    }
  }

  #refuse(why: string): void {
    this.#error ??= new DeviceError(
      "validation",
      `Cannot record commands "${this.label}": ${why}`,
    );
  }
}

/** Dispatches one after another. */
export class ComputePass {
  readonly #commands: Command[];
  readonly #refuse: (why: string) => void;
  readonly #maxWorkgroups: readonly number[];
  readonly #onEnd: () => void;
  #pipeline: ComputePipeline | null = null;
  #group: BindGroup | null = null;

  constructor(
    { commands, refuse, maxWorkgroups, onEnd }: {
      commands: Command[];
      refuse: (why: string) => void;
      maxWorkgroups: readonly number[];
      onEnd: () => void;
    },
  ) {
    this.#commands = commands;
    this.#refuse = refuse;
    this.#maxWorkgroups = maxWorkgroups;
    this.#onEnd = onEnd;
  }

  setPipeline(pipeline: ComputePipeline): undefined {
    this.#pipeline = pipeline;
  }

  setBindGroup(index: number, group: BindGroup): undefined {
    if (index !== 0) this.#refuse(`there is no group ${index}, only 0`);
    this.#group = group;
  }

  dispatchWorkgroups(x: number, y = 1, z = 1): undefined {
    const pipeline = this.#pipeline, group = this.#group;
    if (!pipeline || !group) {
      return this.#stop("a dispatch needs a pipeline and a bind group");
    }
    if (group.layout !== pipeline.layout.groups[0]) {
      return this.#stop(
        `bind group "${group.label}" is not made for "${pipeline.label}"`,
      );
    }
    const workgroups = [x, y, z] as const;
    if (workgroups.some((count, i) => count > this.#maxWorkgroups[i])) {
      return this.#stop(`${workgroups.join("x")} workgroups are too many`);
    }
    if (x * y * z === 0) return;
    this.#commands.push({ kind: "dispatch", pipeline, group, workgroups });
  }

  end(): undefined {
    this.#onEnd();
  }

  #stop(why: string): undefined {
    this.#refuse(why);
  }
}
