/**
 * The order of dispatches: those that do not need each other stand side by
 * side, so that a GPU works on several at once, and one begins where another
 * leaves a part of it idle.
 *
 * A gradient's product for the input of a layer and the one for its weight,
 * the sum of a product's parts, the gradient of a norm's weight: these come
 * one after another in a program, and each would wait for the one before. The
 * order makes no difference to any number.
 *
 * @module
 */

import {
  type Binding,
  bytesPerNumber,
  type Dispatch,
  type Memory,
} from "../dispatch.ts";

/**
 * A dispatch comes before at most so many that were earlier. More would find
 * little else to run beside, and temporaries would be needed for longer.
 */
const WINDOW = 16;

/** An H200 makes 38 TFLOP/s in products and moves 4.8 TB/s. */
const FLOPS_PER_BYTE = 8;

/** What a dispatch uses of a piece of memory, in bytes. */
interface Use {
  readonly at: number;
  readonly from: number;
  readonly to: number;
  readonly written: boolean;
}

/**
 * The same dispatches in another order, in which each still comes behind
 * those whose results it needs, or whose memory it overwrites. Two that write
 * to parts of one piece of memory are kept apart as well, as WebGPU tells
 * buffers apart, not parts of them.
 *
 * Of those side by side, the ones whose workgroups take longest begin: what
 * they leave idle in the end, shorter ones fill. A pure function.
 */
export function schedule(dispatches: readonly Dispatch[]): Dispatch[] {
  const needs = findNeeds(dispatches);
  const done = new Set<number>();
  const order: Dispatch[] = [];
  for (let left = [...dispatches.keys()]; left.length > 0;) {
    const [first] = left;
    const beside: number[] = [];
    for (const at of left) {
      if (at > first + WINDOW) break;
      const isReady = [...needs[at]].every((need) => done.has(need));
      const isApart = beside.every((other) =>
        !clash(dispatches[other], dispatches[at])
      );
      if (isReady && isApart) beside.push(at);
    }
    for (const at of beside) done.add(at);
    order.push(
      ...beside.map((at) => dispatches[at])
        .toSorted((a, b) => timeOfGroup(b) - timeOfGroup(a)),
    );
    left = left.filter((at) => !done.has(at));
  }
  return order;
}

/** How long a workgroup takes, in no unit: as long as it moves bytes. */
function timeOfGroup(
  { flops = 0, bindings, workgroups: [x, y, z] }: Dispatch,
): number {
  const bytes = bindings.reduce(
    (sum, { tensor: { length, dtype } }) =>
      sum + length * bytesPerNumber(dtype),
    0,
  );
  return (bytes + flops / FLOPS_PER_BYTE) / (x * y * z);
}

/** Cuts an order where a dispatch is not to run beside one since the last cut. */
export function sideBySide(dispatches: readonly Dispatch[]): Dispatch[][] {
  const needs = findNeeds(dispatches);
  const groups: Dispatch[][] = [];
  let start = 0;
  dispatches.forEach((dispatch, at) => {
    const goesOn = at > start && !needs[at].values().some((need) =>
      need >= start
    ) &&
      !groups.at(-1)!.some((other) => clash(other, dispatch));
    if (!goesOn) {
      groups.push([]);
      start = at;
    }
    groups.at(-1)!.push(dispatch);
  });
  return groups;
}

/** Of each dispatch, those before it that it must come behind. */
function findNeeds(dispatches: readonly Dispatch[]): Set<number>[] {
  const uses = new Map<Memory, Use[]>();
  return dispatches.map(({ bindings }, at) => {
    const needs = new Set<number>();
    for (const binding of bindings) {
      const { memory } = binding.tensor;
      const use = useOf(binding, at);
      const before = uses.get(memory) ?? [];
      for (const other of before) {
        const meets = other.from < use.to && use.from < other.to;
        if (meets && (use.written || other.written) && other.at !== at) {
          needs.add(other.at);
        }
      }
      uses.set(memory, [...before, use]);
    }
    return needs;
  });
}

function useOf({ tensor, written }: Binding, at: number): Use {
  const { offset, length, dtype } = tensor;
  // A vector of four is read whole.
  const bytes = Math.ceil(length / 4) * 4 * bytesPerNumber(dtype);
  return { at, from: offset, to: offset + bytes, written };
}

/** Whether one writes to a piece of memory that the other uses. */
function clash(a: Dispatch, b: Dispatch): boolean {
  return a.bindings.some((one) =>
    b.bindings.some((other) =>
      one.tensor.memory === other.tensor.memory &&
      (one.written || other.written)
    )
  );
}
