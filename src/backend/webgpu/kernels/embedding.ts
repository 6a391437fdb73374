/**
 * Row lookup in a table and its gradient, and rotary positions.
 *
 * The gradient has one fixed order without atomics: every row finds the next
 * row of the same id, and the first row of each id adds up the chain that
 * begins with it. Oracle: ../../reference/embedding.ts.
 *
 * @module
 */

import {
  bind,
  type Dispatch,
  type GpuTensor,
  groupIndex,
  groups,
  isSame,
} from "../dispatch.ts";
import { elementwise } from "../elementwise.ts";
import type { Kernels } from "../kernel.ts";
import { entry } from "../wgsl.ts";

/** No further row of the same id. */
const END = "0xffffffffu";
/** Set in the link of the first row of an id; rows are fewer than 2^31. */
const FIRST = "0x80000000u";

/** Kernels that read token ids or positions. */
export const embeddingKernels: Kernels<
  "embedding" | "embeddingBackward" | "rope"
> = {
  embedding({ in: read, out: write, attrs: { rows, C } }) {
    const width = C % 4 === 0 ? 4 : 1, CV = C / width;
    const { bindings, names } = bind({ read, write }, { vector: width === 4 });
    const { table, ids, addTo, out } = names;
    const n = rows * CV, count = Math.ceil(n / 256);
    const code = entry(
      256,
      `
  let i = ${groupIndex(count)} * 256u + lane;
  if (i >= ${n}u) { return; }
  let at = ${ids}[i / ${CV}u] * ${CV}u + i % ${CV}u;
  ${out}[i] = ${addTo ? `${addTo}[i] + ` : ""}${table}[at];`,
    );
    return [{ label: "embedding", bindings, code, workgroups: groups(count) }];
  },

  embeddingBackward({ in: inputs, out: { out }, attrs }, context) {
    const { dOut, ids, addTo } = inputs;
    const { rows, V, C } = attrs;
    const label = "embeddingBackward", n = V * C;
    const links = context.scratchU32(rows);
    const dispatches: Dispatch[] = [linkRows({ ids, links, rows })];
    if (addTo === undefined) {
      dispatches.push(elementwise(label, {
        n,
        read: {},
        write: { out },
        body: (at) => `${at.out} = V();`,
      }));
    } else if (!isSame(addTo, out)) {
      dispatches.push(elementwise(label, {
        n,
        read: { addTo },
        write: { out },
        body: (at) => `${at.out} = ${at.addTo};`,
      }));
    }
    dispatches.push(addChains({ dOut, ids, links, out }, { rows, V, C }));
    return dispatches;
  },

  rope({ in: { x, positions }, out: { out }, attrs }, context) {
    const { rows, width, nRotated, D, theta, inverse } = attrs;
    const table = context.table(turnsTable(D, theta));
    const { bindings, names } = bind({
      read: { x, positions, table },
      write: { out },
    });
    const pairs = nRotated * D / 2;
    const copies = width - nRotated * D;
    const perRow = pairs + copies;
    const n = rows * perRow, count = Math.ceil(n / 256);
    const code = SIN_COS + entry(
      256,
      `
  let i = ${groupIndex(count)} * 256u + lane;
  if (i >= ${n}u) { return; }
  let row = i / ${perRow}u;
  let pair = i % ${perRow}u;
  let start = row * ${width}u;
  if (pair >= ${pairs}u) {
    let at = start + pair + ${pairs}u;
    ${names.out}[at] = ${names.x}[at];
    return;
  }
  let turn = pair % ${D / 2}u;
  let first = start + pair / ${D / 2}u * ${D}u + turn;
  let second = first + ${D / 2}u;
  let position = f32(${names.positions}[row]);
  let coarse = position * ${names.table}[3u * turn];
  let middle = position * ${names.table}[3u * turn + 1u];
  let fine = position * ${names.table}[3u * turn + 2u];
  let sc = sinCos(fract(coarse) + fract(middle) + fine);
  let sine = ${inverse ? "-" : ""}sc.x;
  let a = ${names.x}[first];
  let b = ${names.x}[second];
  ${names.out}[first] = a * sc.y - b * sine;
  ${names.out}[second] = b * sc.y + a * sine;`,
    );
    return [{ label: "rope", bindings, code, workgroups: groups(count) }];
  },
};

/** `links[r]`: the next row of the same id, or END; FIRST set on the first. */
function linkRows(
  { ids, links, rows }: { ids: GpuTensor; links: GpuTensor; rows: number },
): Dispatch {
  const { bindings, names } = bind({ read: { ids }, write: { links } });
  const count = Math.ceil(rows / 64);
  const code = entry(
    64,
    `
  let row = ${groupIndex(count)} * 64u + lane;
  if (row >= ${rows}u) { return; }
  let id = ${names.ids}[row];
  var link = ${END} & ~${FIRST};
  for (var next = row + 1u; next < ${rows}u; next++) {
    if (${names.ids}[next] == id) {
      link = next;
      break;
    }
  }
  var first = ${FIRST};
  for (var before = row; before > 0u; before--) {
    if (${names.ids}[before - 1u] == id) {
      first = 0u;
      break;
    }
  }
  ${names.links}[row] = link | first;`,
  );
  return {
    label: "embeddingBackward",
    bindings,
    code,
    workgroups: groups(count),
  };
}

/** A workgroup per row; those of first rows add up their chains. */
function addChains(
  { dOut, ids, links, out }: Record<
    "dOut" | "ids" | "links" | "out",
    GpuTensor
  >,
  { rows, V, C }: { rows: number; V: number; C: number },
): Dispatch {
  const width = C % 4 === 0 ? 4 : 1, CV = C / width;
  const { bindings, names } = bind(
    { read: { dOut, ids, links }, write: { out } },
    { vector: width === 4 },
  );
  const code = `
alias V = ${width === 4 ? "vec4<f32>" : "f32"};
${
    entry(
      64,
      `
  let row = ${groupIndex(rows)};
  if (row >= ${rows}u) { return; }
  let begin = ${names.links}[row];
  let id = ${names.ids}[row];
  if ((begin & ${FIRST}) == 0u || id >= ${V}u) { return; }
  for (var c = lane; c < ${CV}u; c += 64u) {
    var sum = ${names.dOut}[row * ${CV}u + c];
    var next = begin & ~${FIRST};
    while (next < ${rows}u) {
      sum += ${names.dOut}[next * ${CV}u + c];
      next = ${names.links}[next] & ~${FIRST};
    }
    ${names.out}[id * ${CV}u + c] += sum;
  }`,
    )
  }`;
  return {
    label: "embeddingBackward",
    bindings,
    code,
    workgroups: groups(rows),
  };
}

/**
 * How many turns a position adds at each pair, in three parts: the first of 8
 * bits and the second of 12, so that products with a position are exact and
 * their whole turns can be dropped without loss. A plain product of f32 would
 * be off by 6e-8 of all turns so far.
 */
function turnsTable(D: number, theta: number): Float32Array<ArrayBuffer> {
  const parts = Array.from({ length: D / 2 }, (_, i) => {
    const turns = theta ** (-2 * i / D) / (2 * Math.PI);
    const first = roundToBits(turns, 8);
    const second = roundToBits(turns - first, 12);
    return [first, second, turns - first - second];
  });
  return Float32Array.from(parts.flat());
}

function roundToBits(value: number, bits: number): number {
  if (value === 0) return 0;
  const unit = 2 ** (Math.floor(Math.log2(Math.abs(value))) + 1 - bits);
  return Math.round(value / unit) * unit;
}

/**
 * `sinCos(turns)`: WGSL allows sin and cos errors of 2^-11.
 * Coefficients: Cephes, sinf.c, for angles of at most pi / 4.
 */
const SIN_COS = `
fn sinCos(turns: f32) -> vec2<f32> {
  let quarter = round(4.0f * turns);
  let x = (turns - 0.25f * quarter) * 6.283185307179586f;
  let xx = x * x;
  let s = x + x * xx * (-1.6666654611e-1f + xx * (8.3321608736e-3f +
    xx * -1.9515295891e-4f));
  let c = 1.0f - 0.5f * xx + xx * xx * (4.166664568298827e-2f +
    xx * (-1.388731625493765e-3f + xx * 2.443315711809948e-5f));
  let q = i32(quarter) & 3;
  let swapped = select(vec2<f32>(s, c), vec2<f32>(c, s), (q & 1) == 1);
  return vec2<f32>(
    select(swapped.x, -swapped.x, q >= 2),
    select(swapped.y, -swapped.y, q == 1 || q == 2),
  );
}
`;
