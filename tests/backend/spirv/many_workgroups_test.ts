/**
 * Kernels with more workgroups than one dimension holds, 65,535: those of the
 * second row that are too many must do nothing. Only workgroups at the border
 * are run.
 */

import assert from "node:assert/strict";
import { compileShader } from "../../../src/backend/spirv/compile_shader.ts";
import type { AttentionChoice } from "../../../src/backend/webgpu/attention/attention_tile.ts";
import {
  bytesPerNumber,
  type Dispatch,
  type Workgroups,
} from "../../../src/backend/webgpu/dispatch.ts";
import { shaderText } from "../../../src/backend/webgpu/loading/pipelines.ts";
import { lower } from "../../../src/backend/webgpu/lowering/lower.ts";
import { empty, opCase } from "../_op_inputs.ts";
import type { OpCase, OpInput } from "../_run_op_case.ts";
import { LEAST, opPrograms } from "../webgpu/_lowered.ts";
import { SpirvMachine } from "./_machine.ts";

const MOST = 65535, COUNT = MOST + 2;
/** Bytes of numbers that are read, 0.747; what is written begins as 0. */
const NUMBER = 0x3f;
/** Bytes of a link: the first row of its id, and no other follows. */
const ALONE = 0xff;

const DIRECT: AttentionChoice = { flow: "direct" };
const MATRIX: AttentionChoice = {
  ...{ flow: "matrix", queries: 32, keys: 32 },
  unit: { M: 16, N: 16, K: 16, scalar: "bf16", lanes: 32 },
};

const ANY = { tolerance: 0, reason: "nothing is compared" };

function indices(n: number): OpInput {
  return { shape: [n], data: new Uint32Array(n) };
}

/** Each with {@linkcode COUNT} workgroups, which have a row or a tile each. */
const CASES: [OpCase, choice?: AttentionChoice][] = [
  [opCase("rmsNorm", "a workgroup per row", {
    in: { x: empty([COUNT, 4]), weight: empty([4]) },
    out: { out: [COUNT, 4], rstd: [COUNT] },
    attrs: { rows: COUNT, C: 4, eps: 1 },
    ...ANY,
  })],
  [opCase("embeddingBackward", "a workgroup per row", {
    in: { dOut: empty([COUNT, 4]), ids: indices(COUNT) },
    out: { out: [1, 4] },
    attrs: { rows: COUNT, V: 1, C: 4 },
    ...ANY,
  })],
  [opCase("matmul", "a workgroup per 8 columns", {
    in: { a: empty([1, 1]), b: empty([1, 8 * COUNT - 1]) },
    out: { out: [1, 8 * COUNT - 1] },
    attrs: { M: 1, N: 8 * COUNT - 1, K: 1, transA: 0, transB: 0 },
    ...ANY,
  })],
  ...[DIRECT, MATRIX].map((choice): [OpCase, AttentionChoice] => [
    opCase("attention", `${choice.flow}, a workgroup per sequence`, {
      in: { qkv: empty([COUNT, 48]) },
      out: { out: [COUNT, 16], lse: [COUNT, 1, 1] },
      attrs: { B: COUNT, T: 1, H: 1, Hkv: 1, D: 16, p: 0, site: 0 },
      ...ANY,
    }),
    choice,
  ]),
];

/** The dispatches of a case that need more than one row of workgroups. */
async function manyOf(
  one: OpCase,
  choice: AttentionChoice = DIRECT,
): Promise<Dispatch[]> {
  const [program] = await opPrograms([one]);
  const { phases } = lower(program, {
    maxBindingBytes: 2 ** 27,
    maxBindings: LEAST.maxStorageBuffersPerShaderStage,
    workgroupBytes: 48 << 10,
    gemmVariant: () => assert.fail("one row is no tile"),
    attention: () => choice,
    precision: choice === MATRIX ? "bf16" : "fp32",
    fuse: true,
  });
  return phases.get("apart")!.filter(({ workgroups }) => workgroups[1] > 1);
}

/** Runs workgroup `index` of those; whether it wrote anything. */
function writes(dispatch: Dispatch, index: number): boolean {
  const { bindings, workgroups } = dispatch;
  const text = shaderText(dispatch, bindings.map(({ written }) => written));
  const buffers = bindings.map(({ name, tensor, written }) => {
    const { length, dtype } = tensor;
    const bytes = new Uint8Array(length * bytesPerNumber(dtype));
    if (written) return bytes;
    return bytes.fill(name === "links" ? ALONE : dtype === "u32" ? 0 : NUMBER);
  });
  const group: Workgroups = [index % MOST, Math.floor(index / MOST), 0];
  const machine = new SpirvMachine(compileShader(text).words);
  machine.runSome([group], { workgroups, buffers });
  return buffers.some((bytes, i) =>
    bindings[i].written && bytes.some((byte) => byte !== 0)
  );
}

for (const [one, choice] of CASES) {
  Deno.test(`workgroups beyond the last do nothing: ${one.name}`, async () => {
    const many = await manyOf(one, choice);
    assert.ok(many.length > 0);
    for (const dispatch of many) {
      assert.deepEqual(dispatch.workgroups, [MOST, 2, 1]);
      assert.ok(writes(dispatch, COUNT - 1), "the last does something");
      assert.ok(!writes(dispatch, COUNT), "the next does nothing");
      assert.ok(!writes(dispatch, 2 * MOST - 1), "the last of the row");
    }
  });
}
