/**
 * One flag for every setting of the configuration, made from its JSON Schema:
 * `model.nLayer` is `--n-layer`.
 *
 * The schema is read from its committed file, so that `--help` needs no
 * validation library.
 *
 * @module
 */

import { type CommandUnknownOpts, Option } from "@commander-js/extra-typings";
import schema from "../../configs/hearth.schema.json" with { type: "json" };
import type { FlagSetting } from "../config/parse.ts";
import { refusalOnResume } from "../config/resume_rules.ts";

/** A flag and the setting it stands for. */
export interface ConfigFlag {
  /** Without dashes: `n-layer`. */
  readonly name: string;
  /** `model.nLayer`. */
  readonly path: string;
  readonly kind: "number" | "text" | "choice" | "switch" | "list";
  /** For a choice. */
  readonly choices?: readonly string[];
  readonly help: string;
  /** The help where what is not given stays as it is. */
  readonly helpOnResume: string;
}

/** The part of JSON Schema that is read here. */
interface Node {
  type?: string;
  description?: string;
  default?: unknown;
  enum?: string[];
  anyOf?: Node[];
  properties?: Record<string, Node>;
}

/** Settings whose last key alone would not say enough. */
const NAMES: Record<string, string> = {
  "tokenizer.type": "tokenizer",
  "tokenizer.path": "tokenizer-path",
  "checkpoint.every": "checkpoint-every",
  "checkpoint.keep": "checkpoint-keep",
  "checkpoint.best": "checkpoint-best",
};

/** Headings in `--help`, by section of the configuration. */
const HEADINGS: Record<string, string> = {
  "": "Run:",
  model: "Model:",
  tokenizer: "Tokenizer:",
  data: "Data:",
  train: "Training:",
  checkpoint: "Checkpoints:",
};

/** All flags, in the order of the schema. */
export const CONFIG_FLAGS: readonly ConfigFlag[] = flagsOf(schema as Node, "");

function flagsOf(node: Node, prefix: string): ConfigFlag[] {
  return Object.entries(node.properties ?? {})
    .filter(([key]) => key !== "$schema" && key !== "profile")
    .flatMap(([key, child]) => {
      const path = prefix + key;
      if (child.properties) return flagsOf(child, `${path}.`);
      const name = NAMES[path] ??
        key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
      const { default: _, ...withoutDefault } = child;
      return {
        name,
        path,
        help: helpOf(child),
        helpOnResume: helpOf(withoutDefault),
        ...kindOf(child),
      };
    });
}

function kindOf(node: Node): Pick<ConfigFlag, "kind" | "choices"> {
  if (node.enum) return { kind: "choice", choices: node.enum };
  // A number, or a word such as auto.
  if (node.anyOf?.some(({ type }) => type === "integer")) {
    return { kind: "number" };
  }
  if (node.anyOf) return { kind: "list" };
  if (node.type === "boolean") return { kind: "switch" };
  return { kind: node.type === "string" ? "text" : "number" };
}

/** Description, choices and default, as far as not said already. */
function helpOf({ description = "", ...node }: Node): string {
  const facts: string[] = [];
  if (node.enum?.some((choice) => !description.includes(choice))) {
    facts.push(node.enum.join(", "));
  }
  if (kindOf(node).kind === "list") facts.push("may be repeated");
  if (node.default !== undefined && !description.includes("default")) {
    facts.push(`default: ${node.default}`);
  }
  return facts.length > 0
    ? `${description} (${facts.join("; ")})`
    : description;
}

/**
 * Adds flags to `command`, grouped as in the configuration file.
 *
 * @param sections Only those of these sections; default: all.
 */
export function addConfigFlags(
  command: CommandUnknownOpts,
  sections?: readonly string[],
): void {
  for (const flag of CONFIG_FLAGS) {
    if (sections && !sections.includes(flag.path.split(".")[0])) continue;
    for (const option of optionsOf(flag)) command.addOption(option);
  }
}

/**
 * Adds the flags of a run that goes on. Those it cannot change are accepted,
 * without a line in the help, to be refused with a reason.
 */
export function addOverrideFlags(command: CommandUnknownOpts): void {
  for (const flag of CONFIG_FLAGS) {
    for (const option of optionsOf(flag, flag.helpOnResume)) {
      command.addOption(
        refusalOnResume(flag.path) ? option.hideHelp() : option,
      );
    }
  }
}

/** `--set key=value`, which may be repeated. */
export function setOption(): Option {
  return new Option(
    "--set <key=value>",
    "any setting by its path in the file; may be repeated",
  ).argParser<string[]>((value, before) => [...(before ?? []), value]);
}

function optionsOf(flag: ConfigFlag, help = flag.help): Option[] {
  const heading = HEADINGS[flag.path.split(".").slice(0, -1).join(".")];
  const create = (flags: string) => new Option(flags, help).helpGroup(heading);
  switch (flag.kind) {
    case "switch":
      // Help shows one line for both; see optionTerm below.
      return [
        create(`--${flag.name}`),
        create(`--no-${flag.name}`).hideHelp(),
      ];
    case "choice":
      return [create(`--${flag.name} <name>`)];
    case "list":
      return [
        create(`--${flag.name} <source>`)
          .argParser<string[]>((value, before) => [...(before ?? []), value]),
      ];
    case "number":
      return [create(`--${flag.name} <n>`)];
    case "text":
      return [create(`--${flag.name} <${flag.name.split("-").at(-1)}>`)];
  }
}

/** How an option is written in `--help`: one line for `--x` and `--no-x`. */
export function optionTerm(
  { flags, long }: Pick<Option, "flags" | "long">,
): string {
  const isSwitch = CONFIG_FLAGS.some(({ name, kind }) =>
    kind === "switch" && `--${name}` === long
  );
  return isSwitch ? `--[no-]${long!.slice(2)}` : flags;
}

/** The settings that the user gave as flags. */
export function readConfigFlags(command: CommandUnknownOpts): FlagSetting[] {
  return CONFIG_FLAGS.flatMap((flag) => {
    const key = flag.name.replaceAll(
      /-([a-z0-9])/g,
      (_, letter: string) => letter.toUpperCase(),
    );
    if (command.getOptionValueSource(key) !== "cli") return [];
    const typed: unknown = command.getOptionValue(key);
    return [{
      path: flag.path,
      value: valueOf(flag, typed),
      typed: flag.kind === "switch"
        ? `--${typed ? "" : "no-"}${flag.name}`
        : `--${flag.name} ${[typed].flat().join(" ") || '""'}`,
    }];
  });
}

/** What is no number stays text, for the schema to complain about. */
function valueOf(flag: ConfigFlag, typed: unknown): unknown {
  if (flag.kind === "number") {
    const text = String(typed).trim();
    return text === "" || Number.isNaN(Number(text)) ? typed : Number(text);
  }
  if (flag.kind === "list") {
    const list = typed as string[];
    return list.length === 1 ? list[0] : list;
  }
  return typed;
}
