import assert from "node:assert/strict";
import { openReferenceBackend } from "../../src/backend/reference/backend.ts";
import { IGNORED_TARGET } from "../../src/graph/ops.ts";
import { eachParam } from "../../src/model/init.ts";
import { resolveModel } from "../../src/model/model_config.ts";
import {
  evalBatchCount,
  evaluate,
  type EvaluateOptions,
  openEvaluation,
} from "../../src/train/evaluate.ts";
import { buildEvalProgram } from "../../src/train/step_program.ts";
import { fromHuggingFace } from "../model/_huggingface.ts";
import {
  collect,
  fakeDataset,
  only,
  openTestSession,
  tinyConfig,
  V,
} from "./_helpers.ts";
import { scriptedBackend } from "./_scripted_backend.ts";

const CONFIG = tinyConfig();
const MODEL = resolveModel(CONFIG.model, V);

/** Evaluates with batch losses that a script gives. */
async function evaluateScripted(
  losses: number[],
  options: Partial<EvaluateOptions> & { validInLast?: number } = {},
) {
  const { val: [{ batches: val }] } = fakeDataset(CONFIG, {
    valBatches: 5,
    validInLast: options.validInLast,
  });
  const reads: number[] = [];
  const batches = {
    ...val,
    at(cursor: number) {
      reads.push(cursor);
      return val.at(cursor);
    },
  };
  const executable = await scriptedBackend({ evalLoss: (n) => losses[n] })
    .compile(buildEvalProgram(MODEL, CONFIG.train));
  const result = await evaluate(executable, {
    sources: [{ name: "a", share: 1, batches, bytesPerToken: 4 }],
    evalBatches: 0,
    ...options,
  });
  return { result, reads };
}

Deno.test("evaluate() weights batches by their valid targets", async () => {
  const { result } = await evaluateScripted([1, 2, 3, 4, 9], {
    validInLast: 1,
  });
  // Four batches of 12 targets and one of 6.
  const valLoss = (12 * (1 + 2 + 3 + 4) + 6 * 9) / 54;
  assert.equal(result!.tokens, 54);
  assert.equal(result!.valLoss, valLoss);
  assert.equal(result!.valBpb, valLoss / Math.LN2 / 4);
});

Deno.test("evaluate() leaves out a batch without targets", async () => {
  const { result } = await evaluateScripted([1, 1, 1, 1, NaN], {
    validInLast: 0,
  });
  assert.equal(result!.valLoss, 1);
});

Deno.test("evaluate() spreads evalBatches evenly", async () => {
  assert.deepEqual((await evaluateScripted([1, 2])).reads, [0, 1, 2, 3, 4]);
  const two = await evaluateScripted([1, 2], { evalBatches: 2 });
  assert.deepEqual(two.reads, [0, 2]);
  assert.equal(two.result!.valLoss, 1.5);
  const many = await evaluateScripted([1, 2], { evalBatches: 99 });
  assert.deepEqual(many.reads, [0, 1, 2, 3, 4]);
});

Deno.test("evaluate() weighs sources by their shares, and tells each", async () => {
  // Batches are asked for source by source: 2 of 5 of the first, all 3 of the
  // second, of which the last has one window less.
  const source = (share: number, valBatches: number, validInLast?: number) => ({
    name: `share ${share}`,
    share,
    batches: fakeDataset(CONFIG, { valBatches, validInLast }).val[0].batches,
    bytesPerToken: 10 * share,
  });
  const { result } = await evaluateScripted([1, 3, 4, 5, 9], {
    sources: [source(0.4, 5), source(0.6, 3, 1)],
    evalBatches: 5,
  });
  const second = (12 * (4 + 5) + 6 * 9) / 30;
  assert.deepEqual(result!.sources, [
    { name: "share 0.4", valLoss: 2, valBpb: 2 / Math.LN2 / 4, tokens: 24 },
    {
      name: "share 0.6",
      valLoss: second,
      valBpb: second / Math.LN2 / 6,
      tokens: 30,
    },
  ]);
  const valLoss = 0.4 * 2 + 0.6 * second;
  assert.equal(result!.valLoss, valLoss);
  assert.equal(result!.valBpb, valLoss / Math.LN2 / (0.4 * 4 + 0.6 * 6));
  assert.equal(result!.tokens, 54);
});

Deno.test("evaluate() takes one batch of a source however small its share", () => {
  const { val: [one] } = fakeDataset(CONFIG, { valBatches: 9 });
  const sources = [{ ...one, share: 0.99 }, { ...one, share: 0.01 }];
  assert.equal(evalBatchCount({ sources, evalBatches: 8 }), 9);
  assert.equal(evalBatchCount({ sources, evalBatches: 0 }), 18);
});

Deno.test("evaluate() gives no result when it is told to stop", async () => {
  const signal = AbortSignal.abort();
  const { result, reads } = await evaluateScripted([1], { signal });
  assert.equal(result, null);
  assert.deepEqual(reads, []);
});

Deno.test("evaluate() looks at a device that runs behind now and then", async () => {
  const losses = [1, 2, 3, 4, 5, 6, 7, 9];
  const looks: number[] = [];
  let done = 0;
  const executable = await scriptedBackend({
    isQueued: true,
    evalLoss: (n) => losses[n],
    onReadKept: (count) => looks.push(count),
  }).compile(buildEvalProgram(MODEL, CONFIG.train));
  const { val } = fakeDataset(CONFIG, { valBatches: 8, validInLast: 1 });
  const result = await evaluate(executable, {
    sources: [{ ...val[0], share: 1 }],
    evalBatches: 0,
    onBatch: () => done++,
    now: () => 0,
  });
  // As if each was read by itself: in order, the last one half as heavy.
  const valLoss = (12 * (1 + 2 + 3 + 4 + 5 + 6 + 7) + 6 * 9) / (12 * 7 + 6);
  assert.equal(result!.valLoss, valLoss);
  assert.equal(done, 8);
  assert.deepEqual(looks, [1, 4, 3]); // four times as many, and the rest
});

Deno.test("openEvaluation() gives the loss that training reported", async () => {
  const config = tinyConfig({
    model: { dropout: 0.3 },
    train: { steps: 3 },
  });
  const dataset = fakeDataset(config, { validInLast: 1 });
  const session = await openTestSession({ config, dataset });
  const [reported] = only(await collect(session), "eval");
  const { params } = await session.snapshot();

  const evaluation = await openEvaluation({
    backend: openReferenceBackend(),
    model: session.model,
    params: fromHuggingFace(session.model, params),
    batchSize: config.train.batchSize,
  });
  const result = await evaluation.evaluate({
    sources: dataset.val,
    evalBatches: 0,
  });
  await evaluation.dispose();
  assert.equal(result!.valLoss, reported.valLoss);
  assert.equal(result!.valBpb, reported.valBpb);
});

Deno.test("openEvaluation() is exact for a model that says nothing", async () => {
  const params = new Map(eachParam(MODEL, 1));
  for (const values of params.values()) values.fill(0);
  const evaluation = await openEvaluation({
    backend: openReferenceBackend(),
    model: MODEL,
    params,
    batchSize: 2,
  });
  const targets = new Uint32Array(12).fill(IGNORED_TARGET, 5);
  const batches = {
    tokens: 13,
    windows: 1,
    batchesPerEpoch: 1,
    tokensPerBatch: 12,
    at: () => Promise.resolve({ ids: new Uint32Array(12), targets }),
  };
  const result = await evaluation.evaluate({
    sources: [{ name: "a", share: 1, batches, bytesPerToken: 1 }],
    evalBatches: 0,
  });
  assert.equal(result!.tokens, 5);
  assert.equal(result!.valLoss, Math.fround(Math.log(V)));
});
