/**
 * Runs the calls of a phase, one after another, on every thread.
 *
 * This is the face of the module: the host writes records (encode.ts), and
 * each worker instantiates the module on the shared memory, sets itself up
 * with `initThread` and calls `runPhase`. A call begins when all of the call
 * before it is done.
 *
 * @module
 */

import { attention, attentionScratch } from "./attention";
import { attentionBackward } from "./attention_backward";
import { attentionBackwardScratch } from "./attention_backward";
import { attentionCached, attentionCachedScratch } from "./attention_cached";
import * as calls from "./calls";
import { AnyCall, Op } from "./calls";
import { add, fill, gelu, geluBackward, scale } from "./elementwise";
import { swiglu, swigluBackward } from "./elementwise";
import { embedding, embeddingBackward } from "./embedding";
import { matmul, matmulSharedScratch, matmulThreadScratch } from "./gemm";
import { crossEntropy, crossEntropyBackward } from "./losses";
import { meanLoss, meanLossBackward } from "./losses";
import { layerNorm, layerNormBackward } from "./norms";
import { normWeightBackward, rmsNorm, rmsNormBackward } from "./norms";
import { sumRows } from "./norms";
import { adamw, clipScale, recordStep, sumSquares } from "./optimizer";
import { dropout } from "./philox";
import { rope, ropeScratch } from "./rope";
import { sample, sampleScratch } from "./sample";
import {
  barrier,
  isAborted,
  leave,
  NATIVE_ARGS_BYTES,
  nextChunk,
  nThreads,
  thread,
} from "./threads";

export { useBlas } from "./blas";
export { useNative } from "./native";
export { abort, initThread, pauseAtRandom, ticketBytes } from "./threads";

/** Milliseconds, comparable between threads; called only for a profile. */
@external("env", "now")
declare function now(): f64;

let at: i32 = 0;

/** Which call of the phase this thread is at: for error messages. */
export function callIndex(): i32 {
  return at;
}

/** Whether `a * b + c` of this build and machine rounds once. */
export function isFused(): bool {
  // (1 + 2^-12)^2 - 1 - 2^-11 is 2^-24 exactly, and 0 when the square rounds.
  const a = f32x4.splat(1 + <f32> 0.000244140625);
  const c = f32x4.splat(-1 - <f32> 0.00048828125);
  if (!ASC_FEATURE_RELAXED_SIMD) return false;
  return f32x4.extract_lane(f32x4.relaxed_madd(a, a, c), 0) != 0;
}

/**
 * Runs `count` records from `record` on.
 *
 * @param profile Room for f64 times, or 0: of the start, of the end of each
 * call, which the last thread to end it writes, and then, call by call, of the
 * end of each thread's part.
 */
export function runPhase(record: usize, count: i32, profile: usize): void {
  let ended = profile + (<usize> (count + 1 + thread) << 3);
  if (profile) {
    if (nextChunk(1) == 0) store<f64>(profile, now());
    barrier();
  }
  for (at = 0; at < count; at++) {
    const call = changetype<AnyCall>(record);
    run(call);
    if (profile) {
      profile += 8;
      const end = now();
      store<f64>(ended, end);
      ended += <usize> nThreads << 3;
      // Not the time after it: others may be far on before this one looks.
      if (barrier()) store<f64>(profile, end);
    } else if (at + 1 < count) barrier();
    else leave(); // the next phase begins when all threads are here
    if (isAborted()) return;
    record += call.bytes;
  }
}

function run(call: AnyCall): void {
  const record = changetype<usize>(call);
  switch (call.opcode) {
    case Op.fill:
      fill(changetype<calls.FillCall>(record));
      break;
    case Op.add:
      add(changetype<calls.AddCall>(record));
      break;
    case Op.scale:
      scale(changetype<calls.ScaleCall>(record));
      break;
    case Op.embedding:
      embedding(changetype<calls.EmbeddingCall>(record));
      break;
    case Op.embeddingBackward:
      embeddingBackward(changetype<calls.EmbeddingBackwardCall>(record));
      break;
    case Op.matmul:
      matmul(changetype<calls.MatmulCall>(record));
      break;
    case Op.sumRows:
      sumRows(changetype<calls.SumRowsCall>(record));
      break;
    case Op.layerNorm:
      layerNorm(changetype<calls.LayerNormCall>(record));
      break;
    case Op.layerNormBackward:
      layerNormBackward(changetype<calls.LayerNormBackwardCall>(record));
      break;
    case Op.rmsNorm:
      rmsNorm(changetype<calls.RmsNormCall>(record));
      break;
    case Op.rmsNormBackward:
      rmsNormBackward(changetype<calls.RmsNormBackwardCall>(record));
      break;
    case Op.normWeightBackward:
      normWeightBackward(changetype<calls.NormWeightBackwardCall>(record));
      break;
    case Op.rope:
      rope(changetype<calls.RopeCall>(record));
      break;
    case Op.attention:
      attention(changetype<calls.AttentionCall>(record));
      break;
    case Op.attentionBackward:
      attentionBackward(changetype<calls.AttentionBackwardCall>(record));
      break;
    case Op.attentionCached:
      attentionCached(changetype<calls.AttentionCachedCall>(record));
      break;
    case Op.sample:
      sample(changetype<calls.SampleCall>(record));
      break;
    case Op.gelu:
      gelu(changetype<calls.GeluCall>(record));
      break;
    case Op.geluBackward:
      geluBackward(changetype<calls.GeluBackwardCall>(record));
      break;
    case Op.swiglu:
      swiglu(changetype<calls.SwigluCall>(record));
      break;
    case Op.swigluBackward:
      swigluBackward(changetype<calls.SwigluBackwardCall>(record));
      break;
    case Op.dropout:
      dropout(changetype<calls.DropoutCall>(record));
      break;
    case Op.crossEntropy:
      crossEntropy(changetype<calls.CrossEntropyCall>(record));
      break;
    case Op.crossEntropyBackward:
      crossEntropyBackward(changetype<calls.CrossEntropyBackwardCall>(record));
      break;
    case Op.meanLoss:
      meanLoss(changetype<calls.MeanLossCall>(record));
      break;
    case Op.meanLossBackward:
      meanLossBackward(changetype<calls.MeanLossBackwardCall>(record));
      break;
    case Op.sumSquares:
      sumSquares(changetype<calls.SumSquaresCall>(record));
      break;
    case Op.clipScale:
      clipScale(changetype<calls.ClipScaleCall>(record));
      break;
    case Op.recordStep:
      recordStep(changetype<calls.RecordStepCall>(record));
      break;
    case Op.adamw:
      adamw(changetype<calls.AdamwCall>(record));
      break;
    default:
      unreachable();
  }
}

/** Bytes that all threads share during a call. */
export function sharedScratchBytes(record: usize): usize {
  if (changetype<AnyCall>(record).opcode != Op.matmul) return 0;
  return matmulSharedScratch(changetype<calls.MatmulCall>(record));
}

/** Bytes that each thread needs for itself during a call. */
export function threadScratchBytes(record: usize): usize {
  return NATIVE_ARGS_BYTES + scratchBytes(record);
}

function scratchBytes(record: usize): usize {
  switch (changetype<AnyCall>(record).opcode) {
    case Op.matmul:
      return matmulThreadScratch(changetype<calls.MatmulCall>(record));
    case Op.attention:
      return attentionScratch(changetype<calls.AttentionCall>(record));
    case Op.attentionBackward:
      return attentionBackwardScratch(
        changetype<calls.AttentionBackwardCall>(record),
      );
    case Op.attentionCached:
      return attentionCachedScratch(
        changetype<calls.AttentionCachedCall>(record),
      );
    case Op.sample:
      return sampleScratch(changetype<calls.SampleCall>(record));
    case Op.rope:
      return ropeScratch(changetype<calls.RopeCall>(record));
    case Op.dropout:
      return 64;
    default:
      return 0;
  }
}
