/**
 * Sums over the rows of a matrix, for gradients of biases and norm weights.
 *
 * Rows are summed in chunks, and the chunks' sums in a second dispatch; the
 * order depends on the shape alone.
 *
 * @module
 */

import { bind, type Dispatch, type GpuTensor } from "./dispatch.ts";
import type { KernelContext } from "./kernel.ts";
import { entry, joined, lines } from "./wgsl.ts";

/** A workgroup is so many columns wide … */
const COLUMNS = 32;
/** … and so many rows of a chunk go on side by side. */
const SLICES = 8;
const THREADS = COLUMNS * SLICES;
/** Rows of one chunk: 16 per thread. */
const CHUNK = 128;

/** What is summed; see {@linkcode columnSums}. */
export interface ColumnSums {
  readonly rows: number;
  readonly C: number;
  readonly read: Record<string, GpuTensor | undefined>;
  /** Added to the sums. */
  readonly addTo?: GpuTensor;
  readonly out: GpuTensor;
  /** Names of those in `read` that have C columns. */
  readonly matrices: readonly string[];
  /** The term of row `r`, element `i` of a matrix; of type V. */
  readonly term: (names: Record<string, string>) => string;
}

/** One dispatch, or two for many rows. */
export function columnSums(
  label: string,
  sums: ColumnSums,
  context: KernelContext,
): Dispatch[] {
  const { rows, C, addTo, out } = sums;
  const chunks = Math.ceil(rows / CHUNK);
  if (chunks === 1) return [stage(label, sums, { chunks })];
  const partials = context.scratch(chunks * C);
  return [
    stage(label, { ...sums, addTo: undefined, out: partials }, { chunks }),
    stage(label, {
      rows: chunks,
      C,
      read: { x: partials },
      addTo,
      out,
      matrices: ["x"],
      term: ({ x }) => `${x}[i]`,
    }, { chunks: 1 }),
  ];
}

function stage(
  label: string,
  { rows, C, read, addTo, out, matrices, term }: ColumnSums,
  { chunks }: { chunks: number },
): Dispatch {
  const width = C % 4 === 0 ? 4 : 1;
  const CV = C / width;
  const vector = width === 4 ? [...matrices, "addTo", "out"] : [];
  const { bindings, names } = bind<string, string>({
    read: { ...read, addTo } as Record<string, GpuTensor>,
    write: { out },
  }, { vector });
  const perChunk = chunks === 1 ? rows : CHUNK;
  const turns = CHUNK / SLICES;
  const code = `
alias V = ${width === 4 ? "vec4<f32>" : "f32"};
var<workgroup> parts: array<V, ${THREADS}>;
${
    entry(
      THREADS,
      `
  let column = group.x * ${COLUMNS}u + lane % ${COLUMNS}u;
  let slice = lane / ${COLUMNS}u;
  let first = group.y * ${perChunk}u;
  let last = min(first + ${perChunk}u, ${rows}u);
  var sum = V();
  if (column < ${CV}u) {
    for (var begin = first + slice; begin < last; begin += ${CHUNK}u) {
${
        lines(
          turns,
          (j) => `
      if (begin + ${j * SLICES}u < last) {
        let r = begin + ${j * SLICES}u;
        let i = r * ${CV}u + column;
        sum += ${term(names)};
      }`,
        )
      }
    }
  }
  parts[lane] = sum;
  workgroupBarrier();
  if (slice == 0u && column < ${CV}u) {
    let at = group.y * ${CV}u + column;
    ${names.out}[at] = ${addTo ? `${names.addTo}[at] + ` : ""}(${
        joined(SLICES, " + ", (j) => `parts[lane + ${j * COLUMNS}u]`)
      });
  }`,
    )
  }`;
  return {
    label,
    bindings,
    code,
    workgroups: [Math.ceil(CV / COLUMNS), chunks, 1],
  };
}
