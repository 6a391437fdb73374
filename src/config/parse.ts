/**
 * Reads layers: YAML or JSON text, flags, and `--set key.path=value`.
 *
 * JSON is read as the YAML it is, so that both get errors with line and
 * column. A key whose value is null, or left empty, asks for the default.
 *
 * @module
 */

import {
  type Document,
  isMap,
  isSeq,
  LineCounter,
  type Node,
  parse as parseYaml,
  parseDocument,
} from "yaml";
import { errorMessage, EXIT, UserError } from "../base/errors.ts";
import {
  checkLayer,
  emptySettings,
  isSection,
  type Layer,
  type SettingPath,
  type Settings,
  valueAt,
} from "./layer.ts";

/**
 * The layer that `text` describes.
 *
 * @param name What the text is called in errors: the path of its file.
 * @throws {UserError} With line and column, for bad syntax or settings.
 */
export function parseFileLayer(text: string, name: string): Layer {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    logLevel: "error", // a key that is no word is refused below
  });
  const placeAt = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `${name}:${line}:${col}`;
  };

  const [syntaxError] = document.errors;
  if (syntaxError) {
    throw new UserError(
      `Cannot read ${placeAt(syntaxError.pos[0])}: ` +
        syntaxError.message.split(/ at line \d/)[0],
      { hint: "check indentation, quotes and brackets", exitCode: EXIT.usage },
    );
  }
  const root = document.contents;
  if (root !== null && !isMap(root)) {
    throw new UserError(
      `Cannot read ${placeAt(root.range![0])}: expected keys and values, ` +
        `such as "seed: 1337"`,
      { hint: "hearth init writes a complete example", exitCode: EXIT.usage },
    );
  }
  const settings: Settings = plainValues(document, placeAt) ?? {};
  const layer: Layer = {
    settings,
    placeOf: (path) => placeAt(offsetOf(root, path, "key")),
    quote: (path) => {
      const place = placeAt(offsetOf(root, path, "value"));
      const value = JSON.stringify(valueAt(settings, path));
      return `${place}: ${path.join(".")} is ${value}`;
    },
  };
  checkLayer(layer);
  return layer;
}

/** Sections are 3 deep; a list that an alias puts into itself never ends. */
function isDeep(value: unknown, levels = 16): boolean {
  return typeof value === "object" && value !== null &&
    (levels === 0 ||
      Object.values(value).some((child) => isDeep(child, levels - 1)));
}

/** @throws {UserError} For aliases that mean nothing, or a million things. */
function plainValues(
  document: Document.Parsed,
  placeAt: (offset: number) => string,
): Settings | null {
  try {
    const values = document.toJS();
    if (isDeep(values)) throw new RangeError("it nests deeper than 16 levels");
    return values;
  } catch (cause) {
    const [start] = document.contents?.range ?? [0];
    throw new UserError(
      `Cannot read ${placeAt(start)}: ${errorMessage(cause)}`,
      {
        hint: "write the values themselves in place of &names and *names",
        exitCode: EXIT.usage,
        cause,
      },
    );
  }
}

/** Offset of the last key of `path` that exists, or of its value. */
function offsetOf(
  root: Node | null,
  path: SettingPath,
  part: "key" | "value",
): number {
  let node: unknown = root;
  let offset = root?.range?.[0] ?? 0;
  for (const key of path) {
    let named: unknown;
    if (isSeq(node)) {
      named = node = node.items[key as number];
    } else if (isMap(node)) {
      const pair = node.items.find((item) => String(item.key) === key);
      node = pair?.value ?? pair?.key;
      named = part === "key" ? pair?.key : node;
    }
    offset = (named as Node | undefined)?.range?.[0] ?? offset;
  }
  return offset;
}

/** One setting from the command line. */
export interface FlagSetting {
  /** `model.nHead`. */
  readonly path: string;
  /** Not checked yet: what the schema refuses is an error that names `typed`. */
  readonly value: unknown;
  /** As it was typed: `--n-head four`. */
  readonly typed: string;
}

/** The layer of flags such as `--n-head 4`. @throws {UserError} */
export function flagLayer(flags: readonly FlagSetting[]): Layer {
  const settings = emptySettings();
  for (const flag of flags) {
    const keys = flag.path.split(".");
    let section = settings;
    for (const key of keys.slice(0, -1)) {
      const child = section[key];
      section = section[key] = isSection(child) ? child : emptySettings();
    }
    section[keys.at(-1)!] = flag.value;
  }
  const typed = (path: SettingPath) => {
    const wanted = path.join(".");
    return flags.findLast(({ path: given }) =>
      `${wanted}.`.startsWith(`${given}.`) ||
      `${given}.`.startsWith(`${wanted}.`)
    )?.typed ?? wanted;
  };
  const layer: Layer = { settings, placeOf: typed, quote: typed };
  checkLayer(layer);
  return layer;
}

/**
 * The layer of `--set` arguments; values are read as YAML.
 *
 * @param assignments Such as `["model.nHead=4", "data.dataset=[a, b]"]`.
 * @throws {UserError}
 */
export function setLayer(assignments: readonly string[]): Layer {
  return flagLayer(assignments.map((typed) => {
    const equals = typed.indexOf("=");
    const path = typed.slice(0, equals);
    const usage = (problem: string) =>
      new UserError(`Cannot use --set ${typed}: ${problem}`, {
        hint: "for example --set model.nHead=4",
        exitCode: EXIT.usage,
      });
    // YAML reads nothing as null, which would quietly be the default.
    const text = typed.slice(equals + 1);
    if (equals < 1 || text.trim() === "") {
      throw usage("expected key.path=value");
    }
    if (path.split(".").includes("")) throw usage("the key has an empty part");
    try {
      const value: unknown = parseYaml(text);
      if (isDeep(value)) throw new RangeError("it never ends");
      return { path, value, typed: `--set ${typed}` };
    } catch {
      // The library's message points into the value, which is all shown.
      throw usage("the value is not valid YAML");
    }
  }));
}
