/**
 * Products on matrix units by a machine that runs threads in any order, and
 * fails where one reads what another has not surely written: units of all
 * makers, without a card.
 */

import assert from "node:assert/strict";
import { openReferenceBackend } from "../../../src/backend/reference/backend.ts";
import type { MatrixUnit } from "../../../src/backend/webgpu/device/matrix_unit.ts";
import { formatUnit } from "../../../src/backend/webgpu/choice/matrix_choice.ts";
import { recordSite } from "../../../src/backend/webgpu/tuning/kernel_sites.ts";
import { Graph } from "../../../src/graph/graph.ts";
import { plan } from "../../../src/graph/plan.ts";
import { openSpirvMachine } from "../spirv/_backend.ts";
import { expectNear, productSites, runSite } from "./_matrix_products.ts";
import { onUnit } from "./_matrix_units.ts";

const NVIDIA: MatrixUnit = {
  ...{ M: 16, N: 16, K: 16, scalar: "bf16", lanes: 32 },
};

/** Units, and tiles whose threads share rows of results out in another way. */
const TILES: readonly [unit: MatrixUnit, tile: string][] = [
  [NVIDIA, "32x32x32 16x16"],
  [NVIDIA, "32x96x16 32x48"], // not all vectors of a thread in one column
  [{ ...NVIDIA, scalar: "f16", N: 8 }, "32x32x16 32x16 / 2"],
  [{ ...NVIDIA, M: 8, lanes: 64 }, "16x32x16 8x16"], // more threads than vectors
];

const SITES = productSites({ M: 37, N: 36, K: 20 });

for (const [unit, tile] of TILES) {
  for (const [what, site] of Object.entries(SITES)) {
    const title = `${what}, by ${tile} of ${formatUnit(unit)}`;
    Deno.test(`a product with ${title} is right in any order of threads`, async () => {
      const g = new Graph();
      recordSite(g, { kind: "matmul", ...site });
      const program = plan({ g });
      const machine = openSpirvMachine({
        ...{ maxBindingBytes: 2 ** 27, maxBindings: 9, hasU64: true },
        lanes: unit.lanes,
        attention: () => assert.fail("there is none"),
        gemmVariant: () => onUnit(tile, unit),
        precision: unit.scalar === "bf16" ? "bf16" : "fp16",
        fuse: true,
      });
      const want = await runSite(openReferenceBackend(), program, { unit });
      expectNear(await runSite(machine, program, { unit }), want);
    });
  }
}
