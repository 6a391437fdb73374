/**
 * What is written to command buffers, call by call: a software driver does one
 * command after another and would never miss a barrier.
 *
 * @module
 */

import assert from "node:assert/strict";
import { VulkanBuffer } from "../../../src/backend/vulkan/buffer.ts";
import { CommandRecorder } from "../../../src/backend/vulkan/commands/command_recorder.ts";
import type {
  Command,
  DispatchCommand,
} from "../../../src/backend/vulkan/commands/commands.ts";
import type { LogicalDevice } from "../../../src/backend/vulkan/driver/logical_device.ts";

/** Between commands: shaders and copies, what they wrote, all they may do. */
const BARRIER = "barrier 1800>1800 1040>1860";
/** From there to the host, which reads. */
const TO_HOST = "barrier 1800>4000 1040>2000";

/** A recorder whose calls are noted as text; numbers are hexadecimal. */
function openRecorder() {
  let calls: string[] = [];
  const hex = (...numbers: (number | bigint)[]) =>
    numbers.map((number) => number.toString(16)).join(" ");
  const at = (address: bigint) =>
    new Deno.UnsafePointerView(Deno.UnsafePointer.create(address)!);
  type Numbers = (number | bigint)[];
  const vk = {
    vkCmdPipelineBarrier(...[, from, to, , count, address, ...rest]: Numbers) {
      const [, ...others] = [count, ...rest];
      assert.deepEqual([count, others], [1, [0, 0n, 0, 0n]]);
      const memory = at(address as bigint);
      assert.equal(memory.getUint32(0), 46); // VK_STRUCTURE_TYPE_MEMORY_BARRIER
      const masks = [memory.getUint32(16), memory.getUint32(20)];
      calls.push(
        `barrier ${hex(from)}>${hex(to)} ${masks.map((m) => hex(m)).join(">")}`,
      );
    },
    vkCmdBindPipeline: (...[, , pipeline]: Numbers) =>
      void calls.push(`pipeline ${pipeline}`),
    vkCmdBindDescriptorSets(...[, , layout, ...sets]: Numbers) {
      const [first, count, set, ...offsets] = sets;
      assert.deepEqual([first, count, offsets], [0, 1, [0, 0n]]);
      calls.push(`set ${set} of layout ${layout}`);
    },
    vkCmdDispatch: (...[, x, y, z]: Numbers) =>
      void calls.push(`dispatch ${x} ${y} ${z}`),
    vkCmdFillBuffer: (...[, buffer, offset, size, value]: Numbers) =>
      void calls.push(`fill ${buffer}+${offset}, ${size} with ${value}`),
    vkCmdCopyBuffer(...[, from, to, count, address]: Numbers) {
      assert.equal(count, 1);
      const region = at(address as bigint);
      const [source, target, size] = [0, 8, 16].map((offset) =>
        region.getBigUint64(offset)
      );
      calls.push(`copy ${from}+${source} to ${to}+${target}, ${size}`);
    },
    vkCmdResetQueryPool: (...[, pool, index, count]: Numbers) =>
      void calls.push(`reset ${pool}: ${index}, ${count}`),
    vkCmdWriteTimestamp: (...[, stage, pool, index]: Numbers) =>
      void calls.push(`stamp ${pool}: ${index} after ${hex(stage)}`),
    vkCmdCopyQueryPoolResults: (
      ...[, pool, first, count, to, offset, stride, flags]: Numbers
    ) =>
      void calls.push(
        `resolve ${pool}: ${first}, ${count} to ${to}+${offset} by ${stride}, ` +
          `flags ${flags}`,
      ),
  };
  const recorder = new CommandRecorder({ vk } as unknown as LogicalDevice);
  return {
    recorder,
    /** What one command buffer holds. */
    record(...commands: Command[]): string[] {
      calls = [];
      recorder.record(7n, commands);
      return calls;
    },
  };
}

/** The same number is the same pipeline. */
const pipelines = [1, 2].map((handle) => ({
  handle,
  layout: { handle: 10 * handle },
}));

/** Of 64 bytes. @param mapped The host has an address of it. */
function buffer(handle: bigint, { mapped = false } = {}): VulkanBuffer {
  const address = mapped ? 4096n : null;
  const raw = { handle, allocation: { address } };
  return new VulkanBuffer(
    { size: 64, usage: 0 },
    { raw, owner: {} } as unknown as ConstructorParameters<
      typeof VulkanBuffer
    >[1],
  );
}

/** Reads the first 16 bytes of some buffers and writes those of one. */
function dispatch(
  pipeline: 1 | 2,
  reads: readonly VulkanBuffer[],
  written: VulkanBuffer,
): DispatchCommand {
  const list = [...reads, written].map(({ log }) => ({
    log,
    start: 0,
    end: 16,
    written: log === written.log,
  }));
  return {
    kind: "dispatch",
    pipeline: pipelines[pipeline - 1],
    group: { accessesOf: () => list, setAddress: 500 + pipeline },
    workgroups: [3, 2, 1],
  } as unknown as DispatchCommand;
}

/** The calls of a dispatch, without those that bind its pipeline. */
function dispatched(pipeline: 1 | 2): string[] {
  return [`set ${500 + pipeline} of layout ${10 * pipeline}`, "dispatch 3 2 1"];
}

Deno.test("recorder: a dispatch waits for another that it depends on", () => {
  const { record, recorder } = openRecorder();
  const [a, b, c] = [1n, 2n, 3n].map((handle) => buffer(handle));
  assert.deepEqual(
    record(dispatch(1, [a], b), dispatch(1, [a], c), dispatch(2, [b], a)),
    [
      "pipeline 1",
      ...dispatched(1),
      ...dispatched(1),
      BARRIER,
      "pipeline 2",
      ...dispatched(2),
    ],
  );
  assert.deepEqual(recorder.counts, { barriers: 1, dispatches: 3 });
});

Deno.test("recorder: a submission waits for an earlier one", () => {
  const { record } = openRecorder();
  const [a, b, c] = [1n, 2n, 3n].map((handle) => buffer(handle));
  const first = ["pipeline 1", ...dispatched(1)];
  assert.deepEqual(record(dispatch(1, [a], b)), first);
  // Nothing is bound in a new command buffer.
  assert.deepEqual(record(dispatch(1, [b], c)), [BARRIER, ...first]);
});

Deno.test("recorder: copies and fills wait for dispatches, and these for them", () => {
  const { record } = openRecorder();
  const [a, b, c] = [1n, 2n, 3n].map((handle) => buffer(handle));
  const to = (buffer: VulkanBuffer, offset = 0) => ({ buffer, offset });
  const use = (one: VulkanBuffer) => dispatch(1, [one], c);
  const used = ["pipeline 1", ...dispatched(1)];
  // The copy takes the last 4 of the bytes that the dispatch wrote.
  const copy: Command = {
    kind: "copy",
    from: to(a, 12),
    to: to(b, 4),
    sizeBytes: 8,
  };
  assert.deepEqual(record(dispatch(1, [], a), copy, use(b)), [
    ...used,
    BARRIER,
    "copy 1+12 to 2+4, 8",
    BARRIER,
    ...dispatched(1),
  ]);
  const upload: Command = {
    kind: "upload",
    from: { handle: 9n, offset: 32 },
    to: to(b, 8),
    sizeBytes: 8,
  };
  assert.deepEqual(record(upload, use(b)), [
    BARRIER, // the dispatch before has read these bytes
    "copy 9+32 to 2+8, 8",
    BARRIER,
    ...used,
  ]);
  const clear: Command = { kind: "clear", to: { buffer: b } };
  assert.deepEqual(record(clear, use(b)), [
    BARRIER,
    "fill 2+0, 64 with 0",
    BARRIER,
    ...used,
  ]);
  // Bytes that nobody has used since.
  assert.deepEqual(record({ ...copy, from: to(a, 32), to: to(b, 32) }), [
    "copy 1+32 to 2+32, 8",
  ]);
});

Deno.test("recorder: what is copied to the host's memory is visible there", () => {
  const { record } = openRecorder();
  const [a, b] = [buffer(1n), buffer(2n)];
  const staging = buffer(3n, { mapped: true });
  const copy = (target: VulkanBuffer): Command => ({
    kind: "copy",
    from: { buffer: a, offset: 0 },
    to: { buffer: target, offset: 0 },
    sizeBytes: 16,
  });
  assert.deepEqual(record(copy(staging), copy(b)), [
    "copy 1+0 to 3+0, 16",
    "copy 1+0 to 2+0, 16",
    TO_HOST,
  ]);
  assert.deepEqual(record(dispatch(1, [b], a)), [
    BARRIER,
    "pipeline 1",
    ...dispatched(1),
  ]);
});

Deno.test("recorder: clocks are read between commands, and their copy waits", () => {
  const { record, recorder } = openRecorder();
  const [a, b] = [buffer(1n), buffer(2n)];
  const querySet = { handle: 8n };
  const stamp = (index: number) =>
    ({ kind: "timestamp", querySet, index }) as unknown as Command;
  const resolve = {
    ...{ kind: "resolve", querySet, first: 0, count: 2 },
    to: { buffer: a, offset: 8 }, // which the last dispatch reads
  } as unknown as Command;
  const stamped = (index: number) => [
    BARRIER,
    `reset 8: ${index}, 1`,
    `stamp 8: ${index} after 2000`,
  ];
  assert.deepEqual(
    record(
      stamp(0),
      dispatch(1, [b], a),
      stamp(1),
      dispatch(1, [a], b), // the clock's barrier was for a, too
      resolve,
    ),
    [
      ...stamped(0),
      "pipeline 1",
      ...dispatched(1),
      ...stamped(1),
      ...dispatched(1),
      BARRIER,
      // Of 64 bits, once they are there.
      "resolve 8: 0, 2 to 1+8 by 8, flags 3",
    ],
  );
  assert.equal(recorder.counts.barriers, 1); // only those between commands
});
