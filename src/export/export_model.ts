/**
 * A checkpoint as files for other programs: a Hugging Face folder, one
 * safetensors file, or one GGUF file; or as a program of its own.
 *
 * Everything is written aside and renamed, so that what has the final name is
 * whole. Of the tensors one is in memory at a time.
 *
 * @module
 */

import { dirname, join } from "node:path";
import {
  makeDirectories,
  syncDirectory,
  writeFileSynced,
} from "../base/atomic_file.ts";
import { EXIT, UserError } from "../base/errors.ts";
import { exists } from "../base/exists.ts";
import type { FloatFormat } from "../base/float_formats.ts";
import { freeBytes, noRoom } from "../base/free_space.ts";
import { ioProblem } from "../base/io_problem.ts";
import { jsonText } from "../base/json_file.ts";
import { sizeBytesOf, writeSafetensors } from "../base/safetensors.ts";
import { checkVocabulary } from "../model/check_vocabulary.ts";
import { canonicalTensors } from "../model/huggingface.ts";
import { configFromHf } from "../model/huggingface_config.ts";
import type { ModelConfig } from "../model/model_config.ts";
import type { ChosenCheckpoint } from "../run/checkpoints/checkpoint_ref.ts";
import type { RunMeta } from "../run/files/meta.ts";
import { loadTokenizer } from "../tokenizer/mod.ts";
import {
  bundleBytes,
  checkBundleSystem,
  writeBundle,
} from "./bundle/write_bundle.ts";
import { expectRange } from "./expect_range.ts";
import { ggufTensorBytes, writeGguf } from "./gguf_file.ts";
import { ggufModelMetadata } from "./gguf_metadata.ts";
import { ggufTensors } from "./gguf_tensors.ts";
import { ggufTokenizer } from "./gguf_tokenizer.ts";
import { FOLDER_TEXTS, folderTexts } from "./hugging_face_folder.ts";
import { PEFT_FILES, peftConfig, peftTensors } from "./peft_folder.ts";
import { clearAside, putInPlace } from "./put_in_place.ts";
import { watchedTensors } from "./watched_tensors.ts";

/**
 * A folder as transformers reads it, its weights alone, one file for llama.cpp,
 * an executable that generates, or the adapters of a run alone, as PEFT reads
 * them.
 */
export type ExportFormat = "hf" | "safetensors" | "gguf" | "bundle" | "peft";
/** How numbers are stored: `q8_0`, blocks of 8 bits, in GGUF only. */
export type ExportDtype = "f32" | "f16" | "bf16" | "q8_0";

/** How to export, and to where. */
export interface ExportSettings {
  /** For which programs. */
  format: ExportFormat;
  /** How its numbers are stored. */
  dtype: ExportDtype;
  /** Path of the file or folder; see {@linkcode defaultOutput}. */
  output: string;
  /** Replace what lies there. */
  force?: boolean;
  /** Ends the export: what was there before stays. */
  signal?: AbortSignal;
  /** Hears the share of the tensors that is written. */
  onProgress?: (fraction: number) => void;
}

/** What to export. */
export interface ExportOptions extends ExportSettings {
  /** The checkpoint. */
  chosen: ChosenCheckpoint;
  /** The run's, for the model card; null where it cannot be read. */
  meta: RunMeta | null;
}

const WEIGHTS = "model.safetensors";

/** What was written. */
export interface Exported {
  /** Path of the file or folder. */
  output: string;
  /** Of all files together. */
  sizeBytes: number;
  /** Of a file; null for a folder. */
  sha256: string | null;
  /** What a person should know of it. */
  warnings: string[];
}

/** The file or folder in the current directory where no other is named. */
export function defaultOutput(
  runId: string,
  format: ExportFormat,
  dtype: ExportDtype,
): string {
  if (format === "hf" || format === "peft") return `${runId}-${format}`;
  if (format === "bundle") return runId;
  return `${runId}-${dtype}.${format}`;
}

/**
 * Writes the export.
 *
 * @throws {UserError} If format and dtype do not go together, something is in
 * the way, the disk has no room, the format cannot express the model, or files
 * of the checkpoint do not belong together.
 */
export async function exportModel(asked: ExportOptions): Promise<Exported> {
  const { format, dtype, force = false } = asked;
  const output = asked.output.replace(/(?<=.)[/\\]+$/, ""); // of a folder
  checkDtype(format, dtype);
  if (format === "bundle") checkBundleSystem();
  await clearAside(output);
  if (!force) await checkFree(output);
  else await checkReplaceable(output, format);
  const config = configFromHf(asked.chosen.content.modelConfig);
  const chosen = wholeModel(asked.chosen, config);
  if (format !== "peft" && format !== "safetensors") {
    await checkTokenizer(chosen, config);
  }
  const options = { ...asked, chosen };
  const warnings: string[] = [];
  const write = format === "gguf"
    ? planGguf(options, config, warnings)
    : format === "bundle"
    ? planBundle(options)
    : format === "peft"
    ? planPeft(options, config)
    : planFloats(options, config);
  const availableBytes = await freeBytes(dirname(output));
  if (availableBytes !== null && availableBytes < write.neededBytes) {
    const { neededBytes } = write;
    throw noRoom(output, { neededBytes, availableBytes, what: "the export" });
  }
  try {
    await makeDirectories(dirname(output));
    const written = await putInPlace(output, (aside) => write.to(aside));
    return { output, ...written, warnings };
  } catch (cause) {
    const problem = ioProblem(cause);
    if (problem === null) throw cause;
    throw new UserError(`Cannot write "${output}": ${problem}`, {
      hint: "choose another place with --output PATH",
      cause,
    });
  }
}

/** A checkpoint may come from anybody: its files need not belong together. */
function wholeModel(
  chosen: ChosenCheckpoint,
  config: ModelConfig,
): ChosenCheckpoint {
  const params = canonicalTensors(config, chosen.content.params);
  return { ...chosen, content: { ...chosen.content, params } };
}

async function checkTokenizer(
  { runId, name, content }: ChosenCheckpoint,
  model: ModelConfig,
): Promise<void> {
  const tokenizer = await loadTokenizer(content.tokenizerJson);
  checkVocabulary(`export "${runId}/${name}"`, { tokenizer, model });
}

/** A file or folder that is ready to be written. */
interface Planned {
  neededBytes: number;
  to(path: string): Promise<Written>;
}

/** What was written. */
type Written = Pick<Exported, "sizeBytes" | "sha256">;

function planFloats(options: ExportOptions, config: ModelConfig): Planned {
  const { chosen: { runId, name, content }, meta, format } = options;
  const dtype = options.dtype.toUpperCase() as FloatFormat;
  const { params, trainer, modelConfig, tokenizerJson } = content;
  const writeTensors = async (path: string) => {
    const tensors = watchedTensors(
      params.map((t) => expectRange(t, dtype)),
      options,
    );
    const metadata = { step: String(trainer.step) };
    return await writeSafetensors(path, tensors, { metadata, dtype });
  };
  const tensorBytes = params.reduce((n, t) => n + sizeBytesOf(t, dtype), 0);
  if (format === "safetensors") {
    return { neededBytes: tensorBytes, to: writeTensors };
  }
  const facts = { name: runId, checkpoint: name, config, trainer, meta };
  const texts = folderTexts(facts, { modelConfig, tokenizerJson, dtype })
    .map(([name, text]) => [name, new TextEncoder().encode(text)] as const);
  const textBytes = texts.reduce((n, [, bytes]) => n + bytes.length, 0);
  return {
    neededBytes: tensorBytes + textBytes,
    async to(path) {
      await Deno.mkdir(path);
      const { sizeBytes } = await writeTensors(join(path, WEIGHTS));
      for (const [name, text] of texts) {
        await writeFileSynced(join(path, name), text);
      }
      await syncDirectory(path);
      return { sizeBytes: sizeBytes + textBytes, sha256: null };
    },
  };
}

function planPeft(options: ExportOptions, config: ModelConfig): Planned {
  const { runId, content } = options.chosen;
  const { adapter, factors, trainer } = content;
  if (!adapter || !factors) {
    throw new UserError(
      `Cannot export "${runId}" as peft: all of its weights were trained, ` +
        "not adapters",
      { hint: "use --format hf", exitCode: EXIT.usage },
    );
  }
  const dtype = options.dtype.toUpperCase() as FloatFormat;
  const tensors = peftTensors(config, adapter.lora, factors)
    .map((tensor) => expectRange(tensor, dtype));
  const text = new TextEncoder().encode(
    jsonText(peftConfig(config, adapter.lora)),
  );
  return {
    neededBytes: text.length +
      tensors.reduce((n, t) => n + sizeBytesOf(t, dtype), 0),
    async to(path) {
      await Deno.mkdir(path);
      const { sizeBytes } = await writeSafetensors(
        join(path, PEFT_FILES.weights),
        watchedTensors(tensors, options),
        { metadata: { step: String(trainer.step) }, dtype },
      );
      await writeFileSynced(join(path, PEFT_FILES.config), text);
      await syncDirectory(path);
      return { sizeBytes: sizeBytes + text.length, sha256: null };
    },
  };
}

function planGguf(
  options: ExportOptions,
  config: ModelConfig,
  warnings: string[],
): Planned {
  const { runId, content } = options.chosen;
  const { params, tokenizerJson, modelConfig } = content;
  const type = options.dtype.toUpperCase() as Uppercase<ExportDtype>;
  const tensors = ggufTensors(config, params, type);
  if (config.arch === "gpt2" && config.gelu === "exact") {
    warnings.push(
      "llama.cpp computes GELU by its tanh form, this model was trained with " +
        "the exact one: logits differ by about 0.1 %",
    );
  }
  const wide = tensors.filter((t) => t.shape.length === 2 && t.type === "F16");
  if (type === "Q8_0" && wide.length > 0) {
    warnings.push(
      `${wide.length} of ${tensors.length} tensors are stored as f16: their ` +
        "rows are no multiple of 32",
    );
  }
  const metadata = [
    ...ggufModelMetadata(config, { name: runId, type }),
    ...ggufTokenizer(tokenizerJson, {
      vocabSize: config.vocabSize,
      config: modelConfig,
    }),
  ];
  return {
    neededBytes: tensors.reduce((n, t) => n + ggufTensorBytes(t), 0),
    to: (path) =>
      writeGguf(path, { metadata, tensors: watchedTensors(tensors, options) }),
  };
}

function planBundle(options: ExportOptions): Planned {
  const { chosen: { runId, name, content }, signal, onProgress } = options;
  const dtype = options.dtype.toUpperCase() as FloatFormat;
  const { params, trainer, modelConfig, tokenizerJson } = content;
  const tensors = params.map((t) => expectRange(t, dtype));
  // The program is half of the work, the model the other.
  const half = (at: number) => (fraction: number) =>
    onProgress?.(at + fraction / 2);
  const model = {
    ...{ runId, checkpoint: name, step: trainer.step, dtype },
    ...{ modelConfig, tokenizerJson },
    tensors: watchedTensors(tensors, { signal, onProgress: half(0.5) }),
  };
  return {
    neededBytes: bundleBytes(model),
    to: (path) => writeBundle(path, model, { signal, onProgress: half(0) }),
  };
}

function checkDtype(format: ExportFormat, dtype: ExportDtype): void {
  if (format === "gguf" || dtype !== "q8_0") return;
  throw new UserError(
    `Cannot export as ${format} in q8_0: expected f32, f16 or bf16`,
    {
      hint: "use --format gguf for q8_0, or another --dtype",
      exitCode: EXIT.usage,
    },
  );
}

async function checkFree(output: string): Promise<void> {
  if (!await exists(output)) return;
  throw new UserError(`Cannot write "${output}": it is there already`, {
    hint: "add --force to replace it, or choose another --output PATH",
    exitCode: EXIT.usage,
  });
}

/** Nothing but an export may be taken away: with a folder goes all in it. */
async function checkReplaceable(
  output: string,
  format: ExportFormat,
): Promise<void> {
  const stat = await Deno.lstat(output).catch(() => null);
  if (!stat?.isDirectory) return;
  const known: readonly string[] = {
    hf: [WEIGHTS, ...FOLDER_TEXTS],
    peft: Object.values(PEFT_FILES),
    safetensors: [],
    gguf: [],
    bundle: [],
  }[format];
  for await (const { name } of Deno.readDir(output)) {
    if (known.includes(name)) continue;
    throw new UserError(
      `Cannot replace "${output}": it is a folder with "${name}" in it, ` +
        "which is not of such an export",
      { hint: "choose another --output PATH", exitCode: EXIT.usage },
    );
  }
}
