/**
 * Makes an executable of a lowered program: buffers, pipelines, bind groups.
 *
 * All of it is made here, once; a run makes nothing but commands.
 *
 * @module
 */

import { errorMessage, UserError } from "../../../base/errors.ts";
import { formatBytes, formatUnequalBytes } from "../../../base/format.ts";
import type { AdapterInfo } from "../device/adapters.ts";
import { type GpuDevice, VECTOR_BYTES } from "../device/device.ts";
import type {
  PreparedDispatch,
  Submission,
} from "../device/prepared_dispatch.ts";
import { bytesPerNumber, type Dispatch, MAX_GROUPS } from "../dispatch.ts";
import { type ExecutableParts, WebGpuExecutable } from "../executable.ts";
import { sideBySide } from "../lowering/schedule.ts";
import { type MemoryPlan, placeOf, planMemory } from "./memory_plan.ts";
import { cutPasses } from "./passes.ts";
import type { PlacedDispatch } from "./pipelines.ts";

/**
 * Operations of one submission. Drivers reset a GPU that is busy with one for
 * some seconds; one that is slow does this in a second.
 */
export const SUBMIT_FLOPS = 1e11;

/** Metal runs the dispatches of a pass one by one, whatever they use. */
const PASSES_OVERLAP = Deno.build.os !== "darwin";

/** A program that has the memory it needs, and is not compiled. */
export class NotCompiled extends UserError {
  /** In the driver's words, one line. */
  readonly why: string;

  constructor(
    { name, vulkan }: Pick<AdapterInfo, "name" | "vulkan">,
    cause: unknown,
  ) {
    const text = errorMessage(cause);
    super(`Cannot compute on ${name}: ${text}`, {
      hint: `use --device ${vulkan ? "webgpu or " : ""}cpu, or another driver`,
      cause,
    });
    this.why = text.trim().split("\n")[0];
  }
}

/**
 * Allocates and fills the buffers and compiles all shaders.
 *
 * @throws {UserError} If the device has not enough memory.
 * @throws {NotCompiled} If it refuses a shader.
 */
export async function loadProgram(
  parts: ExecutableParts,
): Promise<WebGpuExecutable> {
  const { gpu, pipelines, lowered, overlap = true } = parts;
  const plan = planFor(parts);
  expectFewGroups(parts);
  const buffers = await allocate(gpu, plan);
  const dispatches = [...lowered.phases.values()].flat();
  try {
    const compiled = await pipelines.compileAll(
      dispatches.map((dispatch) => placedOf(dispatch, plan)),
    );
    const pipelineOf = new Map(dispatches.map((one, i) => [one, compiled[i]]));
    const phases = await gpu.expect("validation", () => {
      for (const [{ content }, { buffer, offset }] of plan.places) {
        if (content) {
          gpu.device.queue.writeBuffer(buffers[buffer], offset, content);
        }
      }
      const phases = new Map<string, readonly Submission[]>();
      for (const [phase, dispatches] of lowered.phases) {
        const parts = splitByWork(dispatches);
        phases.set(
          phase,
          parts.map((part) =>
            (overlap && PASSES_OVERLAP ? cutPasses(part, plan) : [part])
              .map((pass) =>
                pass.map((dispatch) =>
                  prepare(dispatch, pipelineOf.get(dispatch)!, {
                    ...{ gpu, plan, buffers },
                  })
                )
              )
          ),
        );
      }
      return phases;
    });
    return new WebGpuExecutable(parts, { plan, buffers, phases });
  } catch (error) {
    for (const buffer of buffers) buffer.destroy();
    gpu.check();
    throw new NotCompiled(gpu.adapter, error);
  }
}

/** Whether the buffers of a program can be had now. */
export async function programFits(
  parts: Pick<ExecutableParts, "gpu" | "lowered">,
): Promise<boolean> {
  try {
    expectFewGroups(parts);
    const buffers = await allocate(parts.gpu, planFor(parts));
    for (const buffer of buffers) buffer.destroy();
    return true;
  } catch (error) {
    parts.gpu.check(); // a lost device has room for nothing
    if (error instanceof UserError) return false;
    throw error;
  }
}

/** What a device would only refuse when it runs. */
function expectFewGroups(
  { gpu, lowered }: Pick<ExecutableParts, "gpu" | "lowered">,
): void {
  for (const { label, workgroups } of [...lowered.phases.values()].flat()) {
    if (workgroups.every((count) => count <= MAX_GROUPS)) continue;
    throw new UserError(
      `Cannot fit the program on ${gpu.adapter.name}: "${label}" takes ` +
        `${Math.max(...workgroups)} workgroups in a row, ${MAX_GROUPS} fit`,
      { hint: "use a smaller batchSize, seqLen or model" },
    );
  }
}

/** Bytes of all buffers of a program, and of what is largest in them. */
export function loadedMemory(
  parts: Pick<ExecutableParts, "gpu" | "lowered">,
): { total: number; largest: number } {
  const { buffers, places } = planFor(parts);
  const largest = [...places.keys()].reduce(
    (most, { sizeBytes }) => Math.max(most, sizeBytes),
    0,
  );
  return { total: buffers.reduce((sum, size) => sum + size, 0), largest };
}

function planFor(
  { gpu, lowered }: Pick<ExecutableParts, "gpu" | "lowered">,
): MemoryPlan {
  const { limits } = gpu.device;
  return planMemory(lowered, {
    alignment: Math.max(64, limits.minStorageBufferOffsetAlignment),
    maxBufferBytes: gpu.maxBufferBytes,
  });
}

/**
 * Cuts a phase into submissions of at most {@linkcode SUBMIT_FLOPS}
 * operations, where its dispatches are not larger than that: between those
 * that can run side by side only if they are too much together.
 */
export function splitByWork(dispatches: readonly Dispatch[]): Dispatch[][] {
  const parts: Dispatch[][] = [[]];
  let work = 0;
  const makeRoomFor = (flops: number) => {
    if (work === 0 || work + flops <= SUBMIT_FLOPS) return;
    parts.push([]);
    work = 0;
  };
  for (const group of sideBySide(dispatches)) {
    makeRoomFor(group.reduce((sum, { flops = 0 }) => sum + flops, 0));
    for (const dispatch of group) {
      const { flops = 0 } = dispatch;
      makeRoomFor(flops);
      parts.at(-1)!.push(dispatch);
      work += flops;
    }
  }
  return parts;
}

/** Makes the buffers; WebGPU fills them with zeros. */
async function allocate(
  gpu: GpuDevice,
  plan: MemoryPlan,
): Promise<GPUBuffer[]> {
  const { device, adapter } = gpu;
  const total = plan.buffers.reduce((sum, size) => sum + size, 0);
  const hint = "use a smaller batchSize, seqLen or model";
  const large = [...plan.places.keys()]
    .filter(({ sizeBytes }) => sizeBytes > gpu.maxBindingBytes)
    .toSorted((a, b) => b.sizeBytes - a.sizeBytes).at(0);
  if (large) {
    const { name, sizeBytes } = large;
    const [taken, most] = formatUnequalBytes(sizeBytes, gpu.maxBindingBytes);
    throw new UserError(
      `Cannot fit the program on ${adapter.name}: "${name}" takes ${taken}, ` +
        `the largest piece that it can bind is ${most}`,
      { hint },
    );
  }
  const made: GPUBuffer[] = [];
  try {
    return await gpu.expect("out-of-memory", () => {
      for (const size of plan.buffers) {
        made.push(device.createBuffer({
          size: Math.ceil(size / VECTOR_BYTES) * VECTOR_BYTES,
          usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC |
            GPUBufferUsage.COPY_DST,
        }));
      }
      return made;
    });
  } catch (cause) {
    for (const buffer of made) buffer.destroy();
    gpu.check();
    throw new UserError(
      `Cannot allocate ${formatBytes(total)} on ${adapter.name}`,
      { hint, cause },
    );
  }
}

/** Gives a dispatch its bind group. */
function prepare(
  dispatch: Dispatch,
  pipeline: GPUComputePipeline,
  { gpu, plan, buffers }: {
    gpu: GpuDevice;
    plan: MemoryPlan;
    buffers: readonly GPUBuffer[];
  },
): PreparedDispatch {
  const { bindings, workgroups } = dispatch;
  const placed = bindings.map(({ tensor }) => placeOf(plan, tensor));
  const bindGroup = gpu.device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: placed.map(({ buffer, offset }, binding) => ({
      binding,
      resource: {
        buffer: buffers[buffer],
        offset,
        // A vector of four is read whole; pieces of memory do not touch.
        size: Math.ceil(bindings[binding].tensor.length / 4) * 4 *
          bytesPerNumber(bindings[binding].tensor.dtype),
      },
    })),
  });
  return { pipeline, bindGroup, workgroups };
}

/** Which of its bindings are to buffers that it writes. */
function placedOf(dispatch: Dispatch, plan: MemoryPlan): PlacedDispatch {
  const { bindings } = dispatch;
  const buffers = bindings.map(({ tensor }) => placeOf(plan, tensor).buffer);
  const writable = buffers.map((buffer) =>
    bindings.some(({ written }, j) => written && buffers[j] === buffer)
  );
  return { dispatch, writable };
}
