/**
 * Layer normalization and RMSNorm, with their gradients: bound by memory.
 *
 * A workgroup has a row in registers, so that it is read once. Oracle:
 * ../../reference/norms.ts.
 *
 * @module
 */

import type { Call } from "../../../graph/ops.ts";
import {
  bind,
  type Dispatch,
  type GpuTensor,
  groups,
  isSame,
} from "../dispatch.ts";
import type { KernelContext, Kernels } from "../kernel.ts";
import { columnSums } from "../shader/column_sums.ts";
import { dropoutFunctions, siteTable } from "../shader/philox.ts";
import {
  across,
  beginRow,
  declareParts,
  eachPart,
  elementType,
  normalize,
  rowShape,
} from "../shader/rows.ts";
import { entry, f32, reductions } from "../shader/wgsl.ts";

/** Kernels of the norms. */
export const normKernels: Kernels<
  | "layerNorm"
  | "layerNormBackward"
  | "rmsNorm"
  | "rmsNormBackward"
  | "normWeightBackward"
> = {
  layerNorm: ({ in: inputs, out, attrs }) => [
    normForward("layerNorm", { ...inputs, ...out }, attrs),
  ],
  rmsNorm: ({ in: inputs, out, attrs }) => [
    normForward("rmsNorm", { ...inputs, ...out }, attrs),
  ],
  layerNormBackward: (call, context) => [normInput({ call }, context)],
  rmsNormBackward: (call, context) => [normInput({ call }, context)],

  normWeightBackward: (call, context) => normSums({ weight: call }, context),
};

/**
 * Gradients of a norm's weight and bias, the second of which is a sum over
 * rows of the same `dOut`.
 */
export function normSums(
  { weight: { in: inputs, out: { out }, attrs: { rows, C } }, bias }: {
    weight: Call<"normWeightBackward", GpuTensor>;
    bias?: Call<"sumRows", GpuTensor>;
  },
  context: KernelContext,
): Dispatch[] {
  const { addTo, ...read } = inputs;
  return columnSums("normWeightBackward", {
    rows,
    C,
    read,
    matrices: ["x", "dOut"],
    sums: [
      {
        addTo,
        out,
        term: ({ dOut, x, mean, rstd }) =>
          mean
            ? `${dOut}[i] * ((${x}[i] - ${mean}[r]) * ${rstd}[r])`
            : `${dOut}[i] * (${x}[i] * ${rstd}[r])`,
      },
      ...bias
        ? [{
          addTo: bias.in.addTo,
          out: bias.out.out,
          term: ({ dOut }: Record<string, string>) => `${dOut}[i]`,
        }]
        : [],
    ],
  }, context);
}

/** Both forward kernels; the one with `mean` is layer normalization. */
function normForward(
  label: string,
  tensors: {
    x: GpuTensor;
    weight: GpuTensor;
    bias?: GpuTensor;
    out: GpuTensor;
    mean?: GpuTensor;
    rstd: GpuTensor;
  },
  { rows, C, eps }: { rows: number; C: number; eps: number },
): Dispatch {
  const { x, weight, bias, out, mean, rstd } = tensors;
  const shape = rowShape(C);
  const vector = shape.width === 4 ? ["x", "weight", "bias", "out"] : [];
  const { bindings, names } = bind(
    { read: { x, weight, bias }, write: { out, mean, rstd } },
    { vector },
  );
  const code = elementType(shape) + reductions(shape.threads) +
    entry(
      shape.threads,
      `${beginRow(rows, shape)}
  ${declareParts(shape, "x")}
  ${eachPart(shape, (j) => `x${j} = ${names.x}[i];`)}
  ${normalize(shape, { C, eps, centered: mean !== undefined })}
  ${
        eachPart(shape, (j) =>
          `${names.out}[i] = x${j} * rstd_ * ${names.weight}[c]${
            bias ? ` + ${names.bias}[c]` : ""
          };`)
      }
  if (lane == 0u) {
    ${mean ? `${names.mean}[row] = mean_;` : ""}
    ${names.rstd}[row] = rstd_;
  }`,
    );
  return { label, bindings, code, workgroups: groups(rows) };
}

/**
 * Both backward kernels. With n = (x - mean) * rstd and g = dOut * weight:
 * dx = rstd * (g - [average g] - n * average(g * n)); the bracketed term comes
 * from the mean.
 *
 * @param dropout What the result goes through as well, of a C that is a
 * multiple of 4.
 */
export function normInput(
  { call: { op: label, in: inputs, out: { out }, attrs }, dropout }: {
    call: Call<"layerNormBackward" | "rmsNormBackward", GpuTensor>;
    dropout?: Call<"dropout", GpuTensor>;
  },
  context: KernelContext,
): Dispatch {
  const { rows, C } = attrs;
  const { addTo, mean } = { mean: undefined, ...inputs };
  const shape = rowShape(C);
  const vector = shape.width === 4
    ? ["dOut", "x", "weight", "addTo", "out", "rounded", "dropped"]
    : [];
  // Where nobody else reads the result, what is left of it takes its place.
  const dropped = dropout?.out.out;
  const isKept = !dropped || !isSame(dropped, out);
  const rounded = isKept && shape.width === 4
    ? context.copyBeside(out)
    : undefined;
  const read = {
    ...inputs,
    rng: dropout?.in.rng,
    site: dropout && siteTable(dropout.attrs, context),
  };
  const { bindings, names } = bind<string, string>(
    { read, write: { ...isKept && { out }, rounded, dropped } },
    { vector },
  );
  const { rng, site } = names;
  const code = elementType(shape) + reductions(shape.threads) +
    (dropout
      ? dropoutFunctions({ p: dropout.attrs.p, site, rng }, context)
      : "") +
    entry(
      shape.threads,
      `${beginRow(rows, shape)}
  let scale = ${names.rstd}[row];
  ${declareParts(shape, "g")}
  ${declareParts(shape, "n")}
  var sumG = V();
  var sumGn = V();
  ${
        eachPart(
          shape,
          (j) => `
    g${j} = ${names.dOut}[i] * ${names.weight}[c];
    n${j} = (${names.x}[i]${mean ? ` - ${names.mean}[row]` : ""}) * scale;
    sumG += g${j};
    sumGn += g${j} * n${j};`,
        )
      }
  ${
        mean
          ? `let averageG = sumAll(${across(shape, "sumG")}, lane) / ${f32(C)};`
          : "let averageG = 0.0f;"
      }
  let averageGn = sumAll(${across(shape, "sumGn")}, lane) / ${f32(C)};
  ${
        eachPart(
          shape,
          (j) =>
            `let dx = ${addTo ? `${names.addTo}[i] + ` : ""}` +
            `scale * (g${j} - averageG - n${j} * averageGn);
    ${isKept ? `${names.out}[i] = dx;` : ""}
    ${rounded ? `${names.rounded}[i] = dx;` : ""}
    ${dropped ? `${names.dropped}[i] = dx * dropout4(i);` : ""}`,
        )
      }`,
    );
  return { label, bindings, code, workgroups: groups(rows) };
}
