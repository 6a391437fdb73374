/**
 * Causal attention, forward: only the log-sum-exp of each row is kept.
 *
 * Oracle: ../../reference/attention.ts.
 *
 * @module
 */

import { attendTiles } from "../attention/attention_forward.ts";
import {
  headLoader,
  keyHeads,
  queryHeads,
  storeHead,
} from "../attention/attention_heads.ts";
import { queryPlace, storeRows } from "../attention/attention_place.ts";
import { productMemory } from "../attention/attention_products.ts";
import {
  attentionFlops,
  attentionShape,
  dropoutTile,
  withoutUnit,
} from "../attention/attention_tile.ts";
import {
  canMatrixAttend,
  matrixAttention,
} from "../attention_matrix/attention_matrix_forward.ts";
import { bind, groups } from "../dispatch.ts";
import type { Kernels } from "../kernel.ts";
import { dropoutFunctions, siteTable } from "../shader/philox.ts";
import { entry } from "../shader/wgsl.ts";

/** Kernel of attention. */
export const attentionKernels: Kernels<"attention"> = {
  attention({ in: inputs, out: write, attrs }, context) {
    const site = inputs.rng && siteTable(attrs, context);
    const read = { ...inputs, site };
    const choice = context.attention("attention", attrs);
    // A choice may be recorded, of a device with more workgroup memory.
    if (
      choice.flow === "matrix" &&
      canMatrixAttend(attrs, choice, context.workgroupBytes)
    ) {
      return [matrixAttention({ ...read, ...write }, attrs, {
        ...{ choice, context },
      })];
    }
    const shape = attentionShape(attrs, withoutUnit(choice, "staged").flow);
    const { T, H, D, p, threads } = shape;
    const vector = shape.vector ? ["qkv", "out"] : [];
    const { bindings, names } = bind({ read, write }, { vector });
    const { qkv, rng, out, lse } = names;
    const { workgroups, code: place } = queryPlace(shape);
    const code = `
${rng ? dropoutFunctions({ p, site: names.site, rng }, context) : ""}
${headLoader(qkv, shape)}
${productMemory(shape)}
${
      entry(
        threads,
        `${place}
${
          attendTiles(shape, {
            queries: queryHeads(qkv, shape, "fromQ"),
            ...keyHeads(qkv, shape, "begin"),
            lastTile: "tile",
            factors: rng && dropoutTile(shape, {
              first: `(work * ${T}u + q) * ${T}u + k`,
              neighbours: "columns",
            }),
          })
        }
${
          storeRows(shape, {
            row: "q",
            before: (r) =>
              `let at = (first + q + ${r}u) * ${H * D}u + h * ${D}u;`,
            store: (r, j) =>
              `let y${j} = o${r}_${j} / all${r >> 2}[${r % 4}];
      ${
                storeHead(out, {
                  start: "at",
                  d4: `d${j}`,
                  value: `y${j}`,
                  shape,
                })
              }`,
            after: (r) =>
              `if (x == 0u && chunk == 0u) {
      ${lse}[work * ${T}u + q + ${r}u] = top${r >> 2}[${r % 4}] + log(all${
                r >> 2
              }[${r % 4}]);
    }`,
          })
        }`,
      )
    }`;
    return [{
      label: "attention",
      bindings,
      code,
      workgroups: groups(workgroups),
      flops: attentionFlops(attrs, 2),
    }];
  },
};
