/**
 * Sums over the rows of a matrix, for gradients of biases and norm weights.
 *
 * Rows are summed in chunks, and the chunks' sums in a second dispatch; the
 * order depends on the shape alone.
 *
 * @module
 */

import { bind, type Dispatch, type GpuTensor } from "../dispatch.ts";
import type { KernelContext } from "../kernel.ts";
import { entry, joined, lines } from "./wgsl.ts";

/** A workgroup is so many columns wide … */
const COLUMNS = 32;
/** … and so many rows of a chunk go on side by side. */
const SLICES = 8;
const THREADS = COLUMNS * SLICES;
/** Rows of one chunk: 16 per thread. */
const CHUNK = 128;

/** One sum of the rows. */
export interface ColumnSum {
  /** The term of row `r`, element `i` of a matrix; of type V. */
  readonly term: (names: Record<string, string>) => string;
  /** Added to the sum. */
  readonly addTo?: GpuTensor;
  readonly out: GpuTensor;
}

/** What is summed; see {@linkcode columnSums}. */
export interface ColumnSums {
  readonly rows: number;
  readonly C: number;
  readonly read: Record<string, GpuTensor | undefined>;
  /** Names of those in `read` that have C columns. */
  readonly matrices: readonly string[];
  /** All that are taken of the same matrices, each read once. */
  readonly sums: readonly ColumnSum[];
}

/** One dispatch, or two for many rows. */
export function columnSums(
  label: string,
  given: ColumnSums,
  context: KernelContext,
): Dispatch[] {
  const { rows, C, sums } = given;
  const chunks = Math.ceil(rows / CHUNK);
  if (chunks === 1) return [stage(label, given, { chunks })];
  const partials = sums.map(() => context.scratch(chunks * C));
  const part = (s: number) => `x${s}`;
  return [
    stage(label, {
      ...given,
      sums: sums.map(({ term }, s) => ({ term, out: partials[s] })),
    }, { chunks }),
    stage(label, {
      rows: chunks,
      C,
      read: Object.fromEntries(partials.map((x, s) => [part(s), x])),
      matrices: sums.map((_, s) => part(s)),
      sums: sums.map(({ addTo, out }, s) => ({
        addTo,
        out,
        term: (names) => `${names[part(s)]}[i]`,
      })),
    }, { chunks: 1 }),
  ];
}

function stage(
  label: string,
  { rows, C, read, matrices, sums }: ColumnSums,
  { chunks }: { chunks: number },
): Dispatch {
  const width = C % 4 === 0 ? 4 : 1;
  const CV = C / width;
  const numbered = (name: "addTo" | "out") =>
    Object.fromEntries(sums.map((sum, s) => [`${name}${s}`, sum[name]]));
  const addTos = numbered("addTo"), outs = numbered("out");
  const vector = width === 4
    ? [...matrices, ...Object.keys({ ...addTos, ...outs })]
    : [];
  const { bindings, names } = bind<string, string>({
    read: { ...read, ...addTos } as Record<string, GpuTensor>,
    write: outs as Record<string, GpuTensor>,
  }, { vector });
  const perChunk = chunks === 1 ? rows : CHUNK;
  const turns = CHUNK / SLICES;
  const each = (line: (sum: ColumnSum, s: number) => string) =>
    sums.map(line).join("\n");
  const code = `
alias V = ${width === 4 ? "vec4<f32>" : "f32"};
${each((_, s) => `var<workgroup> parts${s}: array<V, ${THREADS}>;`)}
${
    entry(
      THREADS,
      `
  let column = group.x * ${COLUMNS}u + lane % ${COLUMNS}u;
  let slice = lane / ${COLUMNS}u;
  let first = group.y * ${perChunk}u;
  let last = min(first + ${perChunk}u, ${rows}u);
${each((_, s) => `  var sum${s} = V();`)}
  if (column < ${CV}u) {
    for (var begin = first + slice; begin < last; begin += ${CHUNK}u) {
${
        lines(
          turns,
          (j) => `
      if (begin + ${j * SLICES}u < last) {
        let r = begin + ${j * SLICES}u;
        let i = r * ${CV}u + column;
${
            each(({ term }, s) =>
              `        sum${s} += ${term(names)};`
            )
          }
      }`,
        )
      }
    }
  }
${each((_, s) => `  parts${s}[lane] = sum${s};`)}
  workgroupBarrier();
  if (slice == 0u && column < ${CV}u) {
    let at = group.y * ${CV}u + column;
${
        each(({ addTo }, s) =>
          `    ${names[`out${s}`]}[at] = ${
            addTo ? `${names[`addTo${s}`]}[at] + ` : ""
          }(${
            joined(SLICES, " + ", (j) => `parts${s}[lane + ${j * COLUMNS}u]`)
          });`
        )
      }
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
