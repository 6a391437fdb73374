/**
 * A Hugging Face folder, read without trust: configuration, tokenizer, and
 * weights in one safetensors file or in several with an index.
 *
 * Nothing of it is executed, sizes are checked before anything is read, and a
 * tensor is in memory only while somebody reads it.
 *
 * @module
 */

import { join } from "node:path";
import { errorMessage, EXIT, UserError } from "../base/errors.ts";
import { formatUnequalBytes } from "../base/format.ts";
import { parseJson } from "../base/parse_json.ts";
import { type DeferredTensor, deferSafetensors } from "../base/safetensors.ts";
import type { ModelTensors } from "../model/crop_context.ts";
import { canonicalTensors } from "../model/huggingface.ts";
import { configFromHf } from "../model/huggingface_config.ts";
import { loadTokenizer } from "../tokenizer/mod.ts";
import type { ConfigTokens } from "../tokenizer/start_of_text.ts";
import { PEFT_CONFIG, PEFT_HINT } from "../train/adapters.ts";

/** A model as it lies in a folder. */
export interface ModelFolder extends ModelTensors {
  tokenizerJson: string;
  endOfText: number | null;
  /** What `config.json` says of the tokens around a text. */
  tokens: ConfigTokens;
}

const WEIGHTS = "model.safetensors";
const INDEX = "model.safetensors.index.json";
/** More than any of them has; whole files are read into memory. */
const MAX_BYTES = { config: 1e6, tokenizer: 200e6, index: 20e6 };

/**
 * Opens a folder: all but the values of the tensors is read and checked.
 *
 * @throws {UserError} If it holds no model that can be run here.
 */
export async function openModelFolder(folder: string): Promise<ModelFolder> {
  const isFolder = await Deno.stat(folder).then((s) => s.isDirectory)
    .catch(() => null);
  if (!isFolder) {
    throw isFolder === null
      ? refusal(folder, "it is not there", meantBy(folder))
      : refusal(folder, "it is a file");
  }
  const json = await readConfig(folder);
  const config = configFromHf(json);
  const tokenizerJson = await readText(
    folder,
    "tokenizer.json",
    MAX_BYTES.tokenizer,
  );
  if (tokenizerJson === null) {
    throw refusal(
      folder,
      "it has no tokenizer.json",
      "save the tokenizer there with AutoTokenizer(...).save_pretrained()",
    );
  }
  const tokenizer = await loadTokenizer(tokenizerJson, {
    name: join(folder, "tokenizer.json"),
  });
  if (tokenizer.vocabSize > config.vocabSize) {
    throw refusal(
      folder,
      `its tokenizer has ${tokenizer.vocabSize} ids, its model ` +
        `${config.vocabSize}`,
    );
  }
  const tensors = await openTensors(folder);
  return {
    config,
    tensors: canonicalTensors(config, tensors),
    tokenizerJson,
    endOfText: tokenizer.endOfText,
    tokens: json as ConfigTokens,
  };
}

/**
 * Looks at `config.json` alone.
 *
 * @throws {UserError} If it describes no model that can be run here.
 */
export async function checkModelConfig(folder: string): Promise<void> {
  configFromHf(await readConfig(folder));
}

async function readConfig(folder: string): Promise<object> {
  const json = await readJsonFile(folder, "config.json", MAX_BYTES.config);
  if (json !== null) return json;
  if (await isFile(join(folder, PEFT_CONFIG))) {
    throw refusal(
      folder,
      "it has adapters, without the model that they belong to",
      PEFT_HINT,
    );
  }
  throw refusal(folder, "it has no config.json");
}

/** The tensors of one file, or of those that an index names. */
async function openTensors(folder: string): Promise<DeferredTensor[]> {
  const index = await readJsonFile(folder, INDEX, MAX_BYTES.index);
  if (index === null) {
    if (await isFile(join(folder, WEIGHTS))) {
      return await deferSafetensors(join(folder, WEIGHTS));
    }
    const isPickle = await isFile(join(folder, "pytorch_model.bin"));
    throw refusal(
      folder,
      isPickle
        ? "its weights are pickled Python, which can run any code"
        : `it has no ${WEIGHTS}`,
      "save the model there with save_pretrained(), which writes safetensors",
    );
  }
  const tensors: DeferredTensor[] = [];
  const wanted = shardsOf(folder, index);
  for (const [file, names] of wanted) {
    const path = join(folder, file);
    if (!await isFile(path)) throw refusal(folder, `it has no ${file}`);
    for (const tensor of await deferSafetensors(path)) {
      if (!names.delete(tensor.name)) {
        throw refusal(
          folder,
          `tensor "${tensor.name}" lies in ${file}, where ${INDEX} has none`,
        );
      }
      tensors.push(tensor);
    }
    const [missing] = names;
    if (missing !== undefined) {
      throw refusal(folder, `${file} lacks tensor "${missing}"`);
    }
  }
  return tensors;
}

/** Names of tensors by the file that has them. */
function shardsOf(folder: string, index: unknown): Map<string, Set<string>> {
  const map = (index as { weight_map?: unknown }).weight_map;
  if (typeof map !== "object" || map === null) {
    throw refusal(folder, `${INDEX} has no weight_map`);
  }
  const shards = new Map<string, Set<string>>();
  for (const [tensor, file] of Object.entries(map)) {
    // A name, not a way to other places.
    if (typeof file !== "string" || !/^[\w.-]+\.safetensors$/.test(file)) {
      throw refusal(
        folder,
        `${INDEX} has tensor "${tensor}" in ${JSON.stringify(file)}`,
      );
    }
    if (!shards.has(file)) shards.set(file, new Set());
    shards.get(file)!.add(tensor);
  }
  return shards;
}

async function readJsonFile(
  folder: string,
  name: string,
  maxBytes: number,
): Promise<object | null> {
  const text = await readText(folder, name, maxBytes);
  if (text === null) return null;
  let value: unknown;
  try {
    value = parseJson(text);
  } catch { // its message quotes the file, over several lines
    throw refusal(folder, `${name} is not JSON`);
  }
  if (typeof value === "object" && value !== null) return value;
  throw refusal(folder, `${name} is not an object`);
}

/** Null if there is no such file. */
async function readText(
  folder: string,
  name: string,
  maxBytes: number,
): Promise<string | null> {
  const path = join(folder, name);
  try {
    const { size, isFile } = await Deno.stat(path);
    if (!isFile) throw refusal(folder, `${name} is no file`); // nor ever ends
    if (size > maxBytes) {
      const [has, most] = formatUnequalBytes(size, maxBytes);
      throw refusal(folder, `${name} has ${has}, expected at most ${most}`);
    }
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    if (error instanceof UserError) throw error;
    throw refusal(folder, `${name} cannot be read: ${errorMessage(error)}`);
  }
}

async function isFile(path: string): Promise<boolean> {
  return await Deno.stat(path).then(({ isFile }) => isFile, () => false);
}

/** The hint for the path of no folder: it may be a name of the hub. */
function meantBy(name: string): string | undefined {
  const isRepo = /^[\w-]+\/[\w-][\w.-]*$/.test(name);
  const repo = /^gpt2(-\w+)?$/.test(name) ? `openai-community/${name}` : name;
  return isRepo || repo !== name ? `did you mean hf:${repo}?` : undefined;
}

function refusal(
  folder: string,
  what: string,
  hint = "name a folder with a GPT-2 or Llama model: config.json, " +
    "tokenizer.json and model.safetensors",
): UserError {
  return new UserError(`Cannot import "${folder}": ${what}`, {
    hint,
    exitCode: EXIT.usage,
  });
}
