/**
 * Inverted dropout: one thread per Philox block of four elements.
 *
 * @module
 */

import { bind, groupIndex, groups } from "../dispatch.ts";
import type { Kernels } from "../kernel.ts";
import { dropoutFunctions, siteTable } from "../shader/philox.ts";
import { entry, lines } from "../shader/wgsl.ts";

/** Kernel of dropout. */
export const dropoutKernels: Kernels<"dropout"> = {
  dropout({ in: inputs, out: write, attrs }, context) {
    const { n, p } = attrs;
    const read = { ...inputs, site: siteTable(attrs, context) };
    const vector = n % 4 === 0 ? ["x", "addTo", "out"] : [];
    const { bindings, names } = bind({ read, write }, { vector });
    const { x, rng, addTo, site, out } = names;
    const count = Math.ceil(n / 4 / 256);
    const one = (i: string, factor: string) =>
      `${out}[${i}] = ${
        addTo ? `${addTo}[${i}] + ` : ""
      }${x}[${i}] * ${factor};`;
    const code = dropoutFunctions({ p, site, rng }, context) + entry(
      256,
      `
  let block = ${groupIndex(count)} * 256u + lane;
  if (block >= ${Math.ceil(n / 4)}u) { return; }
  let factor = dropout4(block);
  ${
        n % 4 === 0 ? one("block", "factor") : `let i = 4u * block;\n` +
          lines(
            4,
            (j) =>
              `  if (i + ${j}u < ${n}u) { ${
                one(`i + ${j}u`, `factor[${j}]`)
              } }`,
          )
      }`,
    );
    return [{ label: "dropout", bindings, code, workgroups: groups(count) }];
  },
};
