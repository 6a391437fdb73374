/**
 * One flag for every setting of the configuration, made from its JSON Schema:
 * `model.nLayer` is `--n-layer`. The command line and forms read them alike.
 *
 * The schema is read from its committed file, so that `--help` needs no
 * validation library.
 *
 * @module
 */

import schema from "../../configs/hearth.schema.json" with { type: "json" };
import type { FlagSetting } from "./parse.ts";

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
  "lora.rank": "lora-rank",
  "lora.alpha": "lora-alpha",
  "lora.dropout": "lora-dropout",
  "lora.targets": "lora-targets",
  "checkpoint.every": "checkpoint-every",
  "checkpoint.keep": "checkpoint-keep",
  "checkpoint.best": "checkpoint-best",
};

/** `train` has its own flags for them; `resume --from` is a checkpoint. */
const WITHOUT_FLAG = new Set(["$schema", "profile", "from"]);

/** All flags, in the order of the schema. */
export const CONFIG_FLAGS: readonly ConfigFlag[] = flagsOf(schema as Node, "");

function flagsOf(node: Node, prefix: string): ConfigFlag[] {
  return Object.entries(node.properties ?? {})
    .filter(([key]) => !WITHOUT_FLAG.has(key))
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
 * The setting that a flag stands for.
 *
 * @param typed What was given: true or false for a switch, else text.
 */
export function flagSetting(
  flag: ConfigFlag,
  typed: boolean | string | readonly string[],
): FlagSetting {
  return {
    path: flag.path,
    value: valueOf(flag, typed),
    typed: flag.kind === "switch"
      ? `--${typed ? "" : "no-"}${flag.name}`
      : `--${flag.name} ${[typed].flat().join(" ") || '""'}`,
  };
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
