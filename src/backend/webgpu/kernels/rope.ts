/**
 * Rotary positions: bound by memory. Oracle: ../../reference/embedding.ts.
 *
 * @module
 */

import { bind, groupIndex, groups } from "../dispatch.ts";
import type { Kernels } from "../kernel.ts";
import { rotationOf } from "../shader/rotation.ts";
import { entry } from "../shader/wgsl.ts";

/** Kernel of rotary positions. */
export const ropeKernels: Kernels<"rope"> = {
  rope({ in: { x, positions }, out: { out }, attrs }, context) {
    const { rows, width, nRotated } = attrs;
    const rotation = rotationOf(attrs, context);
    const { step, half, table } = rotation;
    const { bindings, names } = bind({
      read: { x, positions, table },
      write: { out },
    }, { vector: step === 4 ? ["x", "table", "out"] : [] });
    const pairs = nRotated * half;
    const perRow = width / step - pairs; // those that are copied have one each
    const n = rows * perRow, count = Math.ceil(n / 256);
    const code = rotation.functions + entry(
      256,
      `
  let i = ${groupIndex(count)} * 256u + lane;
  if (i >= ${n}u) { return; }
  let row = i / ${perRow}u;
  let pair = i % ${perRow}u;
  let start = row * ${width / step}u;
  if (pair >= ${pairs}u) {
    let at = start + pair + ${pairs}u;
    ${names.out}[at] = ${names.x}[at];
    return;
  }
  let turn = pair % ${half}u;
  let first = start + pair / ${half}u * ${2 * half}u + turn;
  let second = first + ${half}u;
  let position = f32(${names.positions}[row]);
  ${rotation.angle(names.table)}
  let a = ${names.x}[first];
  let b = ${names.x}[second];
  ${names.out}[first] = ${rotation.first};
  ${names.out}[second] = ${rotation.second};`,
    );
    return [{ label: "rope", bindings, code, workgroups: groups(count) }];
  },
};
