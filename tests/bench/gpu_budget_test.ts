import assert from "node:assert/strict";
import {
  stepDispatches,
  type StepOptions,
  stepWaits,
} from "../../bench/gpu/budget.ts";
import { modelOf } from "../../bench/gpu/models.ts";

const options: StepOptions = {
  adapter: { isSoftware: false, vendor: "nvidia" },
  precision: "fp32",
  fuse: true,
};

Deno.test("a step seldom waits for what it does not need", async () => {
  for (
    const [name, share] of [
      // Of the forward pass every dispatch waits, of the backward pass half.
      ["shakespeare-char", 0.6],
      ["gpt2-small", 0.66],
    ] as const
  ) {
    const bench = await modelOf(name, { small: false });
    const all = stepDispatches(bench, options).length;
    const inTurn = stepWaits(bench, { ...options, overlap: false });
    assert.ok(inTurn > 0.8 * all, `${name}: ${inTurn} of ${all}`);
    const waits = stepWaits(bench, options);
    assert.ok(waits < share * all, `${name}: ${waits} of ${all}`);
  }
});
