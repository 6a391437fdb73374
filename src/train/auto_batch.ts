/**
 * How many sequences a micro-step takes when that is left to Hearth: as many
 * as make the device busy, fit its memory, and leave an epoch of some steps.
 * Pure.
 *
 * @module
 */

/** What bounds a batch. */
export interface BatchBounds {
  /** Tokens per sequence. */
  readonly seqLen: number;
  /** Memory that a program for `batchSize` takes. */
  readonly bytesOf: (batchSize: number) => {
    /** All of it. */
    total: number;
    /** Its largest tensor. */
    largest: number;
  };
  /** Of the device, other programs' share taken off; null if unknown. */
  readonly memoryBytes: number | null;
  /** The largest tensor that the device can hold; null if any. */
  readonly tensorBytes: number | null;
  /** Training sequences there are. */
  readonly windows: number;
  /** A GPU needs more at once than a CPU to be busy. */
  readonly isGpu: boolean;
}

/** The batch, and why it is not larger. */
export interface BatchChoice {
  readonly batchSize: number;
  readonly reason: "busy" | "memory" | "data";
}

/**
 * Above these a micro-step takes longer, but no less per token: products with
 * that many rows fill the device. Steps with more only update more rarely.
 */
const BUSY_TOKENS = { cpu: 4096, gpu: 32_768 };
/** Room for other programs, and for what a driver rounds up. */
const USED_PART = 0.8;
/** Assumed where the system does not tell: what most GPUs have. */
const UNKNOWN_MEMORY_BYTES = 2e9;
/** Fewer steps per epoch than this teach little. */
const STEPS_PER_EPOCH = 20;

/** A power of two, or 1 if nothing fits: then the device says what is wrong. */
export function chooseBatchSize(bounds: BatchBounds): BatchChoice {
  const { seqLen, bytesOf, windows, isGpu, tensorBytes } = bounds;
  const memory = USED_PART * (bounds.memoryBytes ?? UNKNOWN_MEMORY_BYTES);
  const busyTokens = isGpu ? BUSY_TOKENS.gpu : BUSY_TOKENS.cpu;
  const whyNot = (batchSize: number): BatchChoice["reason"] | null => {
    if (batchSize * seqLen > busyTokens) return "busy";
    if (batchSize * STEPS_PER_EPOCH > windows) return "data";
    const { total, largest } = bytesOf(batchSize);
    const fits = total <= memory && largest <= (tensorBytes ?? Infinity);
    return fits ? null : "memory";
  };
  for (let batchSize = 1;; batchSize *= 2) {
    const reason = whyNot(2 * batchSize);
    if (reason !== null) return { batchSize, reason };
  }
}

/** What a person is told about it. */
export function describeBatch({ batchSize, reason }: BatchChoice): string {
  const why = {
    busy: "more would not make the device faster",
    memory: "more might not fit its memory",
    data: "more would leave few steps per epoch",
  }[reason];
  return `Batch size auto is ${batchSize}: ${why}`;
}
