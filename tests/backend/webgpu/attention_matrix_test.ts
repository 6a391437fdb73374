import assert from "node:assert/strict";
import { compileShader } from "../../../src/backend/spirv/compile_shader.ts";
import {
  type AttentionDevice,
  attentionWays,
  chooseAttention,
  formatAttention,
  knownAttention,
} from "../../../src/backend/webgpu/choice/attention_choice.ts";
import type { MatrixAttention } from "../../../src/backend/webgpu/attention/attention_tile.ts";
import {
  matrixAttention,
  matrixAttentionBytes,
} from "../../../src/backend/webgpu/attention_matrix/attention_matrix_forward.ts";
import {
  canMatrixGradient,
  gradientTiles,
  queriesAtOnce,
} from "../../../src/backend/webgpu/attention_matrix/attention_matrix_part.ts";
import { subgroupRows } from "../../../src/backend/webgpu/attention_matrix/attention_matrix_rows.ts";
import type { AdapterInfo } from "../../../src/backend/webgpu/device/adapters.ts";
import type { MatrixUnit } from "../../../src/backend/webgpu/device/matrix_unit.ts";
import type {
  GpuTensor,
  StoredType,
} from "../../../src/backend/webgpu/dispatch.ts";
import type { KernelContext } from "../../../src/backend/webgpu/kernel.ts";
import { shaderText } from "../../../src/backend/webgpu/loading/pipelines.ts";
import { lower } from "../../../src/backend/webgpu/lowering/lower.ts";
import { ChosenKernels } from "../../../src/backend/webgpu/tuning/kernel_choice.ts";
import { Graph } from "../../../src/graph/graph.ts";
import { plan } from "../../../src/graph/plan.ts";
import { openSpirvMachine } from "../spirv/_backend.ts";
import { instructionsOf } from "../spirv/_reader.ts";
import { knowsMatrices, validate } from "../spirv/_val.ts";
import { expectAttention } from "./_matrix_attention.ts";
import { expectMatrixGradient } from "./_matrix_gradient.ts";

const NVIDIA: MatrixUnit = {
  ...{ M: 16, N: 16, K: 16, scalar: "bf16", lanes: 32 },
};
const UNITS: readonly MatrixUnit[] = [
  NVIDIA,
  { ...NVIDIA, scalar: "f16" },
  { ...NVIDIA, N: 8, scalar: "f16" }, // another of NVIDIA's
  { ...NVIDIA, M: 8, lanes: 16 }, // Intel's
  { M: 8, N: 8, K: 8, scalar: "f16", lanes: 8 }, // that of Mesa's software
];
const LIMITS = {
  maxComputeInvocationsPerWorkgroup: 1024,
  maxComputeWorkgroupStorageSize: 48 << 10,
};
const CARD: AttentionDevice = {
  ...{ vendor: "nvidia", unit: NVIDIA, limits: LIMITS },
};

/** The shader of a call, as SPIR-V. */
function compile(
  choice: MatrixAttention,
  { D, p, dtype }: { D: number; p: number; dtype: StoredType },
) {
  const attrs = { B: 2, T: 100, H: 4, Hkv: 2, D, p, site: 1 };
  const tensor = (name: string, dtype: StoredType, length: number) => ({
    ...{ dtype, length, offset: 0 },
    memory: { name, sizeBytes: 4 * length, lifetime: "persistent" },
  } satisfies GpuTensor);
  const one = matrixAttention(
    {
      qkv: tensor("qkv", dtype, 200 * 8 * D),
      out: tensor("out", dtype, 200 * 4 * D),
      lse: tensor("lse", "f32", 800),
      ...p > 0 && {
        rng: tensor("rng", "u32", 4),
        site: tensor("site", "f32", 1),
      },
    },
    attrs,
    { choice, context: { hasU64: true } as KernelContext },
  );
  return compileShader(
    shaderText(one, one.bindings.map(({ written }) => written)),
  );
}

Deno.test("attention by units of all makers becomes SPIR-V", async () => {
  const modules: Uint32Array<ArrayBuffer>[] = [];
  for (const unit of UNITS) {
    const { M, N, K, lanes, scalar } = unit;
    const rows = subgroupRows(unit);
    for (const [D, p] of [[16, 0], [80, 0.1]]) {
      for (const dtype of [scalar, "f32"] as const) {
        const choice: MatrixAttention = {
          ...{ flow: "matrix", unit, queries: 2 * rows, keys: 32 },
        };
        const { words, workgroupSize, capabilities } = compile(
          choice,
          { D, p, dtype },
        );
        modules.push(words);
        assert.deepEqual(workgroupSize, [2 * lanes, 1, 1]);
        assert.ok(capabilities.includes("cooperativeMatrix"));
        const products = instructionsOf(words)
          .filter(({ op }) => op === "cooperativeMatrixMulAdd");
        // Of a subgroup's rows with 32 keys: scores, D deep, and results.
        assert.equal(
          products.length,
          rows / M * (32 / N * D / K + D / N * 32 / K),
        );
      }
    }
  }
  if (knowsMatrices) {
    await validate(modules, { target: "vulkan1.3" });
  }
});

Deno.test("attention declares as much workgroup memory as it says", () => {
  for (
    const [queries, keys, D] of [[64, 64, 64], [128, 32, 64], [64, 32, 80]]
  ) {
    const choice: MatrixAttention = {
      ...{ flow: "matrix", unit: NVIDIA, queries, keys },
    };
    // Rows of 16 bytes more than their numbers: heads in two bytes, 32 scores.
    const bytes = 2 * keys * (2 * D + 16) + queries * (4 * 32 + 16);
    assert.equal(matrixAttentionBytes({ D }, choice), bytes);
    const { words } = compile(choice, { D, p: 0, dtype: "bf16" });
    const all = instructionsOf(words);
    const lengths = all.filter(({ op }) => op === "typeArray")
      .map(({ operands }) =>
        all.find((one) =>
          one.op === "constant" && one.operands[1] === operands[2]
        )?.operands[2]
      );
    assert.deepEqual(lengths, [bytes / 16]);
  }
});

// Units of bf16 on 32 lanes, which no software has.
for (
  const [unit, keys, size] of [
    [NVIDIA, 32, { T: 40, H: 2, Hkv: 1, D: 16, p: 0.25 }],
    // Of 64 queries and keys, some subgroups take one step and others two.
    [NVIDIA, 64, { T: 100, H: 1, Hkv: 1, D: 16, p: 0 }],
    [{ ...NVIDIA, M: 32 }, 32, { T: 67, H: 1, Hkv: 1, D: 16, p: 0 }],
    [UNITS[2], 32, { T: 35, H: 1, Hkv: 1, D: 32, p: 0 }],
    [UNITS[3], 32, { T: 33, H: 1, Hkv: 1, D: 16, p: 0.5 }],
  ] as const
) {
  const { M, N, K, scalar, lanes } = unit;
  const title = `T=${size.T} D=${size.D} by ${scalar} ${M}x${N}x${K}, ` +
    `${subgroupRows(unit)} rows of ${lanes} threads`;
  Deno.test(`attention of ${title} is right in any order of threads`, async () => {
    const choice: MatrixAttention = {
      ...{ flow: "matrix", unit, queries: keys, keys },
    };
    const machine = openSpirvMachine({
      ...{ maxBindingBytes: 2 ** 27, maxBindings: 8, hasU64: true, lanes },
      workgroupBytes: LIMITS.maxComputeWorkgroupStorageSize,
      attention: () => choice,
      gemmVariant: () => assert.fail("nothing is multiplied"),
      precision: scalar === "bf16" ? "bf16" : "fp16",
      fuse: true,
    });
    const attrs = { ...size, B: 1, site: 5 };
    for (const isStored of [true, false]) {
      await expectAttention(machine, attrs, { unit, isStored, what: title });
    }
  });
}

const GRADIENTS = [
  // Two tiles, shared keys, dropout of rows that begin in the middle of a block.
  [NVIDIA, { T: 67, H: 2, Hkv: 1, D: 16, p: 0.25 }],
  // Keys, then values, as there is memory for one tile.
  [NVIDIA, { T: 20, H: 1, Hkv: 1, D: 128, p: 0 }],
  [UNITS[2], { T: 40, H: 1, Hkv: 1, D: 16, p: 0.5 }],
  [UNITS[3], { T: 33, H: 1, Hkv: 1, D: 16, p: 0.1 }],
] as const;

for (const [unit, size] of GRADIENTS) {
  const { scalar, lanes } = unit;
  const [tile] = gradientTiles(unit, LIMITS);
  const title = `T=${size.T} D=${size.D} by ${formatAttention(tile)}`;
  Deno.test(`the gradient of ${title} is right in any order of threads`, async () => {
    const machine = openSpirvMachine({
      ...{ maxBindingBytes: 2 ** 27, maxBindings: 9, hasU64: true, lanes },
      workgroupBytes: LIMITS.maxComputeWorkgroupStorageSize,
      attention: () => tile,
      gemmVariant: () => assert.fail("nothing is multiplied"),
      precision: scalar === "bf16" ? "bf16" : "fp16",
      fuse: true,
    });
    assert.ok(canMatrixGradient(size, tile, 48 << 10));
    const isStored = size.T !== 33;
    await expectMatrixGradient(machine, { ...size, B: 1 }, {
      ...{ unit, isStored, what: title },
    });
  });
}

const attrs = { B: 64, T: 256, H: 6, Hkv: 6, D: 64, p: 0.2, site: 0 };
const DEFAULT = "matrix 64x32 bf16 16x16x16 on 32 lanes";
const GRADIENT = "matrix 16x16 bf16 16x16x16 on 32 lanes";

Deno.test("chooseAttention() takes the unit where heads fit it", () => {
  const choose = (D: number, device: AttentionDevice = CARD) =>
    formatAttention(chooseAttention({ op: "attention", attrs: { D } }, device));
  assert.equal(choose(64), DEFAULT);
  assert.equal(choose(16), DEFAULT);
  assert.equal(choose(24), "staged"); // no multiple of 16
  assert.equal(choose(144), "staged"); // too long
  assert.equal(choose(128), DEFAULT);
  assert.equal(choose(64, { ...CARD, unit: null }), "staged");
  assert.equal(choose(64, { ...CARD, isSoftware: true }), "staged");
  const back = { op: "attentionBackward", attrs } as const;
  assert.equal(formatAttention(chooseAttention(back, CARD)), GRADIENT);
  // No row is two threads' where a unit has as many as there are threads.
  const tall = { ...NVIDIA, M: 32 };
  assert.equal(
    choose(64, { ...CARD, unit: tall }),
    "matrix 128x32 bf16 32x16x16 on 32 lanes",
  );
});

Deno.test("attentionWays() tries all tiles of the unit, and one way without", () => {
  const ways = attentionWays({ op: "attention", attrs }, CARD);
  assert.deepEqual(ways.map(formatAttention), [
    DEFAULT,
    "matrix 128x64 bf16 16x16x16 on 32 lanes",
    "staged",
  ]);
  // Keys and values of 128 numbers, 64 at a time, take 35 KB, and scores of 128
  // queries 18 KB.
  const long = attentionWays({ op: "attention", attrs: { D: 128 } }, CARD);
  assert.deepEqual(long.map(formatAttention), [DEFAULT, "staged"]);
});

Deno.test("a device without the unit takes no attention of it from files", () => {
  assert.ok(knownAttention("attention", DEFAULT, CARD));
  const others = [null, { ...NVIDIA, lanes: 64 }];
  for (const unit of others) {
    const device = { ...CARD, unit };
    assert.equal(knownAttention("attention", DEFAULT, device), null);
  }
  assert.equal(knownAttention("attentionBackward", DEFAULT, CARD), null);
  const info: Partial<AdapterInfo> = { isSoftware: false, vendor: "nvidia" };
  const takes = (unit: MatrixUnit | null, text: string) => {
    const chosen = new ChosenKernels({ ...info, unit } as AdapterInfo, LIMITS);
    chosen.take({ "attention 64x256x6x64 dropout": text });
    return formatAttention(chosen.attention("attention", attrs));
  };
  const other = "matrix 128x64 bf16 16x16x16 on 32 lanes";
  assert.equal(takes(NVIDIA, other), other);
  assert.equal(takes(null, other), "staged");
  assert.equal(takes(NVIDIA, "tall"), "tall");
});

Deno.test("a recorded tile is not used where its memory is not", () => {
  const { B, T, H, D } = attrs;
  const g = new Graph();
  g.record("attention", {
    in: { qkv: g.state("qkv", [B * T, 3 * H * D]) },
    out: {
      out: g.state("out", [B * T, H * D]),
      lse: g.state("lse", [B, H, T]),
    },
    attrs: { ...attrs, p: 0 },
  });
  const choice: MatrixAttention = {
    ...{ flow: "matrix", unit: NVIDIA, queries: 128, keys: 64 },
  };
  const usesUnit = (workgroupBytes: number) => {
    const { phases } = lower(plan({ g }), {
      ...{ maxBindingBytes: 2 ** 27, maxBindings: 8, workgroupBytes },
      attention: () => choice,
      gemmVariant: () => assert.fail("nothing is multiplied"),
      ...{ precision: "bf16", fuse: true },
    });
    return phases.get("g")![0].code.includes("coopMultiplyAdd");
  };
  const bytes = matrixAttentionBytes(attrs, choice);
  assert.ok(usesUnit(bytes));
  assert.ok(!usesUnit(bytes - 1));
});

Deno.test("the gradient of attention has a tile of its own", () => {
  const op = "attentionBackward";
  const ways = (D: number, device = CARD) =>
    attentionWays({ op, attrs: { D } }, device).map(formatAttention);
  const others = ["kept", "staged", "tall", "staged, again"];
  for (const D of [64, 128]) assert.deepEqual(ways(D), [GRADIENT, "kept"]);
  // Heads that are no multiple of a side, or too long.
  for (const D of [8, 40, 144]) assert.deepEqual(ways(D), others);
  assert.ok(knownAttention(op, GRADIENT, CARD));
  assert.equal(knownAttention("attention", GRADIENT, CARD), null);
  assert.equal(knownAttention(op, DEFAULT, CARD), null);
  assert.equal(knownAttention(op, GRADIENT, { ...CARD, unit: null }), null);
  // Scores take 12 KB, a query and its gradient 4 D + 32 bytes: 24 KB at most,
  // where there are so many.
  const [tile] = gradientTiles(NVIDIA, LIMITS);
  const atOnce = (D: number, bytes = 48 << 10) =>
    queriesAtOnce({ D }, tile, bytes);
  assert.deepEqual([16, 64, 96, 128].map((D) => atOnce(D)), [32, 32, 16, 16]);
  assert.equal(atOnce(64, 20 << 10), 16);
  assert.equal(atOnce(64, 16 << 10), 0);
});
