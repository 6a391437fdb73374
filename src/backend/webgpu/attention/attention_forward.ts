/**
 * Softmax over tiles of keys as they come, for a tile of queries (Dao et al.
 * 2022, https://arxiv.org/abs/2205.14135): in training, and in prompts over a
 * cache.
 *
 * @module
 */

import { joined, lines } from "../shader/wgsl.ts";
import type { Heads } from "./attention_heads.ts";
import { eachResult } from "./attention_place.ts";
import {
  addHeads,
  addParts,
  addScores,
  keepScores,
  quadOf,
} from "./attention_products.ts";
import { type AttentionShape, MASKED, scoreScale } from "./attention_tile.ts";

/**
 * WGSL: `o<row>_<j>`, values weighed by `exp(score - top<quad>)`, which sum to
 * `all<quad>`. The place of the workgroup and thread is that of `queryPlace`;
 * `q` is the thread's first position among the keys.
 */
export function attendTiles(
  shape: AttentionShape,
  { queries, keys, values, lastTile, factors }: {
    queries: Heads;
    /** Of the tile that begins at key `begin`. */
    keys: Heads;
    values: Heads;
    /** Number of the last tile of keys that a query of the workgroup sees. */
    lastTile: string;
    /** Declares `f<row>`, what the probabilities are multiplied by. */
    factors?: string;
  },
): string {
  const { tile, rows, quads, side: across } = shape;
  const side = "queries";
  return `
${
    lines(quads, (quad) =>
      `  var top${quad} = vec4<f32>(${MASKED});
  var sum${quad} = vec4<f32>();`)
  }
${eachResult(shape, (r, j) => `  var o${r}_${j} = vec4<f32>();`)}
  for (var keyTile = 0u; keyTile <= ${lastTile}; keyTile++) {
    let begin = keyTile * ${tile}u;
    let k = begin + 4u * x;
    // 1. Scores, with later positions masked.
${lines(rows, (r) => `    var s${r} = vec4<f32>();`)}
${addScores("s", { rows: queries, columns: keys, side, shape })}
    let keys = vec4<u32>(k) + vec4<u32>(0u, 1u, 2u, 3u);
${
    lines(rows, (r) =>
      `    s${r} = select(vec4<f32>(${MASKED}), s${r} * ${
        scoreScale(shape)
      }, keys <= vec4<u32>(q + ${r}u));`)
  }
    // 2. The largest of each row so far; what was summed is scaled to it.
${
    lines(quads, (quad) =>
      `    keyHeads[x][${quadOf(quads, quad)}] = vec4<f32>(
${
        joined(4, ",\n", (i) => {
          const s = `s${4 * quad + i}`;
          return `      max(max(${s}.x, ${s}.y), max(${s}.z, ${s}.w))`;
        })
      });`)
  }
    workgroupBarrier();
${
    lines(quads, (quad) =>
      `    let before${quad} = top${quad};
${
        lines(across, (j) =>
          `    top${quad} = max(top${quad}, keyHeads[${j}][${
            quadOf(quads, quad)
          }]);`)
      }
    let shrink${quad} = exp(before${quad} - top${quad});`)
  }
${lines(rows, (r) => `    s${r} = exp(s${r} - top${r >> 2}[${r % 4}]);`)}
${
    lines(quads, (quad) =>
      `    sum${quad} = sum${quad} * shrink${quad} + vec4<f32>(
${
        joined(4, ", ", (i) => `dot(s${4 * quad + i}, vec4<f32>(1.0f))`)
      }
    );`)
  }
${factors ? factors + "\n" + lines(rows, (r) => `    s${r} *= f${r};`) : ""}
${keepScores(shape, (r, c) => `s${r}[${c}]`)}
    workgroupBarrier();
    // 3. Probabilities times values.
${eachResult(shape, (r, j) => `    o${r}_${j} *= shrink${r >> 2}[${r % 4}];`)}
${addHeads("o", values, { side, shape })}
  }
  // 4. Totals over the threads of a row.
${addParts("o", shape)}
  workgroupBarrier();
${lines(quads, (quad) => `  keyHeads[x][${quadOf(quads, quad)}] = sum${quad};`)}
  workgroupBarrier();
${
    lines(quads, (quad) =>
      `  let all${quad} = ${
        joined(across, " + ", (j) =>
          `keyHeads[${j}][${quadOf(quads, quad)}]`)
      };`)
  }`;
}
