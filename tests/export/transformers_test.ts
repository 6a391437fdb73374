import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { openBackend } from "../../src/backend/devices/open_backend.ts";
import { exportModel } from "../../src/export/export_model.ts";
import { type Decoder, openDecoder } from "../../src/generate/decoder.ts";
import type { ModelConfig } from "../../src/model/model_config.ts";
import { loadTokenizer } from "../../src/tokenizer/mod.ts";
import { inTempDir } from "../base/_helpers.ts";
import { fromHuggingFace } from "../model/_huggingface.ts";
import { hashedWeights, hashU32 } from "../model/_oracle.ts";
import { checkpointOf, MODELS } from "./_checkpoint.ts";
import { findPackages, python } from "./_python.ts";

const { missing, found } = await findPackages("torch", "transformers");
const SCRIPT = fileURLToPath(
  new URL("../fixtures/load_model.py", import.meta.url),
);
const TEXT = "Once upon a time, “there” was 1 fox.\n";

/** Twenty prompts of 1 to 20 tokens. */
const PROMPTS = Array.from(
  { length: 20 },
  (_, p) =>
    Array.from({ length: p + 1 }, (_, i) => hashU32(`prompt.${p}`, i) % 256),
);
const NEW_TOKENS = 64;

/** What load_model.py answers. */
interface Answer {
  architecture: string;
  ids: number[];
  eos: string;
  results: { logits: string; continuation: number[] }[];
}

for (const [name, config] of Object.entries(MODELS)) {
  Deno.test({
    name: `transformers load an exported ${name} with the same logits and ` +
      `greedy texts (${found})`,
    ignore: missing,
    fn: () =>
      inTempDir(async (dir) => {
        const chosen = checkpointOf(config);
        const output = `${dir}/out`;
        await exportModel({
          chosen,
          meta: null,
          format: "hf",
          dtype: "f32",
          output,
        });
        const request = { prompts: PROMPTS, newTokens: NEW_TOKENS, text: TEXT };
        const answer = await python([SCRIPT, output], JSON.stringify(request));
        assert.ok(answer, "transformers cannot load the folder");
        const { architecture, ids, eos, results } = JSON.parse(
          answer,
        ) as Answer;
        assert.equal(
          architecture,
          { gpt2: "GPT2LMHeadModel", llama: "LlamaForCausalLM" }[name],
        );
        assert.equal(eos, "<|endoftext|>");
        const tokenizer = await loadTokenizer(chosen.content.tokenizerJson);
        assert.deepEqual(ids, Array.from(tokenizer.encode(TEXT)));

        await using opened = new AsyncDisposableStack();
        const decoder = await open(config, opened);
        for (const [p, { logits, continuation }] of results.entries()) {
          const theirs = new Float32Array(Uint8Array.fromBase64(logits).buffer);
          const ours = await greedy(decoder, PROMPTS[p]);
          // Their logits of the prompt's last token.
          const last = theirs.subarray(-config.vocabSize);
          for (let i = 0; i < last.length; i++) {
            const difference = Math.abs(last[i] - ours.logits[i]);
            assert.ok(difference < 1e-4, `prompt ${p}, id ${i}: ${difference}`);
          }
          assert.deepEqual(ours.continuation, continuation, `prompt ${p}`);
        }
      }),
  });
}

async function open(
  config: ModelConfig,
  opened: AsyncDisposableStack,
): Promise<Decoder> {
  const { backend } = await openBackend({ device: "cpu", threads: 1 });
  opened.defer(() => backend.dispose());
  const weights = fromHuggingFace(config, hashedWeights(config));
  const decoder = await openDecoder(backend, { config, weights });
  opened.defer(() => decoder.dispose());
  return decoder;
}

/** Logits after the prompt, and the ids that follow. */
async function greedy(decoder: Decoder, prompt: readonly number[]) {
  decoder.reset();
  await decoder.feed(prompt);
  const logits = await decoder.logits();
  const continuation: number[] = [];
  let next: Float32Array = logits;
  while (continuation.length < NEW_TOKENS) {
    const id = next.indexOf(Math.max(...next));
    continuation.push(id);
    if (continuation.length === NEW_TOKENS) break;
    await decoder.feed([id]);
    next = await decoder.logits();
  }
  return { logits, continuation };
}
