/**
 * Gradient norm, clipping and AdamW.
 *
 * Source: Loshchilov & Hutter 2019, https://arxiv.org/abs/1711.05101.
 *
 * @module
 */

import { SUM_CHUNK } from "../../graph/ops.ts";
import type { Kernels } from "./kernel.ts";

/** Added to the norm before the division, as PyTorch's clip_grad_norm_. */
const NORM_EPS = 1e-6;

/** Kernels of the optimizer update. */
export const optimizerKernels: Kernels<
  "sumSquares" | "clipScale" | "recordStep" | "adamw"
> = {
  sumSquares({ in: { x, addTo }, out: { out, partials }, attrs: { n } }) {
    let total = addTo?.[0] ?? 0;
    for (let chunk = 0; chunk * SUM_CHUNK < n; chunk++) {
      let sum = 0;
      const end = Math.min(n, (chunk + 1) * SUM_CHUNK);
      for (let i = chunk * SUM_CHUNK; i < end; i++) sum += x[i] ** 2;
      partials[chunk] = sum;
      total += sum;
    }
    out[0] = total;
  },

  clipScale({ in: { sumSquares }, out: { gradNorm, scale }, attrs }) {
    const norm = Math.sqrt(sumSquares[0]);
    gradNorm[0] = norm;
    if (!Number.isFinite(norm)) scale[0] = 0;
    else if (attrs.maxNorm === 0) scale[0] = 1;
    else scale[0] = Math.min(1, attrs.maxNorm / (norm + NORM_EPS));
  },

  recordStep({ in: inputs, out: { log, hyper } }) {
    const { loss, gradNorm, scale, slot: [slot], schedule } = inputs;
    const before = slot === 0 ? 0 : log[4 * slot - 1];
    const updates = before + (scale[0] === 0 ? 0 : 1);
    log.set([loss[0], gradNorm[0], scale[0], updates], 4 * slot);
    hyper[0] = schedule[3 * slot];
    hyper[1] = schedule[3 * before + 1];
    hyper[2] = schedule[3 * before + 2];
  },

  adamw({ in: { grad, scale, hyper }, out: { param, m, v }, attrs }) {
    const { n, beta1, beta2, eps, weightDecay } = attrs;
    const [lr, correction1, correction2] = hyper;
    if (scale[0] === 0) return;
    for (let i = 0; i < n; i++) {
      const g = grad[i] * scale[0];
      m[i] = beta1 * m[i] + (1 - beta1) * g;
      v[i] = beta2 * v[i] + (1 - beta2) * g * g;
      const mHat = m[i] / correction1, vHat = v[i] / correction2;
      const decayed = param[i] - lr * weightDecay * param[i];
      param[i] = decayed - lr * mHat / (Math.sqrt(vHat) + eps);
    }
  },
};
