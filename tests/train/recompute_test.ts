/** Activations that are computed again: the same bits in less memory. */

import assert from "node:assert/strict";
import type { Backend } from "../../src/backend/backend.ts";
import { openCpuBackend } from "../../src/backend/cpu/cpu_backend.ts";
import { openReferenceBackend } from "../../src/backend/reference/backend.ts";
import type { Recompute } from "../../src/graph/recompute.ts";
import { resolveModel } from "../../src/model/model_config.ts";
import type { Snapshot } from "../../src/train/session.ts";
import { buildStepProgram } from "../../src/train/step_program.ts";
import { noAdapter, openTestGpu } from "../backend/webgpu/_webgpu.ts";
import { collect, only, openTestSession, tinyConfig, V } from "./_helpers.ts";

const ARCHS = ["gpt2", "llama"] as const;

function config(arch: typeof ARCHS[number], recompute: Recompute) {
  return tinyConfig({
    model: { arch, nLayer: 3, nHead: 4, nEmbd: 16, seqLen: 9, dropout: 0.1 },
    train: { steps: 4, batchSize: 3, gradAccumSteps: 2, lr: 2e-2, recompute },
  });
}

async function trained(
  open: () => Backend | Promise<Backend>,
  ...choice: Parameters<typeof config>
): Promise<{ losses: number[]; snapshot: Snapshot }> {
  const session = await openTestSession({
    config: config(...choice),
    backend: await open(),
  });
  const losses = only(await collect(session), "step")
    .map(({ trainLoss }) => trainLoss);
  const snapshot = await session.snapshot();
  await session.dispose();
  return { losses, snapshot };
}

const BACKENDS = {
  reference: openReferenceBackend,
  cpu: () => openCpuBackend({ threads: 2 }),
  webgpu: openTestGpu,
};

for (const [name, open] of Object.entries(BACKENDS)) {
  for (const arch of ARCHS) {
    Deno.test({
      name: `${name}: ${arch} trains the same bits when it recomputes`,
      ignore: name === "webgpu" && noAdapter,
      async fn() {
        const kept = await trained(open, arch, "none");
        for (const recompute of ["selective", "full"] as const) {
          const again = await trained(open, arch, recompute);
          assert.deepEqual(again.losses, kept.losses, recompute);
          const { params, optimizer } = again.snapshot;
          assert.deepEqual(params, kept.snapshot.params, recompute);
          assert.deepEqual(optimizer, kept.snapshot.optimizer, recompute);
        }
      },
    });
  }
}

/** How often a micro-step of 3 layers has each op, and its temporaries. */
function micro(
  arch: typeof ARCHS[number],
  recompute: Recompute,
  { dropout = 0 } = {},
) {
  const { model, train } = config(arch, recompute);
  const { phases, arenaBytes } = buildStepProgram(
    resolveModel({ ...model, dropout, nEmbd: 64, seqLen: 64 }, V),
    train,
  );
  const count = (op: string) =>
    phases.firstMicroStep.filter((call) => call.op === op).length;
  return { count, arenaBytes };
}

Deno.test("recompute repeats what the backward pass needs, and nothing else", () => {
  const gpt2 = (recompute: Recompute) => {
    const { count } = micro("gpt2", recompute);
    return ["matmul", "layerNorm", "attention", "gelu"].map(count);
  };
  // Forward 4 products a layer and the head, backward twice as many.
  assert.deepEqual(gpt2("none"), [39, 7, 3, 3]);
  // The norms and the activation of each layer; not the last norm.
  assert.deepEqual(gpt2("selective"), [39, 7 + 6, 3, 3 + 3]);
  // All of a layer but the last product, which the next layer reads.
  assert.deepEqual(gpt2("full"), [39 + 9, 7 + 6, 3 + 3, 3 + 3]);

  const llama = (recompute: Recompute) => {
    const { count } = micro("llama", recompute);
    return ["matmul", "rmsNorm", "attention", "swiglu", "rope"].map(count);
  };
  assert.deepEqual(llama("none"), [39, 7, 3, 3, 6]);
  assert.deepEqual(llama("selective"), [39, 7 + 6, 3, 3 + 3, 6]);
  assert.deepEqual(llama("full"), [39 + 9, 7 + 6, 3 + 3, 3 + 3, 6 + 3]);

  // Dropout stands behind the last product, whose result nobody reads again;
  // that of attention's is needed for the sum that the second norm had.
  const { count } = micro("gpt2", "full", { dropout: 0.1 });
  const ops = ["matmul", "layerNorm", "attention", "gelu", "dropout"];
  const inForward = 1 + 2 * 3, inBackward = inForward;
  assert.deepEqual(ops.map(count), [
    ...[39 + 9, 7 + 6, 3 + 3, 3 + 3],
    inForward + inBackward + 3,
  ]);
});

Deno.test("recompute needs less memory, the more it repeats", () => {
  for (const arch of ARCHS) {
    const [none, selective, full] = (["none", "selective", "full"] as const)
      .map((recompute) => micro(arch, recompute).arenaBytes);
    assert.ok(selective < 0.8 * none, `${arch}: ${selective} of ${none}`);
    assert.ok(full < 0.8 * selective, `${arch}: ${full} of ${selective}`);
  }
});
