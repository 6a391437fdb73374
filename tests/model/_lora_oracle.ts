/** What PEFT computed: tests/fixtures/pytorch_lora.py. */

import { sizeOf } from "../../src/graph/tensor.ts";
import {
  adapterParameters,
  type Lora,
  resolveLora,
} from "../../src/model/lora.ts";
import {
  decode,
  hashU32,
  loadOracle,
  type Oracle,
  readFixture,
  type StoredTensor,
  type TrainSettings,
} from "./_oracle.ts";

/** A case of the oracle, with adapters. */
export interface LoraOracle {
  /** The model without adapters. */
  frozen: Oracle;
  lora: Lora;
  /** A and B, by name. */
  factors: Map<string, Float32Array>;
  /** Of batch 0, (B * seqLen, V). */
  logits: Float32Array;
  loss: number;
  /** Of A and B, by name. */
  grads: Map<string, Float32Array>;
  /** Weights with their adapters in them, under Hugging Face's names. */
  merged: Map<string, Float32Array>;
  train: TrainSettings & { trainLosses: number[]; gradNorms: number[] };
}

/** As the fixture stores it. */
interface StoredCase {
  lora: { rank: number; alpha: number; targets: string[] };
  logits: StoredTensor;
  loss: number;
  grads: Record<string, StoredTensor>;
  merged: Record<string, StoredTensor>;
  train: LoraOracle["train"];
}

/** Reads a case of pytorch_lora.json. */
export function loadLoraOracle(name: string): LoraOracle {
  const { cases } = readFixture("pytorch_lora.json") as {
    cases: Record<string, StoredCase>;
  };
  const stored = cases[name];
  const frozen = loadOracle(name);
  const lora = resolveLora(stored.lora, frozen.config)!;
  const decoded = (tensors: Record<string, StoredTensor>) =>
    new Map(
      Object.entries(tensors).map(([name, tensor]) => [name, decode(tensor)]),
    );
  return {
    frozen,
    lora,
    factors: new Map(
      adapterParameters(frozen.config, lora).map(({ name, shape }) => [
        name,
        Float32Array.from(
          { length: sizeOf(shape) },
          (_, i) => 0.3 * (hashU32(name, i) / 2 ** 32 - 0.5),
        ),
      ]),
    ),
    logits: decode(stored.logits),
    loss: stored.loss,
    grads: decoded(stored.grads),
    merged: decoded(stored.merged),
    train: stored.train,
  };
}
