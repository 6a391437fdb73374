import assert from "node:assert/strict";
import { UserError } from "../../src/base/errors.ts";
import { type TensorSource, valuesOf } from "../../src/base/safetensors.ts";
import { sizeOf } from "../../src/graph/tensor.ts";
import { huggingFaceTensors } from "../../src/model/huggingface.ts";
import { eachAdapterParam, eachParam } from "../../src/model/init.ts";
import {
  adapterParameters,
  adapters,
  type LoraSection,
  resolveLora,
} from "../../src/model/lora.ts";
import { checkedFactors, mergedTensors } from "../../src/model/lora_merge.ts";
import { trainableCount } from "../../src/model/model_size.ts";
import { loadOracle } from "./_oracle.ts";

const gpt2 = loadOracle("gpt2").config; // C 32, F 128, tied
const llama = loadOracle("llama").config; // C 32, F 88, 4 + 2 * 2 heads of 8

Deno.test("resolveLora() fills in alpha, dropout and all linear layers", () => {
  assert.equal(resolveLora({}, gpt2), null);
  assert.deepEqual(resolveLora({ rank: 4 }, gpt2), {
    rank: 4,
    alpha: 8,
    dropout: 0,
    targets: ["qkv", "attProj", "fc", "fcProj"],
  });
  assert.deepEqual(
    resolveLora({ rank: 4, alpha: 1, targets: "down, qkv" }, llama)!.targets,
    ["qkv", "down"], // in the order of the model
  );
});

Deno.test("resolveLora() knows other programs' names", () => {
  const targets = (targets: LoraSection["targets"], model = gpt2) =>
    resolveLora({ rank: 1, targets }, model)!.targets;
  assert.deepEqual(targets("c_attn"), ["qkv"]);
  assert.deepEqual(targets("c_proj"), ["attProj", "fcProj"]);
  assert.deepEqual(targets(["all-linear"], llama), [
    "qkv",
    "attProj",
    "gateUp",
    "down",
  ]);
  assert.deepEqual(targets(["o_proj,lm_head"], llama), ["attProj", "lmHead"]);
});

Deno.test("resolveLora() refuses what cannot be built", () => {
  const mistake = (section: LoraSection, model = gpt2) => {
    try {
      resolveLora(section, model);
    } catch (error) {
      assert.ok(error instanceof UserError);
      assert.equal(error.exitCode, 2);
      return [error.message, error.hint];
    }
    assert.fail("no error");
  };
  assert.deepEqual(mistake({ rank: 33 }), [
    'Cannot use lora.rank 33: "h.0.attn.qkv.weight" is 32 x 96, which is of ' +
    "rank 32 at most",
    "use --lora-rank 8, or leave it out to train all weights",
  ]);
  assert.deepEqual(mistake({ rank: 2, targets: "q_proj" }, llama), [
    'Cannot use lora.targets "q_proj" with a llama model: expected some of ' +
    "qkv, attProj, gateUp, down, lmHead, or all",
    "q_proj is part of one matrix here: use qkv",
  ]);
  assert.deepEqual(mistake({ rank: 2, targets: "gateUp" }), [
    'Cannot use lora.targets "gateUp" with a gpt2 model: expected some of ' +
    "qkv, attProj, fc, fcProj, or all",
    "for example --lora-targets qkv,attProj",
  ]);
  assert.deepEqual(
    mistake({ rank: 2, targets: "lm_head" })[0],
    [
      'Cannot use lora.targets "lmHead" with a gpt2 model: its output head ' +
      "shares the weight of the token embedding",
    ][0],
  );
  assert.match(mistake({ rank: 2, targets: " , " })[0]!, /targets nothing/);
  // Names that every object has.
  for (const name of ["constructor", "__proto__", "toString"]) {
    assert.equal(
      mistake({ rank: 2, targets: name })[0],
      `Cannot use lora.targets "${name}" with a gpt2 model: expected some of ` +
        "qkv, attProj, fc, fcProj, or all",
    );
  }
});

Deno.test("adapters() have PEFT's shapes beside weights of either layout", () => {
  const shapes = (model: typeof gpt2, targets: string) =>
    adapters(model, resolveLora({ rank: 3, targets }, model)!)
      .slice(0, 2)
      .map(({ weight, a, b }) => [weight, a.shape, b.shape]);
  assert.deepEqual(shapes(gpt2, "qkv,fcProj"), [
    ["h.0.attn.qkv.weight", [3, 32], [96, 3]],
    ["h.0.mlp.proj.weight", [3, 128], [32, 3]],
  ]);
  assert.deepEqual(shapes(llama, "qkv,down"), [
    ["h.0.attn.qkv.weight", [3, 32], [64, 3]],
    ["h.0.mlp.down.weight", [3, 88], [32, 3]],
  ]);
  // Two layers, rank 3: (32 + 96) + (128 + 32) numbers per unit of rank.
  const lora = resolveLora({ rank: 3, targets: "qkv,fcProj" }, gpt2)!;
  assert.equal(trainableCount(gpt2, lora), 2 * 3 * (128 + 160));
});

Deno.test("eachAdapterParam() draws A as wide as PEFT does and leaves B at 0", () => {
  const lora = resolveLora({ rank: 32, targets: "fcProj" }, gpt2)!;
  const start = (seed: number) => new Map(eachAdapterParam(gpt2, lora, seed));
  const params = start(7);
  assert.deepEqual(
    [...params.keys()],
    adapterParameters(gpt2, lora).map(({ name }) => name),
  );
  const a = params.get("h.0.mlp.proj.loraA")!;
  assert.ok(params.get("h.0.mlp.proj.loraB")!.every((x) => x === 0));
  // Uniform within 1/sqrt(128) has the deviation 1/sqrt(3 * 128).
  const deviation = Math.hypot(...a) / Math.sqrt(a.length);
  const expected = 1 / Math.sqrt(3 * 128);
  // Of 4096 draws the deviation is within 5 % (4.5 of its own deviations).
  assert.ok(Math.abs(deviation / expected - 1) < 0.05, `${deviation}`);
  assert.deepEqual(start(7), params);
  assert.notDeepEqual(start(8).get("h.0.mlp.proj.loraA"), a);
  // The adapters have random numbers of their own.
  const wte = new Map(eachParam(gpt2, 7)).get("wte")!;
  assert.ok(Math.abs(wte[0] / 0.02 - a[0] / expected) > 1e-3);
});

Deno.test("checkedFactors() names what is missing, unknown or of another shape", () => {
  const lora = resolveLora({ rank: 2, targets: "qkv" }, gpt2)!;
  const factors = adapterParameters(gpt2, lora).map(({ name, shape }) => ({
    name,
    shape,
    data: new Float32Array(),
  }));
  const mistake = (given: typeof factors, pattern: RegExp) =>
    assert.throws(() => checkedFactors(gpt2, lora, given), pattern);
  assert.equal(checkedFactors(gpt2, lora, factors).size, 4);
  mistake(factors.slice(1), /"h\.0\.attn\.qkv\.loraA" is missing/);
  mistake(
    factors.map((t, i) => i === 1 ? { ...t, shape: [96, 3] } : t),
    /"h\.0\.attn\.qkv\.loraB" has shape \(96, 3\), expected \(96, 2\)/,
  );
  mistake(
    [...factors, { ...factors[0], name: "h.9.loraA" }],
    /"h\.9\.loraA" belongs to no adapter/,
  );
});

Deno.test("mergedTensors() reads adapters beside any number of adapters", async () => {
  const lora = resolveLora({ rank: 1, targets: "attProj" }, gpt2)!;
  const ones = (
    { name, shape }: { name: string; shape: readonly number[] },
  ) => ({ name, shape, data: new Float32Array(sizeOf(shape)).fill(1) });
  const factors = adapterParameters(gpt2, lora).map(ones);
  const name = "transformer.h.0.attn.c_proj.weight";
  let tensors: TensorSource[] = huggingFaceTensors(gpt2)
    .filter((tensor) => tensor.name === name).map(ones);
  const count = 12_000; // 10,000 overflowed the stack
  for (let i = 0; i < count; i++) {
    tensors = mergedTensors(gpt2, { lora, base: tensors, factors });
  }
  // Each adds alpha / rank = 2 times a product of ones over one column.
  assert.equal((await valuesOf(tensors[0]))[0], 1 + 2 * count);
});
