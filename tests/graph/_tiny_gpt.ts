/**
 * A small model for tests of gradients and of the memory plan.
 *
 * @module
 */

import { gradients } from "../../src/graph/gradients.ts";
import { Graph } from "../../src/graph/graph.ts";
import type { Tensor } from "../../src/graph/tensor.ts";
import { gradientTargets, paramsOf } from "./_helpers.ts";

/** Sizes; B * T is {@linkcode TOKENS}. */
const [B, T, C, H, D] = [2, 3, 4, 2, 2];

/** Size of the vocabulary. */
export const V = 5;

/** Rows of every activation. */
export const TOKENS = B * T;

/**
 * The loss of a GPT of one block with the head tied to the embedding, and with
 * both norms and both activations, so that most ops take part.
 */
export function tinyGpt(g: Graph): Tensor {
  const ids = g.input("ids", [B * T], "u32");
  const targets = g.input("targets", [B * T], "u32");
  const positions = g.input("positions", [B * T], "u32");
  const rng = g.input("rng", [4], "u32");
  const wte = g.param("wte", [V, C]);

  let x = g.embedding(wte, ids);
  x = g.embedding(g.param("wpe", [T, C]), positions, { addTo: x });
  const normed = g.layerNorm(
    x,
    g.param("ln.weight", [C]),
    g.param("ln.bias", [C]),
    1e-5,
  ).out;
  const qkv = g.rope(
    g.matmul(normed, g.param("attn", [C, 3 * C]), {
      bias: g.param("attnBias", [3 * C]),
    }),
    positions,
    { nRotated: 2 * H, D, theta: 100 },
  );
  const att = g.attention(qkv, { B, T, H, Hkv: H, D }).out;
  x = g.matmul(att, g.param("proj", [C, C]), { addTo: x });
  const gated = g.swiglu(
    g.matmul(
      g.rmsNorm(x, g.param("rms.weight", [C]), 1e-5).out,
      g.param("fc", [4 * C, C]),
      { transB: true },
    ),
  );
  const mlp = g.matmul(g.gelu(gated, { tanh: true }), g.param("down", [8, C]));
  x = g.dropout(mlp, { p: 0.25, site: 1, rng, addTo: x });
  const logits = g.matmul(x, wte, { transB: true });
  const { rowLoss } = g.crossEntropy(logits, targets);
  return g.meanLoss(rowLoss, targets, { scale: 1 });
}

/** Content for its input of positions. */
export const POSITIONS = { positions: Uint32Array.of(0, 1, 2, 0, 1, 2) };

/** A micro-step: the loss and the gradients `d.<name>` of all parameters. */
export function tinyGptStep(
  { accumulate, seed }: { accumulate: boolean; seed?: number },
): Graph {
  const g = new Graph();
  const loss = tinyGpt(g);
  const into = gradientTargets(g, paramsOf(g), accumulate);
  gradients(g, loss, { into, seed });
  return g;
}
