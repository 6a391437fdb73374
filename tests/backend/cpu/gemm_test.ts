import { openCpuBackend } from "../../../src/backend/cpu/cpu_backend.ts";
import { openReferenceBackend } from "../../../src/backend/reference/backend.ts";
import type { Bit } from "../../../src/graph/ops.ts";
import { assertOpClose, type OpCase, runOpCase } from "../_op_cases.ts";
import { normal, opCase } from "../_op_inputs.ts";
import { sumOf } from "../_tolerances.ts";

function product(
  [M, N, K]: [number, number, number],
  transA: Bit,
  transB: Bit,
): OpCase {
  return opCase("matmul", `M=${M} N=${N} K=${K} ${transA}${transB}`, {
    in: {
      a: normal(1, transA ? [K, M] : [M, K]),
      b: normal(2, transB ? [N, K] : [K, N]),
      bias: normal(3, [N]),
      addTo: normal(4, [M, N]),
    },
    out: { out: [M, N] },
    attrs: { M, N, K, transA, transB },
    ...sumOf(K),
  });
}

// What the packing and the tiles make of large sizes; see kernels/gemm.ts.
const CASES: Record<string, OpCase[]> = {
  "several tiles of rows and columns": [
    product([205, 301, 389], 0, 0),
    product([205, 301, 389], 1, 1),
    product([65, 101, 801], 0, 1), // more than a block of depth
  ],
  "B in slices of depth": [
    product([5, 4099, 1301], 0, 0),
    product([5, 4099, 1301], 1, 1),
  ],
  "B in slices of columns": [
    product([5, 16500, 259], 0, 1),
    product([5, 16500, 259], 1, 0),
  ],
  "factors to be packed and factors read where they are": [
    product([61, 70, 1024], 0, 0), // rows of A 4 KiB apart
    product([275, 45, 131], 0, 0),
    product([275, 45, 131], 1, 0),
    product([260, 1031, 130], 0, 0), // a B of more than 512 KiB
    product([260, 1024, 130], 0, 0), // rows of B 4 KiB apart
    product([645, 45, 131], 1, 0), // enough rows to pack columns of A
    product([1024, 45, 131], 1, 0),
  ],
  "one to four rows": [1, 2, 3, 4].flatMap((M) => [
    product([M, 133, 259], 0, 0),
    product([M, 133, 259], 0, 1),
    product([M, 4101, 61], 0, 0), // more columns than a tile has
    product([M, 1605, 37], 0, 1), // tiles of 25 columns
  ]),
};

// Where there is no native code, both are the same.
const native = { gemm: "auto" } as const, wasm = { gemm: "wasm" } as const;

for (const [what, cases] of Object.entries(CASES)) {
  Deno.test(`matmul on the CPU is right when there are ${what}`, async () => {
    const reference = openReferenceBackend();
    const expected = [];
    for (const opCase of cases) {
      expected.push(await runOpCase(reference, opCase));
    }
    for (const choice of [native, wasm]) {
      const cpu = await openCpuBackend({ threads: 3, ...choice });
      for (const [i, opCase] of cases.entries()) {
        assertOpClose(opCase, await runOpCase(cpu, opCase), expected[i]);
      }
      await cpu.dispose();
    }
  });
}
