/**
 * Cross entropy per row and its mean, with their gradients.
 *
 * Oracle: ../../reference/losses.ts.
 *
 * @module
 */

import { IGNORED_TARGET } from "../../../graph/ops.ts";
import { bind, groupIndex, groups } from "../dispatch.ts";
import type { Kernels } from "../kernel.ts";
import {
  across,
  beginRow,
  elementType,
  type RowShape,
  rowShape,
} from "../shader/rows.ts";
import {
  entry,
  f32,
  joined,
  lines,
  range,
  reductions,
} from "../shader/wgsl.ts";

const IGNORED = `${IGNORED_TARGET}u`;
/** Below every finite number that a logit can be. */
const LOWEST = "-3.4028234e38f";
/** Of a vector. */
const HIGHEST_OF_FOUR =
  "max(max(highest.x, highest.y), max(highest.z, highest.w))";
const UP_TO_THREE = "vec4<u32>(0u, 1u, 2u, 3u)";

/** Elements of a row that a thread reads at once, to wait for them once. */
const AT_ONCE = 4;

/** Loops over the elements of a row that this thread has, some at a time. */
function eachColumn(
  { threads }: RowShape,
  count: number,
  body: (columns: readonly string[]) => string,
): string {
  const step = AT_ONCE * threads, together = Math.floor(count / step) * step;
  const loop = (from: number, to: number, atOnce: number) =>
    from >= to ? "" : `
  for (var c = lane + ${from}u; c < ${to}u; c += ${atOnce * threads}u) {${
      body(range(atOnce).map((j) => j === 0 ? "c" : `(c + ${j * threads}u)`))
    }
  }`;
  return loop(0, together, AT_ONCE) + loop(together, count, 1);
}

/** Kernels of the loss. */
export const lossKernels: Kernels<
  "crossEntropy" | "crossEntropyBackward" | "meanLoss" | "meanLossBackward"
> = {
  crossEntropy({ in: read, out: write, attrs: { rows, V } }) {
    const shape = rowShape(read.logits.row ?? V);
    const { width, threads } = shape;
    const vector = width === 4 ? ["logits"] : [];
    const { bindings, names } = bind({ read, write }, { vector });
    const { logits, targets, rowLoss, lse } = names;
    const component = width === 4 ? "[target_ & 3u]" : "";
    const at = (c: string) => `${logits}[start + ${c}]`;
    // Rows of a workgroup for each core are more than caches hold: each number
    // is read once, and what is summed is below the most so far.
    const add = (numbers: readonly string[]) => {
      const x = numbers.map((_, j) => `x${j}`);
      return `
    ${lines(numbers.length, (j) => `let ${x[j]} = ${numbers[j]};`)}
    let highest = ${x.reduce((a, b) => `max(${a}, ${b})`)};
    let before = most;
    most = max(most, ${width === 4 ? HIGHEST_OF_FOUR : "highest"});
    sum = sum * exp(before - most) + ${
        x.map((one) => `exp(${one} - most)`).join(" + ")
      };`;
    };
    const whole = Math.floor(V / width), rest = V % width;
    const code = elementType(shape) + reductions(threads) + entry(
      threads,
      `
  ${beginRow(rows, shape)}
  var most = ${LOWEST};
  var sum = V();
  ${eachColumn(shape, whole, (columns) => add(columns.map(at)))}${
        rest === 0 ? "" : `
  if (lane == ${whole % threads}u) { // of which anything may be behind the row
    let isThere = ${UP_TO_THREE} < vec4<u32>(${rest}u);
    ${add([`select(V(${LOWEST}), ${at(`${whole}u`)}, isThere)`])}
  }`
      }
  let largest = maxAll(most, lane);
  sum *= exp(most - largest);
  let total = largest + log(sumAll(${across(shape, "sum")}, lane));
  if (lane == 0u) {
    let given = ${targets}[row];
    let target_ = min(given, ${V - 1}u); // inside of the row, whatever it says
    var loss = 0.0f;
    if (given != ${IGNORED}) {
      loss = total - ${at(`target_ / ${width}u`)}${component};
    }
    ${rowLoss}[row] = loss;
    ${lse}[row] = total;
  }`,
    );
    return [
      { label: "crossEntropy", bindings, code, workgroups: groups(rows) },
    ];
  },

  crossEntropyBackward({ in: read, out: write, attrs: { rows, V } }) {
    const shape = rowShape(write.out.row ?? V);
    const { width, CV, threads } = shape;
    const logitsRow = read.logits.row ?? V;
    const isVector = width === 4 && logitsRow % 4 === 0;
    const { bindings, names } = bind({ read, write }, {
      vector: [
        ...isVector ? ["logits"] : [],
        ...width === 4 ? ["out"] : [],
      ],
    });
    const { dRowLoss, logits, targets, lse, out } = names;
    const one = (v: string) => `${logits}[row * ${logitsRow}u + ${v}]`;
    const logitsAt = (c: string) =>
      isVector
        ? `${logits}[row * ${logitsRow / 4}u + ${c}]`
        : width === 1
        ? one(c)
        : `V(${
          joined(4, ", ", (j) => one(`min(4u * ${c} + ${j}u, ${V - 1}u)`))
        })`;
    const each = (columns: readonly string[]) => `
    ${lines(columns.length, (j) => `var x${j} = V();`)}
    if (target_ != ${IGNORED}) {
      ${lines(columns.length, (j) => `x${j} = ${logitsAt(columns[j])};`)}
    }
    ${
      lines(columns.length, (j) =>
        `{
      let v = ${
          width === 4 ? `4u * ${columns[j]} + ${UP_TO_THREE}` : columns[j]
        };
      let onehot = select(V(), V(1.0f), v == U(target_));
      var gradient = by * (exp(x${j} - lse_) - onehot);
      if (target_ == ${IGNORED}) { gradient = V(); }
      ${
          width * CV === V
            ? ""
            : `if (${columns[j]} >= ${Math.floor(V / width)}u) {
        gradient = select(V(), gradient, v < U(${V}u));
      }`
        }
      ${out}[start + ${columns[j]}] = gradient;
    }`)
    }`;
    const ofRow = `
  let target_ = ${targets}[row];
  let by = ${dRowLoss}[row];
  let lse_ = ${lse}[row];`;
    // Threads of a short row's workgroup would have nothing to do.
    const isLong = CV >= AT_ONCE * threads;
    const count = Math.ceil(rows * CV / threads);
    const code = `${elementType(shape)}
alias U = ${width === 4 ? "vec4<u32>" : "u32"};
${
      entry(
        threads,
        isLong
          ? `${beginRow(rows, shape)}${ofRow}
  ${eachColumn(shape, CV, each)}`
          : `
  let i = ${groupIndex(count)} * ${threads}u + lane;
  if (i >= ${rows * CV}u) { return; }
  let row = i / ${CV}u;
  let c = i % ${CV}u;
  let start = i - c;${ofRow}${each(["c"])}`,
      )
    }`;
    return [{
      label: "crossEntropyBackward",
      bindings,
      code,
      workgroups: groups(isLong ? rows : count),
    }];
  },

  meanLoss({ in: read, out: write, attrs: { rows, scale } }) {
    const { bindings, names } = bind({ read, write });
    const { rowLoss, targets, addTo, loss } = names;
    const code = reductions(256) + entry(
      256,
      `
  var sum = 0.0f;
  var valid = 0.0f;
  for (var r = lane; r < ${rows}u; r += 256u) {
    if (${targets}[r] != ${IGNORED}) {
      sum += ${rowLoss}[r];
      valid += 1.0f;
    }
  }
  let total = sumAll(sum, lane);
  let mean = total / max(1.0f, sumAll(valid, lane));
  if (lane == 0u) {
    ${loss}[0] = ${addTo ? `${addTo}[0] + ` : ""}${f32(scale)} * mean;
  }`,
    );
    return [{ label: "meanLoss", bindings, code, workgroups: [1, 1, 1] }];
  },

  meanLossBackward({ in: read, out: write, attrs: { rows, scale } }) {
    const { bindings, names } = bind({ read, write });
    const { dLoss, targets, out } = names;
    const code = reductions(256) + entry(
      256,
      `
  var valid = 0.0f;
  for (var r = lane; r < ${rows}u; r += 256u) {
    if (${targets}[r] != ${IGNORED}) { valid += 1.0f; }
  }
  let share = ${dLoss}[0] * ${f32(scale)} / max(1.0f, sumAll(valid, lane));
  for (var r = lane; r < ${rows}u; r += 256u) {
    ${out}[r] = select(share, 0.0f, ${targets}[r] == ${IGNORED});
  }`,
    );
    return [
      { label: "meanLossBackward", bindings, code, workgroups: [1, 1, 1] },
    ];
  },
};
