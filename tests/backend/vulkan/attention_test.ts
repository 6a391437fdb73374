/**
 * Attention on matrix units of devices; see ../webgpu/_matrix_attention.ts.
 */

import assert from "node:assert/strict";
import { openReferenceBackend } from "../../../src/backend/reference/backend.ts";
import {
  attentionWays,
  chooseAttention,
  formatAttention,
} from "../../../src/backend/webgpu/choice/attention_choice.ts";
import type { AttentionChoice } from "../../../src/backend/webgpu/attention/attention_tile.ts";
import { whyNoAttention } from "../../../src/backend/webgpu/self_test/attention_self_test.ts";
import { formatUnit } from "../../../src/backend/webgpu/choice/matrix_choice.ts";
import { openWebGpuBackend } from "../../../src/backend/webgpu/webgpu_backend.ts";
import type { AttentionAttrs } from "../../../src/graph/ops.ts";
import type { Program } from "../../../src/graph/program.ts";
import { withShaders } from "../webgpu/_faulty_gpu.ts";
import {
  attend,
  expectAttention,
  inputsOf,
  withHeads,
} from "../webgpu/_matrix_attention.ts";
import {
  type MatrixDevice,
  onUnits,
  rounded,
} from "../webgpu/_matrix_units.ts";

/** All ways to cut it that the unit and the device can. */
async function choicesOf(
  { adapter, unit }: MatrixDevice,
  attrs: AttentionAttrs,
): Promise<AttentionChoice[]> {
  const { limits } = (await adapter.request())!;
  return attentionWays({ op: "attention", attrs }, { unit, limits })
    .filter(({ flow }) => flow === "matrix");
}

/** Whether numbers are stored in two bytes. */
const SIZES: readonly (Omit<AttentionAttrs, "site"> & { isStored: boolean })[] =
  [
    { B: 1, T: 1, H: 1, Hkv: 1, D: 16, p: 0, isStored: false },
    { B: 2, T: 37, H: 4, Hkv: 2, D: 16, p: 0, isStored: true },
    { B: 1, T: 130, H: 2, Hkv: 1, D: 16, p: 0.25, isStored: true },
    { B: 1, T: 128, H: 2, Hkv: 2, D: 16, p: 0.1, isStored: false },
    { B: 1, T: 71, H: 3, Hkv: 1, D: 32, p: 0.5, isStored: true },
    { B: 2, T: 256, H: 6, Hkv: 6, D: 64, p: 0.2, isStored: true },
    { B: 1, T: 200, H: 4, Hkv: 2, D: 80, p: 0.1, isStored: true },
    { B: 1, T: 300, H: 2, Hkv: 1, D: 128, p: 0, isStored: true },
  ];

/** Software takes a minute or more to compile longer ones. */
const MOST_SOFTWARE_D = 32;

for (const size of SIZES) {
  const { isStored, ...attrs } = { ...size, site: 5 };
  const { T, H, Hkv, D, p } = size;
  const name = `T=${T} H=${H}/${Hkv} D=${D}` + (p > 0 ? ` dropout ${p}` : "");
  onUnits(`attention of ${name}`, async (device) => {
    const { unit, adapter: { info: { isSoftware } } } = device;
    if (isSoftware && D > MOST_SOFTWARE_D) {
      console.warn(`skipped in software: heads of ${D}`);
      return;
    }
    const choices = await choicesOf(device, attrs);
    // Mesa's software lets a workgroup wait where a subgroup does: all have to
    // take the same steps, as those of the smallest tile do.
    const some = isSoftware ? choices.slice(0, 1) : choices;
    const gpu = await device.open();
    for (const choice of some) {
      const attention = () => choice;
      const compile = (program: Program) => gpu.compile(program, { attention });
      const what = formatAttention(choice);
      await expectAttention({ compile }, attrs, { unit, isStored, what });
    }
    await gpu.dispose();
  });
}

onUnits("attention of equal scores adds up in f32", async (device) => {
  // Probabilities before they are divided by their sum are 1, or 2 if they are
  // not dropped: two bytes hold both.
  const attrs = { B: 2, T: 75, H: 2, Hkv: 1, D: 16, p: 0.5, site: 3 };
  const { rng, qkv: random } = inputsOf(attrs);
  const qkv = withHeads(
    rounded(random, device.unit),
    attrs,
    (x, of) => of === "query" ? 0 : x,
  );
  const inputs = { qkv, rng, isStored: true };
  const want = await attend(openReferenceBackend(), attrs, inputs);
  const gpu = await device.open();
  const got = await attend(gpu, attrs, inputs);
  for (const name of ["out", "lse"] as const) {
    want[name].forEach((value, i) => {
      const error = Math.abs(got[name][i] - value);
      assert.ok(error <= 2e-5, `${name}[${i}]: ${got[name][i]}, ${value}`);
    });
  }
  await gpu.dispose();
});

/** What a driver might make of attention's shader. */
const FAULTS: Readonly<Record<string, (code: string) => string>> = {
  "takes columns for rows": (code) =>
    code.replaceAll("coopLoadT<", "coopLoad<"),
  "multiplies nothing": (code) =>
    code.replaceAll(/(o\d+_\d+) = \1 \* factors\d+;/g, ""),
  "does not compile": () => "no shader",
};

onUnits("attention that is wrong fails its test", async (device) => {
  const { adapter, unit, precision } = device;
  const { limits } = (await adapter.request())!;
  for (const [what, change] of Object.entries(FAULTS)) {
    const gpu = await openWebGpuBackend(
      withShaders(
        adapter,
        (code) => code.includes("factors0") ? change(code) : code,
      ),
      {
        precision,
        attention: (call) => chooseAttention(call, { unit, limits }),
      },
    );
    // A card has found out by itself, and opened without its unit.
    const why = gpu.device.noUnit ?? await whyNoAttention(gpu, unit);
    const failed = `${formatUnit(unit)} failed its self-test of attention`;
    assert.ok(why?.startsWith(failed), `one that ${what} passes: ${why}`);
    await gpu.dispose();
  }
  const right = await device.open();
  assert.equal(right.device.noUnit ?? await whyNoAttention(right, unit), null);
  await right.dispose();
});
