import assert from "node:assert/strict";
import { plan } from "../../../src/graph/plan.ts";
import { buildDecode } from "../../../src/model/model.ts";
import { resolveModel } from "../../../src/model/model_config.ts";
import { tinyConfig } from "../../train/_helpers.ts";
import { dispatchesOf } from "./_lowered.ts";

/** Dispatches of one token by op, on an adapter that allows the least. */
function dispatchCounts(
  model: object,
  vocabSize: number,
): Record<string, number> {
  const config = tinyConfig({ model: { nLayer: 3, nHead: 2, ...model } });
  const resolved = resolveModel(config.model, vocabSize);
  const program = plan({ decode: buildDecode(resolved, { T: 1, S: 16 }) });
  const counts: Record<string, number> = {};
  for (const { label } of dispatchesOf(program)) {
    counts[label] = (counts[label] ?? 0) + 1;
  }
  return counts;
}

Deno.test("lower() makes a token of few dispatches", () => {
  // One of the cache per layer, as it is short; products end with all else.
  for (const bias of [true, false]) {
    const model = { arch: "gpt2", bias, nEmbd: 32 };
    assert.deepEqual(dispatchCounts(model, 96), {
      embedding: 1, // of the id and of its position
      matmul: 3 * 4 + 1,
      attentionCached: 3,
    });
  }
  assert.deepEqual(
    dispatchCounts({ arch: "llama", nEmbd: 32, nKvHead: 1 }, 96),
    { embedding: 1, matmul: 3 * 4 + 1, attentionCached: 3 },
  );
  // The head of many ids does not do the norm of every workgroup.
  assert.deepEqual(
    dispatchCounts({ arch: "gpt2", bias: true, nEmbd: 32 }, 50257),
    { embedding: 1, matmul: 3 * 4 + 1, attentionCached: 3, layerNorm: 1 },
  );
});
