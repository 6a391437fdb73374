/**
 * Shaders that do the same to every element, four at a time where they can.
 *
 * @module
 */

import {
  bind,
  type Dispatch,
  type GpuTensor,
  groupIndex,
  groups,
} from "../dispatch.ts";
import { entry } from "./wgsl.ts";

const THREADS = 256;

/** What one shader does; see {@linkcode elementwise}. */
export interface Elementwise<R extends string, W extends string> {
  /** Elements of every f32 tensor that is not in `scalars`. */
  readonly n: number;
  readonly read: Partial<Record<R, GpuTensor>>;
  readonly write: Partial<Record<W, GpuTensor>>;
  /** Tensors that are not walked through: the name is the whole array. */
  readonly scalars?: Record<string, GpuTensor>;
  /** Functions that the body calls. */
  readonly functions?: string;
  /**
   * The statements for element i. Tensors are given as expressions such as
   * `x[i]`, of the type V: f32 or vec4<f32>, in which case i counts vectors.
   */
  readonly body: (at: Record<R | W, string>, width: 1 | 4) => string;
}

/** One dispatch; `V` and `i` are in scope of the body. */
export function elementwise<R extends string, W extends string>(
  label: string,
  { n, read, write, scalars = {}, functions = "", body }: Elementwise<R, W>,
): Dispatch {
  const width = n % 4 === 0 ? 4 : 1;
  const vector = width === 1 ? [] : Object.keys({ ...read, ...write });
  const { bindings, names } = bind<string, string>(
    { read: { ...read, ...scalars } as Record<string, GpuTensor>, write },
    { vector },
  );
  const at = Object.fromEntries(
    Object.entries(names).map(([name, variable]) => [name, `${variable}[i]`]),
  ) as Record<R | W, string>;
  const count = n / width;
  const groupCount = Math.ceil(count / THREADS);
  const code = `
alias V = ${width === 4 ? "vec4<f32>" : "f32"};
${functions}
${
    entry(
      THREADS,
      `
  let i = ${groupIndex(groupCount)} * ${THREADS}u + lane;
  if (i >= ${count}u) { return; }
  ${body(at, width)}`,
    )
  }`;
  return { label, bindings, code, workgroups: groups(groupCount) };
}
