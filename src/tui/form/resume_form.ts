/**
 * The form of a run that goes on: its fields, and what they mean as arguments
 * of `hearth resume`. Pure.
 *
 * @module
 */

import { LR_POLICIES } from "../../train/lr_policies.ts";
import type { CheckpointRow } from "../state/checkpoint_rows.ts";
import type { Field, Values } from "./fields.ts";
import type { Problems } from "./form_lines.ts";

/** The fields, given the checkpoints there are. */
export function resumeFields(checkpoints: readonly CheckpointRow[]): Field[] {
  return [
    {
      name: "from",
      label: "checkpoint",
      hint: "Where to go on from?",
      placeholder: "latest",
      choices: [
        "latest",
        ...(checkpoints.some(({ isBest }) => isBest) ? ["best"] : []),
        ...checkpoints.flatMap(({ step }) =>
          step === null ? [] : [String(step)]
        ),
      ],
    },
    {
      name: "more-epochs",
      label: "more epochs",
      hint: "How many more passes over the text? (a fraction is fine)",
      placeholder: "none: to the end that was planned",
    },
    {
      name: "more-steps",
      label: "or steps",
      hint: "How many more optimizer steps?",
      placeholder: "none",
    },
    {
      name: "lr-policy",
      label: "learning rate",
      hint: "What does it do in the additional steps?",
      placeholder: "continue",
      choices: LR_POLICIES,
    },
    {
      name: "detach",
      label: "background",
      hint: "Train in the background, so that it goes on without you?",
      placeholder: "yes",
      choices: ["yes", "no"],
    },
  ];
}

/** What is wrong, by field. */
export function resumeProblems(values: Values): Problems {
  const problems: Record<string, string> = {};
  const epochs = textOf(values, "more-epochs");
  const steps = textOf(values, "more-steps");
  if (
    epochs !== "" && !(Number(epochs) > 0 && Number.isFinite(Number(epochs)))
  ) {
    problems["more-epochs"] = "expected a number above 0";
  }
  if (steps !== "" && !/^[1-9]\d{0,15}$/.test(steps)) {
    problems["more-steps"] = "expected a whole number of at least 1";
  }
  if (epochs !== "" && steps !== "") {
    problems["more-steps"] = "expected epochs or steps, not both";
  }
  return problems;
}

/** The arguments of `hearth` that do it. */
export function resumeArgs(runId: string, values: Values): string[] {
  const flag = (name: string) => {
    const value = textOf(values, name);
    return value === "" ? [] : [`--${name}`, value];
  };
  const isMore = textOf(values, "more-epochs") !== "" ||
    textOf(values, "more-steps") !== "";
  return [
    "resume",
    runId,
    ...(values.from === "latest" ? [] : flag("from")),
    ...flag("more-epochs"),
    ...flag("more-steps"),
    // Without an additional step, there is nothing for it to say.
    ...(isMore ? flag("lr-policy") : []),
    ...(values.detach === "no" ? [] : ["--detach"]),
  ];
}

/**
 * Steps to come; null if nobody knows.
 *
 * @param run.step Of the checkpoint.
 */
export function stepsToCome(
  values: Values,
  { step, totalSteps, stepsPerEpoch }: {
    step: number | null;
    totalSteps: number | null;
    stepsPerEpoch: number | null;
  },
): number | null {
  const epochs = textOf(values, "more-epochs");
  const steps = textOf(values, "more-steps");
  if (steps !== "") return Number(steps);
  if (epochs !== "") {
    return stepsPerEpoch === null
      ? null
      : Math.round(Number(epochs) * stepsPerEpoch);
  }
  return totalSteps === null || step === null
    ? null
    : Math.max(0, totalSteps - step);
}

function textOf(values: Values, name: string): string {
  return (values[name] ?? "").trim();
}
