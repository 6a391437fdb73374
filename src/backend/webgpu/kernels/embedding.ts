/**
 * Row lookup in a table, and its gradient.
 *
 * The gradient has one fixed order without atomics: every row finds the next
 * row of the same id, and the first row of each id adds up the chain that
 * begins with it. Oracle: ../../reference/embedding.ts.
 *
 * @module
 */

import type { Call } from "../../../graph/ops.ts";
import {
  bind,
  type Dispatch,
  type GpuTensor,
  groupIndex,
  groups,
  isSame,
} from "../dispatch.ts";
import type { Kernels } from "../kernel.ts";
import { elementwise } from "../shader/elementwise.ts";
import { entry, joined, lines } from "../shader/wgsl.ts";

/** No further row of the same id; rows are fewer than that. */
const END = "0x7fffffffu";
/** Set in the link at the head of a chain. */
const FIRST = "0x80000000u";
/**
 * Rows whose chains are added up side by side: a chain is walked one row
 * after another, and one character can be a fifth of all rows.
 */
const CHUNK = 128;

/**
 * Ids that are asked for at once, while a row looks for its like: among those of
 * its chunk, and among all others.
 */
const NEAR_LOOKS = 8, FAR_LOOKS = 32;
/** Threads of a workgroup that adds up a chain, at most. */
const MOST_THREADS = 256;

/** Kernels that read token ids. */
export const embeddingKernels: Kernels<
  "embedding" | "embeddingBackward"
> = {
  embedding: (call) => [lookUp(call)],

  embeddingBackward({ in: inputs, out: { out }, attrs }, context) {
    const { dOut, ids, addTo } = inputs;
    const { rows, V, C } = attrs;
    const label = "embeddingBackward", n = V * C;
    const dispatches: Dispatch[] = [];
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
    const links = context.scratchU32(rows), sizes = { rows, V, C };
    if (rows <= CHUNK) {
      dispatches.push(
        linkRows({ ids, links }, { rows, chunk: rows }),
        addChains({ terms: dOut, ids, links, out }, { ...sizes, to: "id" }),
      );
      return dispatches;
    }
    const chunkLinks = context.scratchU32(rows);
    const sums = context.scratch(rows * C); // used at first rows only
    dispatches.push(
      linkRows({ ids, links, chunkLinks }, { rows, chunk: CHUNK }),
      addChains({ terms: dOut, ids, links: chunkLinks, out: sums }, {
        ...sizes,
        to: "row",
      }),
      addChains({ terms: sums, ids, links, out }, { ...sizes, to: "id" }),
    );
    return dispatches;
  },
};

/**
 * Rows of a table, and with `before`, which adds nothing itself, the sum with
 * those of another. An id beyond the table gives its last row, as drivers need
 * not hold indices to their arrays; the CPU stops there.
 */
export function lookUp(
  { in: { table, ids, addTo }, out, attrs }: Call<"embedding", GpuTensor>,
  { before }: { before?: Call<"embedding", GpuTensor> } = {},
): Dispatch {
  const { rows, C } = attrs;
  const width = C % 4 === 0 ? 4 : 1, CV = C / width;
  const read = before
    ? { table, ids, beforeTable: before.in.table, beforeIds: before.in.ids }
    : { table, ids, addTo };
  const { bindings, names } = bind<string, string>({ read, write: out }, {
    vector: width === 4,
  });
  const n = rows * CV, count = Math.ceil(n / 256);
  const row = (table: string, ids: string, V: number) =>
    `${table}[min(${ids}[i / ${CV}u], ${V - 1}u) * ${CV}u + i % ${CV}u]`;
  const added = before
    ? `${row(names.beforeTable, names.beforeIds, before.attrs.V)} + `
    : addTo
    ? `${names.addTo}[i] + `
    : "";
  const code = entry(
    256,
    `
  let i = ${groupIndex(count)} * 256u + lane;
  if (i >= ${n}u) { return; }
  ${names.out}[i] = ${added}${row(names.table, names.ids, attrs.V)};`,
  );
  return { label: "embedding", bindings, code, workgroups: groups(count) };
}

/**
 * Finds the chains of rows of one id. With `chunkLinks`, those within a chunk
 * of rows; `links` then joins the first rows of chunks, which stand for the
 * others. A link is the next row or END, with FIRST set at the head of a chain.
 */
function linkRows(
  tensors: { ids: GpuTensor; links: GpuTensor; chunkLinks?: GpuTensor },
  { rows, chunk }: { rows: number; chunk: number },
): Dispatch {
  const { ids, links, chunkLinks } = tensors;
  const { bindings, names } = bind({
    read: { ids },
    write: { links, chunkLinks },
  });
  const count = Math.ceil(rows / 64);
  /** Sets `link` to the first match in a range of rows, if there is one. */
  const find = (looks: number, first: string, end: string) => `
  link = ${END};
  for (var next = ${first}; next < ${end}; next += ${looks}u) {
${
    lines(looks, (i) =>
      `    let id${i} = ${names.ids}[min(next + ${i}u, ${rows - 1}u)];`)
  }
${
    lines(looks, (i) => {
      const at = `next + ${looks - 1 - i}u`; // the first one is the last word
      return `    if (id${
        looks - 1 - i
      } == id && ${at} < ${end}) { link = ${at}; }`;
    })
  }
    if (link != ${END}) { break; }
  }`;
  /** Sets `head` if no row of a range, searched from its end, matches. */
  const isFirst = (looks: number, first: string, end: string) => `
  head = ${FIRST};
  for (var before = ${end}; before > ${first}; before = max(before, ${looks}u) - ${looks}u) {
${
    lines(looks, (i) =>
      `    let id${i} = ${names.ids}[max(before, ${i + 1}u) - ${i + 1}u];`)
  }
    if (${
    joined(looks, " ||\n      ", (i) =>
      `(id${i} == id && before > ${first} + ${i}u)`)
  }) {
      head = 0u;
      break;
    }
  }`;
  const inChunk = `${find(NEAR_LOOKS, "row + 1u", "end")}
  ${isFirst(NEAR_LOOKS, "begin", "row")}`;
  const code = entry(
    64,
    `
  let row = ${groupIndex(count)} * 64u + lane;
  if (row >= ${rows}u) { return; }
  let id = ${names.ids}[row];
  let begin = row / ${chunk}u * ${chunk}u;
  let end = min(begin + ${chunk}u, ${rows}u);
  var link = 0u;
  var head = 0u;
  ${inChunk}
  ${
      chunkLinks
        ? `${names.chunkLinks}[row] = link | head;
  if (head == 0u) {
    ${names.links}[row] = ${END};
    return;
  }
  ${find(FAR_LOOKS, "end", `${rows}u`)}
  ${isFirst(FAR_LOOKS, "0u", "begin")}`
        : ""
    }
  ${names.links}[row] = link | head;`,
  );
  return {
    label: "embeddingBackward",
    bindings,
    code,
    workgroups: groups(count),
  };
}

/**
 * A workgroup per row; those at the head of a chain add it up, and put the
 * sum in the place of the row, or add it to the row of the id.
 */
function addChains(
  { terms, ids, links, out }: Record<
    "terms" | "ids" | "links" | "out",
    GpuTensor
  >,
  { rows, V, C, to }: { rows: number; V: number; C: number; to: "row" | "id" },
): Dispatch {
  const width = C % 4 === 0 ? 4 : 1, CV = C / width;
  const { bindings, names } = bind(
    { read: { terms, ids, links }, write: { out } },
    { vector: width === 4 },
  );
  const threads = Math.min(MOST_THREADS, 32 * Math.ceil(CV / 32));
  const code = entry(
    threads,
    `
  let row = ${groupIndex(rows)};
  if (row >= ${rows}u) { return; }
  let start = ${names.links}[row];
  let id = ${names.ids}[row];
  if ((start & ${FIRST}) == 0u || id >= ${V}u) { return; }
  for (var c = lane; c < ${CV}u; c += ${threads}u) {
    var sum = ${names.terms}[row * ${CV}u + c];
    var next = start & ~${FIRST};
    while (next < ${rows}u) {
      sum += ${names.terms}[next * ${CV}u + c];
      next = ${names.links}[next] & ~${FIRST};
    }
    ${names.out}[${to} * ${CV}u + c] ${to === "id" ? "+=" : "="} sum;
  }`,
  );
  return {
    label: "embeddingBackward",
    bindings,
    code,
    workgroups: groups(rows),
  };
}
