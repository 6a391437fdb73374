/** Checkpoints whose files are whole, but do not belong together. @module */

import assert from "node:assert/strict";
import { UserError } from "../../src/base/errors.ts";
import {
  type ExportFormat,
  exportModel,
} from "../../src/export/export_model.ts";
import { inTempDir } from "../base/_helpers.ts";
import { readSafetensors } from "../base/_safetensors.ts";
import { checkpointOf, MODELS } from "./_checkpoint.ts";

type Content = ReturnType<typeof checkpointOf>["content"];

/** Exports the checkpoint with something changed, to `output`. */
async function exported(
  format: ExportFormat,
  output: string,
  change: (content: Content) => Partial<Content>,
) {
  const chosen = checkpointOf(MODELS.gpt2);
  await exportModel({
    ...{ format, dtype: "f32", output, meta: null },
    chosen: {
      ...chosen,
      content: { ...chosen.content, ...change(chosen.content) },
    },
  });
}

/** What is said in place of an export. */
async function refusal(...args: Parameters<typeof exported>): Promise<string> {
  const error = await exported(...args).then(() => null, (error) => error);
  assert.ok(error instanceof UserError, `${error}`);
  return error.message;
}

Deno.test("exportModel() refuses tensors that are not the model's", () =>
  inTempDir(async (dir) => {
    for (const format of ["hf", "gguf", "safetensors", "bundle"] as const) {
      const renamed = (name: string) => ({ params }: Content) => ({
        params: params.map((tensor, i) =>
          i === 0 ? { ...tensor, name } : tensor
        ),
      });
      assert.equal(
        await refusal(format, `${dir}/out`, renamed("constructor.weight")),
        'Cannot load the model: tensor "transformer.wte.weight" is missing',
      );
    }
    assert.deepEqual(await Array.fromAsync(Deno.readDir(dir)), []);
  }));

Deno.test("exportModel() gives tensors the names that others look for", () =>
  inTempDir(async (dir) => {
    await exported("safetensors", `${dir}/out`, ({ params }) => ({
      params: params.map((tensor) => ({
        ...tensor,
        name: tensor.name.replace("transformer.", ""), // as OpenAI's files
      })),
    }));
    const names = (await readSafetensors(`${dir}/out`)).map(({ name }) => name);
    const wanted = checkpointOf(MODELS.gpt2).content.params
      .map(({ name }) => name);
    assert.deepEqual(names, wanted);
  }));

Deno.test("exportModel() tells transformers what tokens begin and end a text", () =>
  inTempDir(async (dir) => {
    for (
      const [bos, eos, texts] of [
        [256, 256, ["<|endoftext|>", "<|endoftext|>"]], // an added token
        [65, [256, 65], ["A", "<|endoftext|>"]], // one of the vocabulary
        [300, 65, [null, "A"]], // none of either
      ] as const
    ) {
      await exported("hf", `${dir}/out`, ({ modelConfig }) => ({
        modelConfig: { ...modelConfig, bos_token_id: bos, eos_token_id: eos },
      }));
      const read = async (name: string) =>
        JSON.parse(await Deno.readTextFile(`${dir}/out/${name}`));
      const config = await read("tokenizer_config.json");
      assert.deepEqual([config.bos_token, config.eos_token], texts);
      assert.equal(config.model_max_length, 96);
      assert.equal(config.tokenizer_class, "PreTrainedTokenizerFast");
      assert.deepEqual(await read("generation_config.json"), {
        ...{ bos_token_id: bos, eos_token_id: eos },
      });
      await Deno.remove(`${dir}/out`, { recursive: true });
    }
  }));

Deno.test("exportModel() refuses tokenizers that nothing could load", () =>
  inTempDir(async (dir) => {
    const gpt2 = JSON.parse(
      await Deno.readTextFile(
        new URL("../fixtures/tokenizer/gpt2.json", import.meta.url),
      ),
    );
    const damaged = JSON.stringify({
      ...gpt2,
      model: { ...gpt2.model, merges: [{ toString: 1 }] },
    });
    const whole = JSON.stringify(gpt2);
    for (const format of ["hf", "gguf", "bundle"] as const) {
      assert.match(
        await refusal(format, `${dir}/out`, () => ({ tokenizerJson: damaged })),
        /^Cannot use tokenizer /,
      );
      assert.equal(
        await refusal(format, `${dir}/out`, () => ({ tokenizerJson: whole })),
        'Cannot export "owl-1/step-00000500": the tokenizer has 500 ids, the ' +
          "model 257",
      );
    }
    assert.deepEqual(await Array.fromAsync(Deno.readDir(dir)), []);
  }));

Deno.test("exportModel() writes a card without what old checkpoints lack", () =>
  inTempDir(async (dir) => {
    await exported("hf", `${dir}/out`, ({ trainer }) => {
      const { tokens: _, bestValLoss: _loss, ...old } = trainer;
      return { trainer: old as Content["trainer"] };
    });
    const card = await Deno.readTextFile(`${dir}/out/README.md`);
    assert.match(card, /\| Tokens seen \| n\/a \|/);
    assert.match(card, /\| Best validation loss \| unknown \|/);
  }));
