/**
 * How far the preparation of a data set is.
 *
 * @module
 */

/**
 * What is done of one phase, in bytes; while a tokenizer merges, in words of
 * its vocabulary. Phases may repeat, each time from zero. A total of 0 is one
 * that nobody knows.
 */
export interface DataProgress {
  /**
   * Downloading, checking text or tokens on disk, training a tokenizer,
   * encoding.
   */
  phase: "download" | "read" | "tokenizer" | "tokenize";
  done: number;
  total: number;
}

/** What a phase is called, for people and state files. */
export type DataStage =
  | "downloading"
  | "reading data"
  | "training tokenizer"
  | "tokenizing";

/** The words of each phase. */
const PHASE_WORDS = {
  download: "downloading",
  read: "reading data",
  tokenizer: "training tokenizer",
  tokenize: "tokenizing",
} as const satisfies Record<DataProgress["phase"], DataStage>;

/** What people and state files are told of a progress. */
export function describeProgress({ phase, done, total }: DataProgress): {
  stage: DataStage;
  fraction: number | null;
  bytes: { done: number; total: number } | null;
} {
  return {
    stage: PHASE_WORDS[phase],
    fraction: total > 0 ? done / total : null,
    // A tokenizer counts bytes first, and then words.
    bytes: phase === "tokenizer" ? null : { done, total },
  };
}

/** Takes byte counts, adds them up and reports the sum. */
export function meter(
  { phase, total }: Omit<DataProgress, "done">,
  onProgress?: (progress: DataProgress) => void,
): (bytes: number) => void {
  let done = 0;
  return (bytes) => {
    done += bytes;
    onProgress?.({ phase, done: total ? Math.min(done, total) : done, total });
  };
}
