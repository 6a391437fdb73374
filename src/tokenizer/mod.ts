/**
 * The face of the tokenizer layer.
 *
 * @module
 */

export { LoadedTokenizer, type LoadOptions, loadTokenizer } from "./load.ts";
export {
  cutForEncoding,
  splitForEncoding,
  splitForTraining,
} from "./pieces.ts";
export type { Tokenizer } from "./tokenizer.ts";
export {
  byteTokenizerJson,
  readTokenizerJson,
  type TokenizerSettings,
  trainTokenizer,
  type TrainTokenizerOptions,
} from "./train.ts";
export { type BpeOptions, type BpeProgress, trainBpe } from "./train_bpe.ts";
export { END_OF_TEXT } from "./write_json.ts";
