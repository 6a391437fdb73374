/**
 * What a setting may be, in words: read off the JSON Schema, so that error
 * messages cannot drift from what is checked.
 *
 * @module
 */

import { z } from "zod";
import { configFileSchema } from "./schema.ts";

/** The part of JSON Schema that our own schema uses. */
export interface JsonSchema {
  type?: string;
  description?: string;
  default?: unknown;
  enum?: string[];
  const?: string;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  properties?: Record<string, JsonSchema>;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
}

/** The JSON Schema of a configuration file, for editors. */
export function configJsonSchema(): JsonSchema {
  return {
    title: "Hearth configuration",
    ...z.toJSONSchema(configFileSchema, { io: "input" }),
  } as JsonSchema;
}

/** The schema of the setting at `path`, or null where there is none. */
export function schemaAt(path: readonly PropertyKey[]): JsonSchema | null {
  let at: JsonSchema | undefined = configJsonSchema();
  for (const key of path) {
    at = at?.properties && Object.hasOwn(at.properties, key)
      ? at.properties[key as string]
      : undefined;
  }
  return at ?? null;
}

/** `a whole number from 1 to 1000`, `one of gpt2, llama`, `true or false`. */
export function describeAllowed(schema: JsonSchema): string {
  if (schema.enum) return `one of ${schema.enum.join(", ")}`;
  const word = schema.anyOf?.find((one) => one.const !== undefined);
  if (word) {
    const others = schema.anyOf!.filter((one) => one !== word);
    return `${others.map(describeAllowed).join(", ")}, or ${word.const}`;
  }
  if (schema.anyOf) {
    const list = schema.anyOf.find(({ type }) => type === "array");
    return list?.items?.anyOf
      ? "a source or a list of sources"
      : "a name or a list of names";
  }
  switch (schema.type) {
    case "boolean":
      return "true or false";
    case "object":
      return `the keys ${Object.keys(schema.properties ?? {}).join(", ")}`;
    case "integer":
      return `a whole number${describeRange(schema)}`;
    case "number":
      return `a number${describeRange(schema)}`;
    default:
      return "a text of at least one character";
  }
}

function describeRange(schema: JsonSchema): string {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema;
  // zod writes the bounds of exact integers; they tell a person nothing.
  const low = minimum === Number.MIN_SAFE_INTEGER ? undefined : minimum;
  const high = maximum === Number.MAX_SAFE_INTEGER ? undefined : maximum;
  if (low !== undefined && high !== undefined) return ` from ${low} to ${high}`;
  const parts: string[] = [];
  if (low !== undefined) parts.push(`of at least ${low}`);
  if (exclusiveMinimum !== undefined) parts.push(`above ${exclusiveMinimum}`);
  if (high !== undefined) parts.push(`of at most ${high}`);
  if (exclusiveMaximum !== undefined) parts.push(`below ${exclusiveMaximum}`);
  return parts.length ? ` ${parts.join(" and ")}` : "";
}

/** Every setting, as dotted path and schema, sections left out. */
export function settings(): [path: string, schema: JsonSchema][] {
  const found: [string, JsonSchema][] = [];
  const walk = (schema: JsonSchema, prefix: string) => {
    for (const [key, child] of Object.entries(schema.properties ?? {})) {
      if (child.properties) walk(child, `${prefix}${key}.`);
      else found.push([prefix + key, child]);
    }
  };
  walk(configJsonSchema(), "");
  return found;
}
