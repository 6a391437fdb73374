import assert from "node:assert/strict";
import { exportModel } from "../../src/export/export_model.ts";
import { openBackend } from "../../src/backend/devices/open_backend.ts";
import { openDecoder } from "../../src/generate/decoder.ts";
import { loadTokenizer, trainTokenizer } from "../../src/tokenizer/mod.ts";
import { resolveModel } from "../../src/model/model_config.ts";
import { inTempDir } from "../base/_helpers.ts";
import { fromHuggingFace } from "../model/_huggingface.ts";
import { hashedWeights, readFixture } from "../model/_oracle.ts";
import { checkpointOf, MODELS } from "./_checkpoint.ts";

/** A folder where `npm install node-llama-cpp` was run: it is too large here. */
const FOLDER = Deno.env.get("HEARTH_LLAMA_CPP");
const found = FOLDER ?? "skipped, set HEARTH_LLAMA_CPP";

const TEXT = "Once upon a time,  there was\n1 fox.";
/** Runs in that folder, so that its packages are found. */
const SCRIPT = `
import { getLlama, LlamaLogLevel } from "node-llama-cpp";
const { path, text, count } = JSON.parse(Deno.args[0]);
const llama = await getLlama({
  gpu: false, build: "never", logLevel: LlamaLogLevel.error,
});
const model = await llama.loadModel({ modelPath: path });
const context = await model.createContext({ contextSize: 96, threads: 1 });
const ids = model.tokenize(text);
const drawn = [];
for await (const id of context.getSequence().evaluate(ids, { temperature: 0 })) {
  drawn.push(id);
  if (drawn.length === count) break;
}
console.log("answer " + JSON.stringify({ ids, drawn }));
Deno.exit(0);
`;

async function llamaCpp(
  path: string,
  count: number,
): Promise<{ ids: number[]; drawn: number[] }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "--no-config", "--no-lock"],
      ...["--node-modules-dir=manual", "-"],
      JSON.stringify({ path, text: TEXT, count }),
    ],
    cwd: FOLDER,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(SCRIPT));
  await writer.close();
  const { stdout, stderr } = await child.output();
  const out = new TextDecoder().decode(stdout);
  const answer = /^answer (.*)$/m.exec(out);
  assert.ok(answer, out + new TextDecoder().decode(stderr));
  return JSON.parse(answer[1]);
}

const tokenizers: Record<string, () => string | Promise<string>> = {
  bytes: () => checkpointOf(MODELS.gpt2).content.tokenizerJson,
  bpe: () => JSON.stringify(readFixture("tokenizer/bpe.json")),
  pieces: () => JSON.stringify(readFixture("tokenizer/llama.json")),
  characters: async () => {
    const settings = { type: "char", vocabSize: 999 } as const;
    return (await trainTokenizer(settings, [TEXT + "“ö☺"])).json;
  },
};

for (const [kind, tokenizerJson] of Object.entries(tokenizers)) {
  for (const arch of ["gpt2", "llama"] as const) {
    Deno.test({
      name: `llama.cpp splits text alike and draws the same tokens: ${arch}, ` +
        `${kind} (${found})`,
      ignore: FOLDER === undefined,
      fn: () =>
        inTempDir(async (dir) => {
          const json = await tokenizerJson();
          const tokenizer = await loadTokenizer(json);
          const config = resolveModel(MODELS[arch], tokenizer.vocabSize);
          const output = `${dir}/model.gguf`;
          await exportModel({
            chosen: checkpointOf(config, json),
            meta: null,
            format: "gguf",
            dtype: "f32",
            output,
          });
          const { ids, drawn } = await llamaCpp(output, 16);
          assert.deepEqual(ids, Array.from(tokenizer.encode(TEXT)));

          const { backend } = await openBackend({ device: "cpu", threads: 1 });
          await using opened = new AsyncDisposableStack();
          opened.defer(() => backend.dispose());
          const decoder = await openDecoder(backend, {
            config,
            weights: fromHuggingFace(config, hashedWeights(config)),
          });
          opened.defer(() => decoder.dispose());
          await decoder.feed(ids);
          for (const id of drawn) {
            const logits = await decoder.logits();
            assert.equal(id, logits.indexOf(Math.max(...logits)));
            await decoder.feed([id]);
          }
        }),
    });
  }
}
