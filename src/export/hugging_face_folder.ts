/**
 * The files that transformers loads a model from, besides the weights.
 *
 * @module
 */

import type { FloatFormat } from "../base/float_formats.ts";
import { jsonText } from "../base/json_file.ts";
import type { ModelConfig } from "../model/model_config.ts";
import type { ConfigTokens } from "../tokenizer/start_of_text.ts";
import { parseTokenizerJson } from "../tokenizer/tokenizer_json.ts";
import { type CardFacts, modelCard } from "./model_card.ts";

/** PyTorch's names. */
const TORCH_DTYPE: Record<FloatFormat, string> = {
  F32: "float32",
  F16: "float16",
  BF16: "bfloat16",
};

/** Names of the files. */
export const FOLDER_TEXTS = [
  "config.json",
  "generation_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "README.md",
] as const;

/** File names and texts. */
export function folderTexts(
  facts: CardFacts,
  { modelConfig, tokenizerJson, dtype }: {
    /** The checkpoint's `config.json`. */
    modelConfig: object;
    tokenizerJson: string;
    dtype: FloatFormat;
  },
): [name: typeof FOLDER_TEXTS[number], text: string][] {
  const name = TORCH_DTYPE[dtype];
  const tokens = modelConfig as ConfigTokens;
  const { bos_token_id, eos_token_id } = tokens;
  return [
    [
      "config.json",
      jsonText({ ...modelConfig, dtype: name, torch_dtype: name }),
    ],
    ["generation_config.json", jsonText({ bos_token_id, eos_token_id })],
    ["tokenizer.json", tokenizerJson],
    [
      "tokenizer_config.json",
      jsonText(tokenizerConfig(tokenizerJson, facts.config, tokens)),
    ],
    ["README.md", modelCard(facts)],
  ];
}

/** Without it, transformers goes by the model's kind and builds another one. */
function tokenizerConfig(
  tokenizerJson: string,
  config: ModelConfig,
  { bos_token_id, eos_token_id }: ConfigTokens,
): object {
  const { addedTokens, vocab } = parseTokenizerJson(
    tokenizerJson,
    "tokenizer.json",
  );
  const text = (id: unknown) =>
    addedTokens.find((token) => token.id === id)?.content ??
      [...vocab].find(([, other]) => other === id)?.[0] ?? null;
  return {
    tokenizer_class: "PreTrainedTokenizerFast",
    model_max_length: config.seqLen,
    clean_up_tokenization_spaces: false,
    bos_token: text(bos_token_id),
    eos_token: text([eos_token_id].flat()[0]),
  };
}
