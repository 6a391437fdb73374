/**
 * Any other `tokenizer.json`, through Hugging Face's Rust tokenizers compiled
 * to WebAssembly (@mlc-ai/web-tokenizers 0.1.6, which holds version 0.21.1).
 *
 * Chosen over @huggingface/tokenizers 0.2.0, which is pure TypeScript: given
 * 21 tokenizers of as many shapes (Llama, Qwen, Gemma, T5, BERT …) and 20,000
 * random strings for each, the ids differ from those of Python's tokenizers
 * 0.23.2 in 4 strings of all for this one. The other differs in 46,000 (38,000
 * by its way with unknown words), and on WikiText-2 for two of them. Speed is
 * 0.8 against 0.5 million tokens/s. The price: 4.7 MB of script, and 0.3 s and
 * 54 MB to load, which only those pay who use such a file.
 *
 * The package is a CommonJS script labelled as a module, and it aborts on a
 * bad file. So its text is run as a function with the surroundings that it
 * looks for; each tokenizer has an instance, and memory, of its own, which an
 * abort spoils for no one else and the garbage collector frees as a whole.
 *
 * @module
 */

import { errorMessage, UserError } from "../base/errors.ts";
import { notATokenizer, type TokenizerFile } from "./tokenizer_json.ts";

/** What the package gives, as far as it is used here. */
interface WasmTokenizer {
  encode(text: string): Int32Array;
  decode(ids: Int32Array): string;
}

interface WasmExports {
  Tokenizer?: { fromJSON(json: ArrayBuffer): Promise<WasmTokenizer> };
}

/** A tokenizer of Hugging Face's, ready to use. */
export class HuggingFaceCodec {
  #wasm: WasmTokenizer;
  #file: TokenizerFile;
  #log: string[];
  #specialIds: Set<number>;

  private constructor(
    wasm: WasmTokenizer,
    file: TokenizerFile,
    log: string[],
  ) {
    this.#wasm = wasm;
    this.#file = file;
    this.#log = log;
    this.#specialIds = new Set(
      file.addedTokens.filter((t) => t.special).map((t) => t.id),
    );
  }

  /**
   * Loads a file of any shape.
   *
   * @param name What to call the file in an error message.
   * @throws {UserError} If Hugging Face's code refuses the file.
   */
  static async load(
    file: TokenizerFile,
    name: string,
  ): Promise<HuggingFaceCodec> {
    const log: string[] = [];
    const { Tokenizer } = await instantiate(log);
    if (Tokenizer === undefined) {
      throw new TypeError("@mlc-ai/web-tokenizers exports no Tokenizer");
    }
    const json = JSON.stringify(allOfTheText(file.root));
    let wasm;
    try {
      wasm = await Tokenizer.fromJSON(new TextEncoder().encode(json).buffer);
    } catch (cause) {
      const reason = refusal(log) ?? errorMessage(cause);
      throw notATokenizer(name, `Hugging Face's code says "${reason}"`, cause);
    }
    return new HuggingFaceCodec(wasm, file, log);
  }

  /**
   * Ids of `text` without those that a model's template would put around it;
   * a lone surrogate counts as U+FFFD.
   *
   * @throws {UserError} For a text that the model has no ids for.
   */
  encode(text: string): Uint32Array {
    return this.#ask(
      "encode the text",
      () => new Uint32Array(this.#wasm.encode(text.toWellFormed())),
    );
  }

  /**
   * Text of `ids`, without special tokens; ids out of range are left out.
   *
   * @throws {UserError} For ids that the file's decoder fails on.
   */
  decode(ids: ArrayLike<number>): string {
    const known = Array.from(ids).filter((id) =>
      id < this.#file.vocabSize && !this.#specialIds.has(id)
    );
    return this.#ask(
      "decode tokens",
      () => this.#wasm.decode(Int32Array.from(known)),
    );
  }

  /** Gives the reason if the Rust code aborts. */
  #ask<T>(what: string, work: () => T): T {
    try {
      return work();
    } catch (cause) {
      const reason = refusal(this.#log) ?? errorMessage(cause);
      throw new UserError(`Cannot ${what}: the tokenizer says "${reason}"`, {
        hint: "choose another tokenizer.json, or tokenizer.type byte",
        cause,
      });
    }
  }

  /** How many ids of `text` say "unknown". */
  countUnknown(text: string): number {
    const { unknownId } = this.#file;
    return this.encode(text).filter((id) => id === unknownId).length;
  }
}

/**
 * Runs the package's script and returns its exports.
 *
 * @param log Receives the lines that the Rust code writes before it aborts.
 */
async function instantiate(log: string[]): Promise<WasmExports> {
  const { default: script } = await import("@mlc-ai/web-tokenizers", {
    with: { type: "text" },
  });
  const write = (...words: unknown[]) => log.push(words.join(" "));
  const exports: WasmExports = {};
  const surroundings = {
    exports,
    module: { exports },
    // No Node and no browser: the script then needs neither files nor a page.
    process: undefined,
    require: undefined,
    location: { href: "file:///web-tokenizers/" },
    console: { log: write, warn: write, error: write },
    // Its own decoder would drop a byte order mark inside the text.
    TextDecoder: class extends TextDecoder {
      constructor(label?: string) {
        super(label, { ignoreBOM: true });
      }
    },
  };
  new Function(...Object.keys(surroundings), script)(
    ...Object.values(surroundings),
  );
  return exports;
}

/**
 * The same tokenizer without what would cut or lengthen every text, and
 * without dropout, which would give a text other ids each time.
 */
function allOfTheText(root: TokenizerFile["root"]): TokenizerFile["root"] {
  const model = root.model as Record<string, unknown>;
  return {
    ...root,
    truncation: null,
    padding: null,
    model: "dropout" in model ? { ...model, dropout: null } : model,
  };
}

/**
 * The reason of the first panic in Rust: what it unwrapped in vain, or said.
 */
function refusal(log: readonly string[]): string | null {
  const lines = log.join("\n");
  const match = /an `Err` value: (?:Error\("(.*?)", line|(.*))/.exec(lines) ??
    /panicked at .*:\n(.+)/.exec(lines);
  return match === null ? null : (match[1] ?? match[2]).replaceAll("\\", "");
}
