/**
 * Cuts dispatches into passes so that few of them wait.
 *
 * Deno's WebGPU (wgpu 29) puts a barrier before a dispatch if a buffer was
 * used before in the same pass and is written now, or was written then; what
 * else the barrier holds back, it does not know. The first use of each buffer
 * in a pass needs none: one barrier at the start of the pass is for them all.
 * So dispatches that write to different buffers run side by side in a pass of
 * their own. A pass costs the host 2 us (Deno 2.9.6, 2 cores of an AMD server).
 * Source: wgpu-core, `flush_bindings` of command/compute.rs and track/buffer.rs.
 *
 * @module
 */

import type { Dispatch } from "../dispatch.ts";
import { type MemoryPlan, placeOf } from "./memory_plan.ts";

/** Beside its barrier, so that passes are only begun where that saves some. */
const PASS_COST = 0.25;

/**
 * The passes, in order, with the fewest barriers. A pure function.
 */
export function cutPasses(
  dispatches: readonly Dispatch[],
  plan: MemoryPlan,
): Dispatch[][] {
  const uses = dispatches.map((dispatch) => usesOf(dispatch, plan));
  /** Of the dispatches before each place: the least cost, the last cut. */
  const best = [{ cost: 0, cut: 0 }];
  uses.forEach((_, cut) => {
    const start = best[cut].cost + 1 + PASS_COST;
    countWaits(uses.slice(cut)).forEach((waits, i) => {
      const cost = start + waits, end = cut + i + 1;
      if (!(best[end]?.cost <= cost)) best[end] = { cost, cut };
    });
  });
  const passes: Dispatch[][] = [];
  for (let end = dispatches.length; end > 0; end = best[end].cut) {
    passes.unshift(dispatches.slice(best[end].cut, end));
  }
  return passes;
}

/** How many dispatches of some passes wait for those before. */
export function countBarriers(
  passes: readonly (readonly Dispatch[])[],
  plan: MemoryPlan,
): number {
  return passes.reduce((sum, pass) => {
    const uses = pass.map((dispatch) => usesOf(dispatch, plan));
    return sum + 1 + (countWaits(uses).at(-1) ?? 0);
  }, 0);
}

/** Whether a buffer is written, by its number. */
type BufferUses = ReadonlyMap<number, boolean>;

function usesOf({ bindings }: Dispatch, plan: MemoryPlan): BufferUses {
  const uses = new Map<number, boolean>();
  for (const { tensor, written } of bindings) {
    const { buffer } = placeOf(plan, tensor);
    uses.set(buffer, uses.get(buffer) || written);
  }
  return uses;
}

/** Barriers within a pass, up to each of its dispatches. */
function countWaits(pass: readonly BufferUses[]): number[] {
  const before = new Map<number, boolean>();
  let waits = 0;
  return pass.map((uses) => {
    let waiting = false;
    for (const [buffer, written] of uses) {
      waiting ||= before.has(buffer) && (written || before.get(buffer)!);
      before.set(buffer, written);
    }
    if (waiting) waits++;
    return waits;
  });
}
