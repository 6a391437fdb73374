/**
 * The backward rule of each differentiable op.
 *
 * A rule takes the gradient of its call's result and hands one gradient to
 * each input that needs one. Weights come before inputs: their gradients need
 * nothing new, and the activations they read can be freed early.
 *
 * @module
 */

import type { Into } from "./call_recorder.ts";
import type { Graph } from "./graph.ts";
import type { AnyCall, Bit, Call, OpName } from "./ops.ts";
import type { Tensor } from "./tensor.ts";

/** What a rule may ask of the pass over the graph that applies it. */
export interface BackwardPass {
  readonly graph: Graph;
  /** Whether this input of the call needs a gradient. */
  wants(input: Tensor | undefined): input is Tensor;
  /** The complete gradient of an output; takes it out of the books. */
  take(output: Tensor): Tensor;
  /**
   * Adds to the gradient of an input, if that is wanted, by an op that can
   * accumulate.
   *
   * @param write Records the op with the given `addTo` and `out`.
   */
  add(input: Tensor, write: (into: Into) => Tensor): void;
  /** Adds a tensor that exists already to the gradient of an input. */
  share(input: Tensor, gradient: Tensor): void;
}

/** Records the backward calls of one call. */
export type BackwardRule<K extends OpName> = (
  call: Call<K, Tensor>,
  pass: BackwardPass,
) => void;

/** Rules by op; null is an op that no gradient flows through. */
type BackwardRules = { readonly [K in OpName]: BackwardRule<K> | null };

const backwardRules: BackwardRules = {
  fill: null,

  add({ in: { a, b }, out: { out } }, pass) {
    const dOut = pass.take(out);
    for (const input of [a, b]) {
      if (pass.wants(input)) pass.share(input, dOut);
    }
  },

  scale({ in: { x }, out: { out }, attrs: { factor } }, pass) {
    pass.share(x, pass.graph.scale(pass.take(out), factor));
  },

  embedding({ in: { table, ids, addTo }, out: { out }, attrs }, pass) {
    const dOut = pass.take(out);
    const { graph } = pass;
    pass.add(table, (into) =>
      graph.record("embeddingBackward", {
        in: { dOut, ids, addTo: into.addTo },
        out: { out: into.out ?? graph.temp(table.shape) },
        attrs,
      }).out);
    if (pass.wants(addTo)) pass.share(addTo, dOut);
  },
  embeddingBackward: null,

  matmul({ in: { a, b, bias, addTo }, out: { out }, attrs }, pass) {
    const dOut = pass.take(out);
    const { graph } = pass;
    const transA = attrs.transA === 1, transB = attrs.transB === 1;
    if (bias) pass.add(bias, (into) => graph.sumRows(dOut, into));
    // With Y = A B: dB = A^T dY and dA = dY B^T; a stored transpose swaps the
    // factors, so that its gradient comes out transposed as well.
    pass.add(
      b,
      (into) =>
        transB
          ? graph.matmul(dOut, a, { transA: true, transB: transA, ...into })
          : graph.matmul(a, dOut, { transA: !transA, ...into }),
    );
    pass.add(
      a,
      (into) =>
        transA
          ? graph.matmul(b, dOut, { transA: transB, transB: true, ...into })
          : graph.matmul(dOut, b, { transB: !transB, ...into }),
    );
    if (pass.wants(addTo)) pass.share(addTo, dOut);
  },
  sumRows: null,

  layerNorm({ in: inputs, out: { out, mean, rstd }, attrs }, pass) {
    const dOut = pass.take(out);
    const { graph } = pass;
    const { x, weight, bias } = inputs;
    const { rows, C } = attrs;
    normWeight({ dOut, x, mean, rstd }, weight, { rows, C }, pass);
    if (bias) pass.add(bias, (into) => graph.sumRows(dOut, into));
    pass.add(x, (into) =>
      graph.record("layerNormBackward", {
        in: { dOut, x, weight, mean, rstd, addTo: into.addTo },
        out: { out: into.out ?? graph.temp(x.shape) },
        attrs: { rows, C },
      }).out);
  },
  layerNormBackward: null,

  rmsNorm({ in: { x, weight }, out: { out, rstd }, attrs }, pass) {
    const dOut = pass.take(out);
    const { graph } = pass;
    const { rows, C } = attrs;
    normWeight({ dOut, x, rstd }, weight, { rows, C }, pass);
    pass.add(x, (into) =>
      graph.record("rmsNormBackward", {
        in: { dOut, x, weight, rstd, addTo: into.addTo },
        out: { out: into.out ?? graph.temp(x.shape) },
        attrs: { rows, C },
      }).out);
  },
  rmsNormBackward: null,
  normWeightBackward: null,

  // A rotation's gradient is the rotation back.
  rope({ in: { x, positions }, out: { out }, attrs }, pass) {
    const dOut = pass.take(out);
    const inverse: Bit = attrs.inverse === 1 ? 0 : 1;
    pass.share(
      x,
      pass.graph.record("rope", {
        in: { x: dOut, positions },
        out: { out: pass.graph.temp(x.shape) },
        attrs: { ...attrs, inverse },
      }).out,
    );
  },

  attention({ in: { qkv, rng }, out: { out, lse }, attrs }, pass) {
    const dOut = pass.take(out);
    const { dQkv } = pass.graph.record("attentionBackward", {
      in: { dOut, qkv, out, lse, rng },
      out: { dQkv: pass.graph.temp(qkv.shape) },
      attrs,
    });
    pass.share(qkv, dQkv);
  },
  attentionBackward: null,
  attentionCached: null,
  sample: null,

  gelu({ in: { x }, out: { out }, attrs }, pass) {
    const dOut = pass.take(out);
    pass.share(
      x,
      pass.graph.record("geluBackward", {
        in: { dOut, x },
        out: { out: pass.graph.temp(x.shape) },
        attrs,
      }).out,
    );
  },
  geluBackward: null,

  swiglu({ in: { x }, out: { out }, attrs }, pass) {
    const dOut = pass.take(out);
    pass.share(
      x,
      pass.graph.record("swigluBackward", {
        in: { dOut, x },
        out: { out: pass.graph.temp(x.shape) },
        attrs,
      }).out,
    );
  },
  swigluBackward: null,

  // The same elements are dropped again, as the mask depends on site and rng.
  dropout({ in: { x, rng, addTo }, out: { out }, attrs }, pass) {
    const dOut = pass.take(out);
    const { graph } = pass;
    pass.add(x, (into) =>
      graph.record("dropout", {
        in: { x: dOut, rng, addTo: into.addTo },
        out: { out: into.out ?? graph.temp(x.shape) },
        attrs,
      }).out);
    if (pass.wants(addTo)) pass.share(addTo, dOut);
  },

  crossEntropy(
    { in: { logits, targets }, out: { rowLoss, lse }, attrs },
    pass,
  ) {
    const dRowLoss = pass.take(rowLoss);
    pass.share(
      logits,
      pass.graph.record("crossEntropyBackward", {
        in: { dRowLoss, logits, targets, lse },
        out: { out: pass.graph.temp(logits.shape) },
        attrs,
      }).out,
    );
  },
  crossEntropyBackward: null,

  meanLoss({ in: { rowLoss, targets, addTo }, out: { loss }, attrs }, pass) {
    const dLoss = pass.take(loss);
    if (pass.wants(rowLoss)) {
      pass.share(
        rowLoss,
        pass.graph.record("meanLossBackward", {
          in: { dLoss, targets },
          out: { out: pass.graph.temp(rowLoss.shape) },
          attrs,
        }).out,
      );
    }
    if (pass.wants(addTo)) pass.share(addTo, dLoss);
  },
  meanLossBackward: null,

  sumSquares: null,
  clipScale: null,
  recordStep: null,
  adamw: null,
};

/**
 * The rule for `call`, ready to be applied.
 *
 * @throws {TypeError} If the op cannot be differentiated.
 */
export function backwardRule(
  call: AnyCall<Tensor>,
): (pass: BackwardPass) => void {
  // The call and its rule are of one op, which a lookup cannot express.
  const rule = backwardRules[call.op] as BackwardRule<OpName> | null;
  if (!rule) {
    throw new TypeError(
      `Cannot differentiate ${call.op}: it has no backward rule`,
    );
  }
  return (pass) => rule(call, pass);
}

/** Gradient of a norm's weight, the same for both norms. */
function normWeight(
  inputs: { dOut: Tensor; x: Tensor; mean?: Tensor; rstd: Tensor },
  weight: Tensor,
  attrs: { rows: number; C: number },
  pass: BackwardPass,
): void {
  pass.add(weight, (into) =>
    pass.graph.record("normWeightBackward", {
      in: { ...inputs, addTo: into.addTo },
      out: { out: into.out ?? pass.graph.temp(weight.shape) },
      attrs,
    }).out);
}
