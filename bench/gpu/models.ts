/**
 * The models that `bench:gpu` measures.
 *
 * @module
 */

import {
  type BenchModel,
  benchModel,
} from "../../src/cli/bench/bench_model.ts";
import type { FlagSetting } from "../../src/config/parse.ts";

/** A profile with some sizes changed. */
interface Variation {
  readonly profile?: string;
  readonly settings: Readonly<Record<string, unknown>>;
}

/** Models that are no profile, or not as large as one is by itself. */
const VARIATIONS: Readonly<Record<string, Variation>> = {
  "gpt2-small": { settings: { "train.batchSize": 8, "model.seqLen": 1024 } },
  "short-heads": {
    profile: "shakespeare-char",
    settings: { "model.nHead": 12 }, // of 32 numbers
  },
};

/** What takes a software adapter a second. */
const SMALL = {
  ...{ "train.batchSize": 2, "model.seqLen": 32, "model.nLayer": 1 },
  ...{ "model.nEmbd": 64, "model.dropout": 0.1, "model.bias": true },
  "model.nHead": 4,
};

/** A model by its name here, or that of a profile. */
export function modelOf(
  name: string,
  { small }: { small: boolean },
): Promise<BenchModel> {
  const { profile = name, settings } = VARIATIONS[name] ?? { settings: {} };
  const changed = Object.entries({ ...settings, ...small ? SMALL : {} });
  const flags: FlagSetting[] = changed
    .map(([path, value]) => ({ path, value, typed: path }));
  return benchModel(profile, flags);
}
