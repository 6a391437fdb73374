import assert from "node:assert/strict";
import type { Backend } from "../../src/backend/backend.ts";
import { candidates } from "../../src/backend/reference/sample.ts";
import { UserError } from "../../src/base/errors.ts";
import { PhiloxStream, STREAM } from "../../src/base/philox.ts";
import {
  contextAfter,
  type Decoder,
  openDecoder,
} from "../../src/generate/decoder.ts";
import type { ModelConfig } from "../../src/model/model_config.ts";
import { fromHuggingFace } from "../model/_huggingface.ts";
import { hashedWeights, loadOracle, oracleBatch } from "../model/_oracle.ts";
import { assertClose, BACKENDS, forwardLogits } from "../model/_programs.ts";

// The same f32 sums in another order; the reference sums in f64 and rounds
// once per op, about 1e-7 each.
const RTOL = 1e-5;

Deno.test("contextAfter() keeps everything while it fits", () => {
  assert.deepEqual(contextAfter([], [1, 2, 3], { seqLen: 4 }), [1, 2, 3]);
  assert.deepEqual(contextAfter([1, 2, 3], [4], { seqLen: 4 }), [1, 2, 3, 4]);
});

Deno.test("contextAfter() keeps the newer half when the context is full", () => {
  assert.deepEqual(contextAfter([1, 2, 3, 4], [5], { seqLen: 4 }), [4, 5]);
  assert.deepEqual(contextAfter([1, 2, 3, 4, 5], [6], { seqLen: 5 }), [5, 6]);
  assert.deepEqual(contextAfter([1], [2], { seqLen: 1 }), [2]);
});

Deno.test("contextAfter() keeps the end of what does not fit at all", () => {
  assert.deepEqual(contextAfter([], [1, 2, 3, 4, 5, 6], { seqLen: 4 }), [
    3,
    4,
    5,
    6,
  ]);
  // More than half a context added to a full one: all that was added.
  assert.deepEqual(contextAfter([1, 2, 3], [4, 5, 6], { seqLen: 4 }), [
    4,
    5,
    6,
  ]);
});

for (const [backendName, openBackend] of Object.entries(BACKENDS)) {
  for (const name of ["gpt2", "gpt2_exact", "llama", "llama_tied"]) {
    Deno.test(`Decoder gives PyTorch's logits at every position: ${name} on ${backendName}`, async () => {
      const oracle = loadOracle(name);
      const { vocabSize: V, seqLen: T } = oracle.config;
      const backend = await openBackend();
      const decoder = await openDecoder(backend, oracle);
      const { ids } = oracleBatch(oracle, 0);
      for (let b = 0; b < oracle.B; b++) {
        decoder.reset();
        for (let t = 0; t < T; t++) {
          const row = b * T + t;
          assertClose(
            await feed(decoder, [ids[row]]),
            oracle.logits.slice(row * V, (row + 1) * V),
            { rtol: RTOL, what: `logits of sequence ${b}, position ${t}` },
          );
        }
      }
      await decoder.dispose();
      await backend.dispose();
    });
  }

  for (const arch of ["gpt2", "llama"]) {
    Deno.test(`Decoder reads prompts in pieces: ${arch} on ${backendName}`, async () => {
      await withLongContext({ arch, openBackend }, async (t) => {
        // Around multiples of a piece (32), up to the whole context.
        for (const n of [1, 2, 31, 32, 33, 64, 65, 69, 70]) {
          t.decoder.reset();
          await t.assertFeeds([n], n);
        }
        // Pieces that begin where no piece would, and single tokens between.
        for (const parts of [[10, 40], [1, 33], [33, 1, 36], [40, 30]]) {
          t.decoder.reset();
          await t.assertFeeds(parts, parts.reduce((sum, n) => sum + n));
        }
      });
    });

    Deno.test(`Decoder goes on when the context is full: ${arch} on ${backendName}`, async () => {
      await withLongContext({ arch, openBackend }, async (t) => {
        // 35 = half of 70, then one more each; 70 begins the next round.
        t.decoder.reset();
        await t.assertFeeds([70, 1], 35);
        await t.assertFeeds([1, 1], 37);
        await t.assertFeeds([33], 70);
        await t.assertFeeds([50], 50);
        // A prompt longer than the context counts with its end.
        t.decoder.reset();
        await t.assertFeeds([100], 70);
      });
    });
  }
}

Deno.test("Decoder reads long prompts in long pieces", async () => {
  const arch = "gpt2", openBackend = BACKENDS.cpu;
  await withLongContext({ arch, openBackend, seqLen: 300 }, async (t) => {
    for (const parts of [[127], [128], [129], [300], [5, 290], [161, 1, 138]]) {
      t.decoder.reset();
      await t.assertFeeds(parts, parts.reduce((sum, n) => sum + n));
    }
  });
  const long = { arch, openBackend, seqLen: 560, longestPrompt: 500 };
  await withLongContext(long, async (t) => {
    // Those of 512, whole and padded, up to the end of the cache.
    for (const parts of [[490], [512], [30, 530], [1, 559]]) {
      t.decoder.reset();
      await t.assertFeeds(parts, parts.reduce((sum, n) => sum + n));
    }
  });
});

for (const [backendName, openBackend] of Object.entries(BACKENDS)) {
  Deno.test(`Decoder draws the same tokens, one by one or together, on ${backendName}`, async () => {
    const { config, weights } = longModel("llama", { seqLen: 37 });
    const backend = await openBackend();
    const decoder = await openDecoder(backend, { config, weights });
    const drawn = async (parts: number[]) => {
      decoder.reset();
      await decoder.feed([3, 5, 7]);
      decoder.begin({ ...PENALIZED, history: [3, 5, 7] });
      const ids: number[] = [];
      for (const most of parts) {
        for (let left = most; left > 0;) {
          const some = await decoder.draw(left);
          assert.ok(some.length >= 1 && some.length <= left);
          ids.push(...some);
          left -= some.length;
        }
      }
      return ids;
    };
    // Beyond the context, whose newer half is read again after 37 and 56.
    const one = await drawn(Array(70).fill(1));
    assert.ok(new Set(one).size > 10, `${one}`);
    assert.deepEqual(await drawn([70]), one);
    assert.deepEqual(await drawn([33, 1, 2, 34]), one);

    // The reference draws by the logits of the same ids.
    const ids = [3, 5, 7];
    for (const id of one.slice(0, 20)) {
      decoder.reset();
      const logits = await feed(decoder, ids);
      assert.equal(drawByHand(logits, ids), id, `after ${ids}`);
      ids.push(id);
    }
    await decoder.dispose();
    await backend.dispose();
  });
}

Deno.test("Decoder.draw() refuses logits that are not numbers", async () => {
  const { config, weights } = loadOracle("gpt2");
  const broken = new Map(weights);
  broken.set("lnF.weight", new Float32Array(config.nEmbd).fill(NaN));
  const backend = await BACKENDS.reference();
  const decoder = await openDecoder(backend, { config, weights: broken });
  await decoder.feed([1]);
  decoder.begin({ ...PENALIZED, vocabSize: 61, history: [] });
  await assert.rejects(() => decoder.draw(3), (error) => {
    assert.ok(error instanceof UserError);
    assert.equal(
      error.message,
      "Cannot choose a token: the model gives no numbers",
    );
    return true;
  });
  await backend.dispose();
});

Deno.test("Decoder.feed() refuses no ids, and ids beyond the vocabulary", async () => {
  const oracle = loadOracle("gpt2");
  const backend = await BACKENDS.reference();
  const decoder = await openDecoder(backend, oracle);
  await assert.rejects(() => decoder.feed([]), RangeError);
  await assert.rejects(
    () => decoder.feed([3, 61]),
    new RangeError("Cannot feed id 61: the vocabulary has 61"),
  );
  await assert.rejects(() => decoder.feed([-1]), RangeError);
  await backend.dispose();
});

Deno.test("openDecoder() refuses weights that lack a parameter", async () => {
  const { config, weights } = loadOracle("gpt2");
  const rest = new Map([...weights].filter(([name]) => name !== "wpe"));
  const backend = await BACKENDS.reference();
  await assert.rejects(
    () => openDecoder(backend, { config, weights: rest }),
    new TypeError('No values for parameter "wpe"'),
  );
  await backend.dispose();
});

async function feed(
  decoder: Decoder,
  ids: ArrayLike<number>,
): Promise<Float32Array> {
  await decoder.feed(ids);
  return await decoder.logits();
}

interface LongContext {
  decoder: Decoder;
  /**
   * Feeds the next ids in parts of these sizes; the logits must be those of a
   * forward pass over the last `seen` ids.
   */
  assertFeeds(parts: number[], seen: number): Promise<void>;
}

const PENALIZED = {
  temperature: 0.9,
  topK: 12,
  topP: 0.95,
  repetitionPenalty: 1.1,
  seed: 77,
  vocabSize: 17,
};

/** Draw number `ids.length - 3` of {@linkcode PENALIZED}. */
function drawByHand(logits: Float32Array, ids: number[]): number {
  const { temperature, topK, topP, repetitionPenalty, seed } = PENALIZED;
  const { ids: allowed, probs } = candidates(logits, {
    ...{ temperature, topK, topP, penalty: repetitionPenalty },
    isUsed: (id) => ids.includes(id),
  });
  const stream = new PhiloxStream(seed, STREAM.sampling);
  for (let i = 3; i < ids.length; i++) stream.uniform();
  let rest = stream.uniform();
  return allowed[probs.findIndex((p) => (rest -= p) < 0)];
}

function longModel(arch: string, { seqLen }: { seqLen: number }) {
  const config: ModelConfig = {
    ...loadOracle(arch).config,
    nLayer: 1,
    seqLen,
    vocabSize: 17,
  };
  return { config, weights: fromHuggingFace(config, hashedWeights(config)) };
}

/** Runs `body` with a model of 70 tokens of context: more than two pieces. */
async function withLongContext(
  { arch, openBackend, seqLen = 70, longestPrompt }: {
    arch: string;
    openBackend: () => Promise<Backend>;
    seqLen?: number;
    longestPrompt?: number;
  },
  body: (context: LongContext) => Promise<void>,
): Promise<void> {
  const { config, weights } = longModel(arch, { seqLen });
  const reference = await BACKENDS.reference();
  const backend = await openBackend();
  const options = { config, weights, longestPrompt };
  const decoder = await openDecoder(backend, options);
  const fed: number[] = [];
  await body({
    decoder,
    async assertFeeds(parts, seen) {
      let logits = new Float32Array();
      for (const n of parts) {
        const ids = Array.from(
          { length: n },
          (_, i) => (fed.length + i) * 7 % 17,
        );
        fed.push(...ids);
        logits = await feed(decoder, ids) as typeof logits;
      }
      const ids = Uint32Array.from(fed.slice(-seen));
      // Every length is another program, which would be new shaders on a GPU.
      const all = await forwardLogits(reference, {
        config,
        weights,
        ids,
        B: 1,
      });
      assertClose(logits, all.slice(-config.vocabSize), {
        rtol: RTOL,
        what: `logits after feeding ${parts}`,
      });
    },
  });
  await decoder.dispose();
  await backend.dispose();
}
