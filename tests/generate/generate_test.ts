import assert from "node:assert/strict";
import { UserError } from "../../src/base/errors.ts";
import { sampleKernels } from "../../src/backend/reference/sample.ts";
import {
  type Decoder,
  type DrawOptions,
  MOST_DRAWN,
  openDecoder,
} from "../../src/generate/decoder.ts";
import {
  DEFAULT_GENERATION,
  generate,
  type GeneratedToken,
  type GenerateOptions,
  resolveGeneration,
} from "../../src/generate/generate.ts";
import {
  samplingChoice,
  samplingSettings,
  usedIds,
} from "../../src/generate/sampling.ts";
import type { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { loadOracle } from "../model/_oracle.ts";
import { openFaultyGpu, strikeBefore } from "../backend/webgpu/_faulty_gpu.ts";
import { noAdapter } from "../backend/webgpu/_webgpu.ts";
import { BACKENDS, forwardLogits } from "../model/_programs.ts";

const END = 256;

/** Ids are bytes; 256 is end-of-text. */
const BYTES: Tokenizer = {
  type: "byte",
  vocabSize: 257,
  endOfText: END,
  json: "{}",
  fingerprint: "",
  encode: (text) => Uint32Array.from(new TextEncoder().encode(text)),
  decode: (ids) =>
    new TextDecoder().decode(
      Uint8Array.from(Array.from(ids).filter((id) => id !== END)),
    ),
};

Deno.test("generate() streams text up to end-of-text, which it yields", async () => {
  const decoder = scripted([..."hé!"].map(bytesOf).flat().concat(END, 65));
  const tokens = await collect({ decoder, prompt: "Oh " });
  assert.deepEqual(tokens, [
    { id: 0x68, text: "h" },
    { id: 0xc3, text: "" },
    { id: 0xa9, text: "é" },
    { id: 0x21, text: "!" },
    { id: END, text: "" },
  ]);
  assert.deepEqual(decoder.fed, [bytesOf("Oh ")]);
  assert.deepEqual(decoder.draws, [1, 1, 1, 1, 1]);
});

Deno.test("generate() streams the same from a device that draws ahead", async () => {
  const script = [...bytesOf("hé! And so on"), END, 65, 65, 65];
  const want = await collect({ decoder: scripted(script) });
  const decoder = scripted(script, { isQueued: true });
  assert.deepEqual(await collect({ decoder }), want);
  // Then 16, two for nothing, unless this machine has other things to do.
  assert.deepEqual(decoder.draws.slice(0, 2), [1, 4]);
  // No more than were asked for.
  const few = scripted(script, { isQueued: true });
  assert.equal((await collect({ decoder: few, maxNewTokens: 7 })).length, 7);
  assert.deepEqual(few.draws, [1, 4, 2]);
});

Deno.test("generate() begins with what the model wants before a text", async () => {
  const decoder = scripted(bytesOf("ab"));
  await collect({ decoder, prompt: "Oh", startOfText: 7, maxNewTokens: 1 });
  assert.deepEqual(decoder.fed, [[7, ...bytesOf("Oh")]]);
  const empty = scripted(bytesOf("ab"));
  await collect({
    decoder: empty,
    prompt: "",
    startOfText: 7,
    maxNewTokens: 1,
  });
  assert.deepEqual(empty.fed, [[7]]);
});

Deno.test("generate() stops after maxNewTokens with all of the text", async () => {
  const decoder = scripted(bytesOf("a€"));
  const tokens = await collect({ decoder, maxNewTokens: 3 });
  assert.deepEqual(tokens.map(({ text }) => text), ["a", "", "\ufffd"]);
  // Nothing is computed for a token that nobody wants.
  assert.equal(decoder.draws.length, 3);
});

Deno.test("generate() stops when the signal says so", async () => {
  const abort = new AbortController();
  const decoder = scripted(bytesOf("abcdef"));
  const texts: string[] = [];
  for await (const { text } of start({ decoder, signal: abort.signal })) {
    texts.push(text);
    if (text === "c") abort.abort();
  }
  assert.deepEqual(texts, ["a", "b", "c"]);
});

Deno.test("generate() begins an empty prompt with what precedes a text", async () => {
  const firstFed = async (tokenizer: Tokenizer) => {
    const decoder = scripted(bytesOf("a"));
    await collect({ decoder, tokenizer, prompt: "", maxNewTokens: 1 });
    return decoder.fed[0];
  };
  assert.deepEqual(await firstFed(BYTES), [END]);
  const endless = { ...BYTES, endOfText: null };
  assert.deepEqual(await firstFed(endless), [10]); // a line break
  const encode = () => new Uint32Array();
  assert.deepEqual(await firstFed({ ...endless, encode }), [0]);
});

Deno.test("generate() penalizes tokens of the prompt and of its own", async () => {
  const decoder = scripted([]);
  decoder.logits_.set([2, 1.9, 1.8], 0x61); // a, b, c; the others have 0
  const tokens = await collect({
    decoder,
    prompt: "a",
    repetitionPenalty: 10,
    maxNewTokens: 3,
  });
  // b and c first; then all are at a tenth, and a leads again.
  assert.deepEqual(tokens.map(({ text }) => text).join(""), "bca");
});

Deno.test("generate() never draws ids that the tokenizer does not have", async () => {
  const decoder = scripted([], { vocabSize: 300 });
  decoder.logits_[299] = 9;
  decoder.logits_[0x62] = 1;
  const [token] = await collect({ decoder, maxNewTokens: 1 });
  assert.equal(token.text, "b");
});

Deno.test("generate() gives the same text for the same seed only", async () => {
  const text = async (seed: number) => {
    const decoder = scripted([]); // all tokens are equally likely
    const tokens = await collect({
      decoder,
      seed,
      temperature: 1,
      topK: 0,
      maxNewTokens: 20,
    });
    return tokens.map(({ id }) => id);
  };
  assert.deepEqual(await text(1), await text(1));
  assert.notDeepEqual(await text(1), await text(2));
});

Deno.test("generate() at temperature 0 follows the largest logit of a model", async () => {
  const { config, weights } = loadOracle("llama");
  const backend = await BACKENDS.reference();
  const decoder = await openDecoder(backend, { config, weights });
  const tokenizer = { ...BYTES, vocabSize: 61, endOfText: null };
  const prompt = "\x05\x11\x07";
  const ids = [...tokenizer.encode(prompt)];
  for (let round = 0; round < 6; round++) {
    const all = await forwardLogits(backend, {
      config,
      weights,
      ids: Uint32Array.from(ids),
      B: 1,
    });
    const last = all.slice(-61);
    ids.push(last.indexOf(Math.max(...last)));
  }
  // Twice: a decoder that was used before begins anew.
  for (let round = 0; round < 2; round++) {
    const tokens = await collect({
      decoder,
      tokenizer,
      prompt,
      maxNewTokens: 6,
    });
    assert.deepEqual(tokens.map(({ id }) => id), ids.slice(3));
  }
  await backend.dispose();
});

Deno.test("generate() refuses a tokenizer with more ids than the model", async () => {
  const decoder = scripted([], { vocabSize: 100 });
  await assert.rejects(() => collect({ decoder }), (error) => {
    assert.ok(error instanceof UserError);
    assert.equal(
      error.message,
      "Cannot generate: the tokenizer has 257 ids, the model 100",
    );
    return true;
  });
  assert.deepEqual(decoder.fed, []);
});

Deno.test("resolveGeneration() fills in defaults, also for undefined", () => {
  assert.deepEqual(
    resolveGeneration({ topK: 5, temperature: undefined }),
    { ...DEFAULT_GENERATION, topK: 5 },
  );
});

for (
  const [given, message] of [
    [{ maxNewTokens: 0 }, "--max-new-tokens 0: expected a whole number of 1"],
    [{ maxNewTokens: 1.5 }, "--max-new-tokens 1.5: expected a whole number"],
    [{ seed: -1 }, "--seed -1: expected a whole number of 0 or more"],
    [{ topK: -1 }, "--top-k -1: expected a whole number of 0 or more"],
  ] as const
) {
  Deno.test(`resolveGeneration() refuses ${JSON.stringify(given)}`, () => {
    assert.throws(() => resolveGeneration(given), (error) => {
      assert.ok(error instanceof UserError);
      assert.ok(error.message.startsWith(`Cannot use ${message}`));
      assert.equal(error.exitCode, 2);
      return true;
    });
  });
}

/**
 * A decoder that wants the ids of `script` one after another, and draws by the
 * reference.
 */
function scripted(
  script: number[],
  { vocabSize = 257, isQueued = false } = {},
): Decoder & { fed: number[][]; draws: number[]; logits_: Float32Array } {
  const fed: number[][] = [], draws: number[] = [];
  const logits_ = new Float32Array(vocabSize);
  const rows = new Uint32Array(MOST_DRAWN);
  let settings = samplingSettings(DEFAULT_GENERATION),
    used = usedIds([], {
      vocabSize,
    });
  let options: DrawOptions | null = null, drawn = 0;
  return {
    config: { ...loadOracle("gpt2").config, vocabSize },
    executable: { isQueued, read: () => Promise.resolve(new Uint32Array()) },
    fed,
    draws,
    logits_,
    feed(ids) {
      fed.push(Array.from(ids));
      return Promise.resolve();
    },
    logits: () => Promise.resolve(logits_),
    begin(given) {
      options = given;
      settings = samplingSettings(given);
      used = usedIds(given.history, { vocabSize });
    },
    draw(most) {
      draws.push(most);
      return Promise.resolve(Array.from({ length: most }, (_, slot) => {
        const wanted = script[drawn];
        const logits = wanted === undefined
          ? logits_
          : logits_.with(wanted, 100);
        const choice = samplingChoice({ ...options!, draw: drawn++, slot });
        sampleKernels.sample({
          op: "sample",
          in: { settings, used, drawn: rows, logits, choice },
          out: { id: new Uint32Array(1), drawn: rows, used },
          attrs: { V: vocabSize, rows: rows.length },
        });
        return rows[slot];
      }));
    },
    reset: () => {},
    dispose: () => Promise.resolve(),
  };
}

/** {@linkcode generate}, greedy and with bytes unless said otherwise. */
function start(
  options: Partial<GenerateOptions> & { decoder: Decoder },
): AsyncGenerator<GeneratedToken> {
  return generate({
    tokenizer: BYTES,
    prompt: "x",
    temperature: 0,
    ...options,
  });
}

async function collect(
  options: Partial<GenerateOptions> & { decoder: Decoder },
): Promise<GeneratedToken[]> {
  return await Array.fromAsync(start(options));
}

function bytesOf(text: string): number[] {
  return [...new TextEncoder().encode(text)];
}

for (const what of ["in a prompt", "while it draws"]) {
  Deno.test(`generate() names a GPU that is lost ${what}`, {
    ignore: noAdapter,
  }, async () => {
    const { config, weights } = loadOracle("llama");
    const { backend, device } = await openFaultyGpu();
    const moment = what === "in a prompt"
      ? { call: `run prefill${config.seqLen}`, nth: 1 }
      : { call: "read drawn", nth: 2 };
    strikeBefore(backend, moment, () => device.destroy());
    const decoder = await openDecoder(backend, { config, weights });
    const tokenizer = { ...BYTES, vocabSize: config.vocabSize };
    const texts = Array.fromAsync(
      generate({ decoder, tokenizer, prompt: "\x01\x02", seed: 1 }),
    );
    await assert.rejects(texts, /^UserError: Lost .*: device was lost$/);
    await backend.dispose();
  });
}
