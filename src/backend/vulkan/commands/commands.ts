/**
 * What encoders collect: commands that the queue writes to the driver's
 * command buffers once their order is certain.
 *
 * @module
 */

import type { BindGroup } from "../bind_group.ts";
import type { VulkanBuffer } from "../buffer.ts";
import type { ComputePipeline } from "../pipeline.ts";
import type { QuerySet } from "../query_set.ts";

/** Runs a shader. */
export interface DispatchCommand {
  readonly kind: "dispatch";
  readonly pipeline: ComputePipeline;
  readonly group: BindGroup;
  readonly workgroups: readonly [number, number, number];
}

/** Copies bytes; a source without a buffer is memory of the host. */
export interface CopyCommand {
  readonly kind: "copy";
  readonly from: { readonly buffer: VulkanBuffer; readonly offset: number };
  readonly to: { readonly buffer: VulkanBuffer; readonly offset: number };
  readonly sizeBytes: number;
}

/** Copies what the host has put into staging memory. */
export interface UploadCommand {
  readonly kind: "upload";
  readonly from: { readonly handle: bigint; readonly offset: number };
  readonly to: { readonly buffer: VulkanBuffer; readonly offset: number };
  readonly sizeBytes: number;
}

/** Fills a whole buffer with zeros. */
export interface ClearCommand {
  readonly kind: "clear";
  readonly to: { readonly buffer: VulkanBuffer };
}

/** Writes the device's clock when all before is done. */
export interface TimestampCommand {
  readonly kind: "timestamp";
  readonly querySet: QuerySet;
  readonly index: number;
}

/** Copies what clocks showed to a buffer. */
export interface ResolveCommand {
  readonly kind: "resolve";
  readonly querySet: QuerySet;
  readonly first: number;
  readonly count: number;
  readonly to: { readonly buffer: VulkanBuffer; readonly offset: number };
}

/** Any of these. */
export type Command =
  | DispatchCommand
  | CopyCommand
  | UploadCommand
  | ClearCommand
  | TimestampCommand
  | ResolveCommand;

/** All buffers that a command uses. */
export function buffersOf(command: Command): readonly VulkanBuffer[] {
  switch (command.kind) {
    case "dispatch":
      return command.group.buffers;
    case "copy":
      return [command.from.buffer, command.to.buffer];
    case "upload":
    case "clear":
    case "resolve":
      return [command.to.buffer];
    case "timestamp":
      return [];
  }
}
