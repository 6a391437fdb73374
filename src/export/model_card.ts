/**
 * The `README.md` of an exported model: what it is, how it came about, how to
 * load it. Hugging Face reads the head.
 *
 * @module
 */

import { formatApprox, formatCount } from "../base/format.ts";
import { VERSION } from "../base/version.ts";
import type { ModelConfig } from "../model/model_config.ts";
import { parameterCount } from "../model/model_size.ts";
import type { RunMeta } from "../run/files/meta.ts";
import type { TrainerState } from "../train/trainer_state.ts";

/** What a card is written from. */
export interface CardFacts {
  /** Such as `owl-1`. */
  name: string;
  /** Such as `step-00000500`. */
  checkpoint: string;
  config: ModelConfig;
  trainer: TrainerState;
  /** Null where it cannot be read. */
  meta: RunMeta | null;
}

/** The text of the card. */
export function modelCard(facts: CardFacts): string {
  const { name, checkpoint, config } = facts;
  const parameters = parameterCount(config);
  return `---
library_name: transformers
pipeline_tag: text-generation
tags:
- ${config.arch}
- hearth
---

# ${name}

A ${config.arch} model of ${formatApprox(parameters)} parameters, trained with
Hearth ${VERSION}. This is checkpoint \`${checkpoint}\`.

| | |
| --- | --- |
${rows(facts).map(([key, value]) => `| ${key} | ${cell(value)} |`).join("\n")}

## Use

\`\`\`python
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained("PATH")
tokenizer = AutoTokenizer.from_pretrained("PATH")
inputs = tokenizer("Once upon a time", return_tensors="pt")
print(tokenizer.decode(model.generate(**inputs, max_new_tokens=50)[0]))
\`\`\`

The same folder goes back into Hearth with \`hearth import PATH\`.
${commands(facts.meta)}`;
}

function rows({ config, trainer, meta }: CardFacts): [string, string][] {
  const { nLayer, nHead, nKvHead, nEmbd, ffnDim, seqLen, vocabSize } = config;
  const heads = nKvHead === nHead ? `${nHead}` : `${nHead} (${nKvHead} k/v)`;
  // Older versions did not write all of a trainer's state.
  const loss = (value: number | null | undefined) =>
    value == null ? "unknown" : `${value.toFixed(4)} nats per token`;
  const data = meta?.config.data;
  return [
    ["Parameters", formatCount(parameterCount(config))],
    ["Layers, heads, channels", `${nLayer}, ${heads}, ${nEmbd}`],
    ["Feed-forward size", formatCount(ffnDim)],
    ["Context", `${formatCount(seqLen)} tokens`],
    ["Vocabulary", formatCount(vocabSize)],
    ...loraRow(meta),
    ["Trained on", data ? sourceText(data.dataset) : "unknown"],
    ["Steps", formatCount(trainer.step)],
    ["Tokens seen", formatCount(trainer.tokens ?? null)],
    ["Best validation loss", loss(trainer.bestValLoss)],
  ];
}

/** Of adapters, which are part of the weights by now. */
function loraRow(meta: RunMeta | null): [string, string][] {
  const { from, lora } = meta?.config ?? {};
  if (lora?.rank === undefined) return [];
  const { rank, alpha = 2 * rank } = lora;
  return [["LoRA", `rank ${rank}, alpha ${alpha}, beside ${from}; merged`]];
}

/** How the run was called, once for each session. */
function commands(meta: RunMeta | null): string {
  const lines = (meta?.sessions ?? [])
    .map(({ commandLine }) => commandLine.map(quoted).join(" "));
  if (lines.length === 0) return "";
  return `
## How it was trained

\`\`\`sh
${lines.join("\n")}
\`\`\`
`;
}

function sourceText(dataset: RunMeta["config"]["data"]["dataset"]): string {
  return [dataset].flat()
    .map((source) => typeof source === "string" ? source : source.source)
    .join(", ");
}

/** As a shell takes it. */
function quoted(word: string): string {
  return /^[\w./:=@,+-]+$/.test(word) ? word : JSON.stringify(word);
}

/** Text that breaks no table. */
function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll(/\s+/g, " ");
}
