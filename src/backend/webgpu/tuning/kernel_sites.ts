/**
 * Where a program leaves a choice among kernels: products, with what is done
 * at once with them, and attention. A site stands for all calls of its sizes;
 * it can be recorded alone, to be timed.
 *
 * @module
 */

import type { Graph } from "../../../graph/graph.ts";
import type { AttentionAttrs } from "../../../graph/ops.ts";
import type { PlacedTensor, Program } from "../../../graph/program.ts";
import { attentionFlops } from "../attention/attention_tile.ts";
import type { MatrixUnit } from "../device/matrix_unit.ts";
import type { StoredAs, StoredPrecision } from "../dispatch.ts";
import { shapeKey } from "../choice/gemm_choice.ts";
import type { EpilogueCall } from "../gemm/gemm_epilogue.ts";
import { type GemmShape, shapeOf } from "../gemm/gemm_variant.ts";
import { MOST_GEMV_ROWS } from "../gemv/gemv_plan.ts";
import { findFused, type FusedProduct, inWords } from "../lowering/fusion.ts";
import { chooseStorage } from "../lowering/storage.ts";
import type { StoredTensors } from "../lowering/views.ts";

/** A product with its neighbours. */
export interface GemmSite {
  readonly kind: "matmul";
  readonly shape: GemmShape;
  /** What is added to the results. */
  readonly bias?: boolean;
  readonly addTo?: boolean;
  /** Whether the columns of `b` are summed, and added to something. */
  readonly sums?: { readonly addTo: boolean };
  /** What the results go through. */
  readonly after?: EpilogueCall<unknown>;
  /** Whether others read the results too. */
  readonly isRead?: boolean;
  readonly stored?: StoredTensors;
}

/** Attention, or its gradient. */
export interface AttentionSite {
  readonly kind: "attention" | "attentionBackward";
  readonly attrs: AttentionAttrs;
  readonly stored?: StoredTensors;
}

/** What is chosen once for all calls of its sizes. */
export type KernelSite = GemmSite | AttentionSite;

/** The name of a site in files. */
export function siteKey(site: KernelSite): string {
  if (site.kind === "matmul") return shapeKey(site.shape);
  return attentionKey(site.kind, site.attrs);
}

/** The same for attention. */
export function attentionKey(
  op: AttentionSite["kind"],
  { B, T, H, Hkv, D, p }: AttentionAttrs,
): string {
  const heads = H === Hkv ? H : `${H}/${Hkv}`;
  return `${op} ${B}x${T}x${heads}x${D}` + (p > 0 ? " dropout" : "");
}

/**
 * The sites of a program, most time first: by their operations, of which
 * attention makes so many less in a second.
 *
 * @param unit What products may use.
 * @param precision How activations are stored; `stored` of a site says which of
 * its tensors are so, under the names of {@linkcode recordSite}.
 */
export function programSites(
  { phases }: Program,
  precision: StoredPrecision = "fp32",
  unit: MatrixUnit | null = null,
): KernelSite[] {
  const sites = new Map<string, { site: KernelSite; work: number }>();
  const add = (site: KernelSite) => {
    const key = siteKey(site);
    const known = sites.get(key) ?? { site, work: 0 };
    const slower = site.kind === "matmul" ? 1 : ATTENTION_IS_SLOWER;
    sites.set(key, { ...known, work: known.work + slower * siteFlops(site) });
  };
  for (const calls of Object.values(phases)) {
    const done = new Set<unknown>();
    const storage = chooseStorage(calls, precision, unit);
    for (const { what } of findFused(calls)) {
      if (!("product" in what)) continue;
      done.add(what.product);
      add(gemmSite(what, storage));
    }
    for (const call of calls) {
      if (call.op === "attention" || call.op === "attentionBackward") {
        const stored = storedOf({ ...call.in, ...call.out }, storage);
        add({ kind: call.op, attrs: call.attrs, stored });
      }
      if (call.op === "matmul" && !done.has(call)) {
        if (call.attrs.M <= MOST_GEMV_ROWS) continue;
        add(gemmSite({ product: call, isRead: false }, storage));
      }
    }
  }
  return [...sites.values()].toSorted((a, b) => b.work - a.work)
    .map(({ site }) => site);
}

/** Measured on an NVIDIA H200: 13 to 15 TFLOP/s, products 38. */
const ATTENTION_IS_SLOWER = 2.5;

/** Multiplications and additions of one of its calls. */
export function siteFlops(site: KernelSite): number {
  if (site.kind === "matmul") {
    const { M, N, K } = site.shape;
    return 2 * M * N * K;
  }
  return attentionFlops(site.attrs, site.kind === "attention" ? 2 : 5);
}

/**
 * The same with fewer rows of activations, so that there is less to do: for
 * devices of which it is not known how slow they are.
 */
export function shrinkSite(site: KernelSite, mostFlops: number): KernelSite {
  const share = mostFlops / siteFlops(site);
  if (share >= 1) return site;
  if (site.kind !== "matmul") {
    const B = Math.max(1, Math.floor(site.attrs.B * share));
    return { ...site, attrs: { ...site.attrs, B } };
  }
  const { shape } = site;
  // Gradients of weights are as deep as there are rows.
  const side = shape.transA ? "K" : "M";
  const rows = shape[side] * share;
  const whole = rows > 2 * ROWS ? Math.floor(rows / ROWS) * ROWS : ROWS;
  return {
    ...site,
    shape: { ...shape, [side]: Math.min(shape[side], whole) },
  };
}

/** Rows of a part are a multiple of this: whole tiles. */
const ROWS = 128;

/**
 * Records the calls of a site on tensors of their own, named after what they
 * are to it: several records share them.
 */
export function recordSite(g: Graph, site: KernelSite): void {
  if (site.kind === "matmul") recordProduct(g, site);
  else recordAttention(g, site);
}

function recordProduct(g: Graph, site: GemmSite): void {
  const { M, N, K, transA, transB } = site.shape;
  const { bias, addTo, sums, after, isRead } = site;
  const a = g.state("a", transA ? [K, M] : [M, K]);
  const b = g.state("b", transB ? [N, K] : [K, N]);
  if (sums) {
    const out = g.state("sums", [N]);
    g.sumRows(b, { out, addTo: sums.addTo ? out : undefined });
  }
  const out = after ? undefined : g.state("out", [M, N]);
  const result = g.matmul(a, b, {
    ...{ transA, transB, out },
    bias: bias ? g.state("bias", [N]) : undefined,
    addTo: addTo ? out ?? g.state("addTo", [M, N]) : undefined,
  });
  switch (after?.op) {
    case "gelu":
      g.record("gelu", {
        in: { x: result },
        out: { out: g.state("result", [M, N]) },
        attrs: { ...after.attrs, n: M * N },
      });
      // What others read too is written; so many bytes are read here as well.
      if (isRead) g.sumRows(result, { out: g.state("read", [N]) });
      break;
    case "geluBackward":
      g.record("geluBackward", {
        in: { dOut: result, x: g.state("before", [M, N]) },
        out: { out: g.state("result", [M, N]) },
        attrs: { ...after.attrs, n: M * N },
      });
      break;
    case "swigluBackward":
      g.record("swigluBackward", {
        in: { dOut: result, x: g.state("before", [M, 2 * N]) },
        out: { out: g.state("result", [M, 2 * N]) },
        attrs: { rows: M, F: N },
      });
      break;
    case "dropout":
      g.record("dropout", {
        in: {
          x: result,
          rng: g.input("rng", [4], "u32"),
          addTo: after.in.addTo ? g.state("residual", [M, N]) : undefined,
        },
        out: { out: g.state("result", [M, N]) },
        attrs: { ...after.attrs, n: M * N },
      });
  }
}

function recordAttention(g: Graph, { kind, attrs }: AttentionSite): void {
  const { B, T, H, Hkv, D, p } = attrs;
  const rows = B * T, width = (H + 2 * Hkv) * D;
  const qkv = g.state("qkv", [rows, width]);
  const rng = p > 0 ? g.input("rng", [4], "u32") : undefined;
  if (kind === "attention") {
    g.record("attention", {
      in: { qkv, rng },
      out: {
        out: g.state("out", [rows, H * D]),
        lse: g.state("lse", [B, H, T]),
      },
      attrs,
    });
    return;
  }
  g.record("attentionBackward", {
    in: {
      ...{ qkv, rng, dOut: g.state("dOut", [rows, H * D]) },
      ...{ out: g.state("out", [rows, H * D]), lse: g.state("lse", [B, H, T]) },
    },
    out: { dQkv: g.state("dQkv", [rows, width]) },
    attrs,
  });
}

function gemmSite(
  calls: FusedProduct,
  storage: ReadonlyMap<PlacedTensor, StoredAs>,
): GemmSite {
  const { product, sums, after, isRead } = calls;
  const { attrs, in: inputs } = product;
  const tensors: Record<string, PlacedTensor | undefined> = {
    ...{ a: inputs.a, b: inputs.b, addTo: inputs.addTo },
    ...after ? { result: after.out.out } : { out: product.out.out },
    ...(after?.op === "geluBackward" || after?.op === "swigluBackward") &&
      { before: after.in.x },
    ...after?.op === "dropout" && { residual: after.in.addTo },
  };
  return {
    kind: "matmul",
    shape: shapeOf(attrs, inWords(calls)),
    bias: inputs.bias !== undefined,
    addTo: inputs.addTo !== undefined,
    ...sums && { sums: { addTo: sums.in.addTo !== undefined } },
    ...{ after, isRead, stored: storedOf(tensors, storage) },
  };
}

/** Of the tensors of a site those that are stored in another way. */
function storedOf(
  tensors: Readonly<Record<string, PlacedTensor | undefined>>,
  storage: ReadonlyMap<PlacedTensor, StoredAs>,
): StoredTensors {
  const stored: Record<string, StoredAs> = {};
  for (const [name, tensor] of Object.entries(tensors)) {
    const as = tensor && storage.get(tensor);
    if (as) stored[name] = as;
  }
  return stored;
}
