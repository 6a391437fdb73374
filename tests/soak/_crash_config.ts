import { join } from "node:path";
import type { HearthConfig } from "../../src/config/hearth_config.ts";
import { configSchema } from "../../src/config/schema.ts";

/** A text of about 20 kB, the same every time. */
const TEXT = Array.from(
  { length: 600 },
  (_, i) => `the cat number ${i * 7919 % 601} sat on the mat\n`,
).join("");

/** Makes a root for one run, with a text to train on. */
export async function makeRoot(root: string): Promise<void> {
  await Deno.mkdir(root, { recursive: true });
  await Deno.writeTextFile(join(root, "text.txt"), TEXT);
}

/**
 * Thirty steps of a model whose checkpoint has 200 kB: enough for a kill to
 * strike in the middle of a file, and soon over.
 */
export function crashConfig(root: string): HearthConfig {
  return configSchema.parse({
    model: { nLayer: 1, nHead: 2, nEmbd: 24, seqLen: 16, dropout: 0.1 },
    tokenizer: { type: "byte" },
    data: { dataset: join(root, "text.txt") },
    device: "cpu",
    threads: 1,
    train: {
      steps: 30,
      batchSize: 4,
      gradAccumSteps: 2,
      warmupSteps: 4,
      lr: 1e-2,
      logEvery: 2,
      evalEvery: 5,
      evalBatches: 2,
    },
    checkpoint: { every: 3, keep: 2, best: true },
  });
}
