import assert from "node:assert/strict";
import { UserError } from "../../src/base/errors.ts";
import { valuesOf } from "../../src/base/safetensors.ts";
import { cropContext } from "../../src/model/crop_context.ts";
import { huggingFaceTensors } from "../../src/model/huggingface.ts";
import { fromHuggingFace } from "./_huggingface.ts";
import { hashedWeights, loadOracle } from "./_oracle.ts";

Deno.test("cropContext() keeps the first rows of learned positions", async () => {
  const { config } = loadOracle("gpt2"); // seqLen 12, nEmbd 32
  const whole = hashedWeights(config);
  const cropped = cropContext({ config, tensors: whole }, 5);
  assert.deepEqual(cropped.config, { ...config, seqLen: 5 });
  const tensors = await Promise.all(
    cropped.tensors.map(async ({ name, shape, ...tensor }) => ({
      name,
      shape,
      data: (await valuesOf({ name, shape, ...tensor } as never)).slice(),
    })),
  );
  assert.deepEqual(
    tensors.map(({ name, shape }) => [name, shape]),
    huggingFaceTensors(cropped.config).map((t) => [t.name, t.shape]),
  );
  const before = fromHuggingFace(config, whole);
  const after = fromHuggingFace(cropped.config, tensors);
  assert.deepEqual(after.get("wpe"), before.get("wpe")!.slice(0, 5 * 32));
  assert.deepEqual(after.get("wte"), before.get("wte"));
});

Deno.test("cropContext() leaves rotary positions alone, and refuses more", () => {
  const { config } = loadOracle("llama");
  const tensors = hashedWeights(config);
  const cropped = cropContext({ config, tensors }, 4);
  assert.equal(cropped.tensors, tensors);
  assert.equal(cropped.config.seqLen, 4);
  assert.throws(() => cropContext({ config, tensors }, 13), (error) => {
    assert.ok(error instanceof UserError);
    assert.equal(
      error.message,
      "Cannot use seqLen 13: the model was made for 12 tokens",
    );
    return true;
  });
});
