/**
 * Models of known size, so that figures can be compared: apart from the rest,
 * so that `--help` can name them without loading a model.
 *
 * @module
 */

/** A training profile and what is changed in it. */
export interface BenchShape {
  readonly profile: string;
  /** Values by their path in the configuration. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly about: string;
}

/** By name, smallest first. */
export const BENCH_SHAPES: Readonly<Record<string, BenchShape>> = {
  "char-cpu": {
    profile: "shakespeare-char-cpu",
    settings: {},
    about: "L4 H4 C128 T64 B12 V65",
  },
  char: {
    profile: "shakespeare-char",
    settings: { "model.dropout": 0, "train.batchSize": 8 },
    about: "L6 H6 C384 T256 B8 V65",
  },
  llama: {
    profile: "shakespeare-char",
    settings: {
      "model.arch": "llama",
      "model.nKvHead": 3,
      "model.dropout": 0,
      "train.batchSize": 8,
      "tokenizer.type": "bpe",
      "tokenizer.vocabSize": 4096,
    },
    about: "L6 H6 C384 T256 B8 V4096, llama",
  },
  gpt2: {
    profile: "gpt2-small",
    settings: {
      "model.seqLen": 256,
      "train.batchSize": 2,
      "tokenizer.vocabSize": 50304,
    },
    about: "GPT-2 124M, T256 B2 V50304",
  },
};
