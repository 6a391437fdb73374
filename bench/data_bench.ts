/**
 * How fast text becomes tokens, and tokens become batches.
 *
 * Run: deno bench -A bench/data_bench.ts
 *
 * @module
 */

import { configSchema } from "../src/config/schema.ts";
import { openDataset } from "../src/data/open_dataset.ts";
import { sampleStories } from "../src/data/sample/sample.ts";

const { data, tokenizer } = configSchema.parse({ data: { dataset: "sample" } });
const dataDir = Deno.makeTempDirSync();
globalThis.addEventListener("unload", () => {
  Deno.removeSync(dataDir, { recursive: true });
});
const settings = { data, tokenizer, dataDir, seed: 1337 };
const small = { ...settings, seqLen: 128, batchSize: 8 };
const large = { ...settings, seqLen: 1024, batchSize: 12 };
const { dataset } = await openDataset(small);
const { dataset: wide } = await openDataset(large);

Deno.bench("write the stories of the sample, 6.0 MB", () => {
  let bytes = 0;
  for (const story of sampleStories()) bytes += story.length;
  if (bytes < 6_000_000) throw new Error("too short");
});

Deno.bench({
  name: "prepare the sample, bpe 2048",
  n: 3,
  warmup: 0,
  async fn(b) {
    const dataDir = await Deno.makeTempDir();
    b.start();
    const { dataset } = await openDataset({ ...small, dataDir });
    b.end();
    dataset.close();
    await Deno.remove(dataDir, { recursive: true });
  },
});

Deno.bench("open the prepared sample, 1.5 M tokens", async () => {
  const { dataset } = await openDataset(small);
  dataset.close();
});

let cursor = 0;
Deno.bench("batch of 8 x 128", async () => {
  await dataset.train.at(cursor++);
});

Deno.bench("batch of 12 x 1024", async () => {
  await wide.train.at(cursor++);
});
