/**
 * How fast text becomes tokens: `deno run -A bench/tokenizer_bench.ts [FILE]`.
 *
 * One byte-level BPE tokenizer of 2048 ids is trained on FILE and then run
 * three ways: by our own code, by Hugging Face's Rust code in WebAssembly, and
 * by Hugging Face's TypeScript. Prints the fastest of several runs, because
 * one core is timed and other work on the machine only ever adds.
 *
 * @module
 */

import { Tokenizer as TokenizersJs } from "@huggingface/tokenizers";
import { loadTokenizer } from "../src/tokenizer/load.ts";
import { trainTokenizer } from "../src/tokenizer/train.ts";
import { trainBpe } from "../src/tokenizer/train_bpe.ts";

const CORPUS = new URL(
  "../tests/fixtures/tokenizer/corpus.txt",
  import.meta.url,
);
const RUNS = 10;

const text = Deno.readTextFileSync(Deno.args[0] ?? CORPUS);
const megabytes = new TextEncoder().encode(text).length / 1e6;
console.log(`${Deno.args[0] ?? "corpus.txt"}: ${megabytes.toFixed(2)} MB`);

for (const vocabSize of [2048, 8192]) {
  const ms = await fastest(() => trainBpe([text], { vocabSize }), 3);
  report(
    `train bpe ${vocabSize}`,
    ms,
    `${(megabytes / ms * 1e3).toFixed(1)} MB/s`,
  );
}

const json = await trainBpe([text], { vocabSize: 2048 });
const own = await loadTokenizer(json);
const root = JSON.parse(json);
// Changes nothing but the shape, so that Hugging Face's code takes it.
root.normalizer = { type: "Sequence", normalizers: [] };
const wasm = await loadTokenizer(JSON.stringify(root));
const tokenizersJs = new TokenizersJs(root, {});
const ids = own.encode(text);
await reportTokens("encode bpe", () => own.encode(text));
await reportTokens("encode bpe, Rust", () => wasm.encode(text));
await reportTokens("encode bpe, tokenizers.js", () => {
  return tokenizersJs.encode(text).ids;
});
await reportTokens("decode bpe", () => (own.decode(ids), ids));
await reportTokens("decode bpe, Rust", () => (wasm.decode(ids), ids));

for (const type of ["byte", "char"] as const) {
  const tokenizer = await trainTokenizer({ type, vocabSize: 300 }, [text]);
  await reportTokens(`encode ${type}`, () => tokenizer.encode(text));
}

report("load bpe", await fastest(() => loadTokenizer(json), RUNS));
report(
  "load bpe, Rust",
  await fastest(() => loadTokenizer(JSON.stringify(root)), RUNS),
);

async function reportTokens(
  name: string,
  encode: () => ArrayLike<number>,
): Promise<void> {
  const tokens = encode().length;
  const ms = await fastest(() => Promise.resolve(encode()), RUNS);
  report(name, ms, `${(tokens / ms / 1e3).toFixed(2)} M tokens/s`);
}

function report(name: string, ms: number, rate = ""): void {
  console.log(`${name.padEnd(26)} ${ms.toFixed(1).padStart(8)} ms  ${rate}`);
}

/** Milliseconds of the fastest of `runs`, after one to warm up. */
async function fastest(
  work: () => Promise<unknown>,
  runs: number,
): Promise<number> {
  await work();
  let best = Infinity;
  for (let run = 0; run < runs; run++) {
    const start = performance.now();
    await work();
    best = Math.min(best, performance.now() - start);
  }
  return best;
}
