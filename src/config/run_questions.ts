/**
 * What a person is asked who starts a run without a command line: some of it
 * by `hearth init`, all of it by the form of the dashboard. Imports nothing.
 *
 * @module
 */

/** A question, and the flag of `hearth train` that its answer is for. */
export interface RunQuestion {
  /** Name of the flag, without dashes. */
  readonly flag: string;
  /** In one or two words, for a form. */
  readonly label: string;
  /** In full. */
  readonly message: string;
  /** What an empty answer means. */
  readonly empty: string;
}

const AS_PROFILE = "as in the profile";

/** In the order in which they are asked. */
export const RUN_QUESTIONS = [
  {
    flag: "profile",
    label: "profile",
    message: "Which profile to start from?",
    empty: "tiny",
  },
  {
    flag: "from",
    label: "from",
    message: "Which model to train on? (a run, RUN/best, RUN/500)",
    empty: "a new model",
  },
  {
    flag: "lora-rank",
    label: "LoRA rank",
    message: "Train adapters of which rank, in place of all weights?",
    empty: "none: all weights are trained",
  },
  {
    flag: "lora-alpha",
    label: "LoRA alpha",
    message: "What do adapters add? (alpha / rank times their product)",
    empty: "twice the rank",
  },
  {
    flag: "lora-dropout",
    label: "LoRA dropout",
    message: "Which dropout of what adapters read?",
    empty: "0",
  },
  {
    flag: "lora-targets",
    label: "LoRA targets",
    message: "Which layers have adapters? (such as qkv,attProj)",
    empty: "all of each block",
  },
  {
    flag: "dataset",
    label: "dataset",
    message: "Which text? (sample, wikitext-2, a file, a folder or a glob)",
    empty: "sample",
  },
  {
    flag: "epochs",
    label: "epochs",
    message: "How many passes over the text?",
    empty: AS_PROFILE,
  },
  {
    flag: "steps",
    label: "or steps",
    message: "How many optimizer steps?",
    empty: AS_PROFILE,
  },
  {
    flag: "batch-size",
    label: "batch size",
    message: "How many sequences at a time? (or auto)",
    empty: AS_PROFILE,
  },
  {
    flag: "seq-len",
    label: "seq length",
    message: "How many tokens in a sequence?",
    empty: AS_PROFILE,
  },
  {
    flag: "lr",
    label: "learning rate",
    message: "Which peak learning rate?",
    empty: AS_PROFILE,
  },
  {
    flag: "grad-accum-steps",
    label: "accumulation",
    message: "How many batches for each optimizer step?",
    empty: AS_PROFILE,
  },
  {
    flag: "device",
    label: "device",
    message: "Which device? (auto, cpu, gpu, gpu:1 or part of a name)",
    empty: AS_PROFILE,
  },
  {
    flag: "precision",
    label: "precision",
    message: "Which precision?",
    empty: AS_PROFILE,
  },
  {
    flag: "config",
    label: "settings file",
    message: "Which file has settings? (hearth init writes one)",
    empty: "none",
  },
  {
    flag: "set",
    label: "other settings",
    message: "What else? (model.dropout=0.1 --seed 7)",
    empty: "none",
  },
  {
    flag: "run-id",
    label: "run id",
    message: "What to call the run?",
    empty: "a new name",
  },
  {
    flag: "detach",
    label: "background",
    message: "Train in the background, so that it goes on without you?",
    empty: "yes",
  },
] as const satisfies readonly RunQuestion[];

/** The flags that questions are for. */
export type QuestionFlag = typeof RUN_QUESTIONS[number]["flag"];

/** The question for a flag. */
export function questionFor(flag: QuestionFlag): RunQuestion {
  return RUN_QUESTIONS.find((question) => question.flag === flag)!;
}
