/** Training adapters beside a frozen model. */

import assert from "node:assert/strict";
import type { Backend } from "../../src/backend/backend.ts";
import { openCpuBackend } from "../../src/backend/cpu/cpu_backend.ts";
import { openReferenceBackend } from "../../src/backend/reference/backend.ts";
import type { ConfigInput } from "../../src/config/schema.ts";
import { programMemory } from "../../src/graph/program_memory.ts";
import { eachParam } from "../../src/model/init.ts";
import { resolveLora } from "../../src/model/lora.ts";
import { parameters } from "../../src/model/parameters.ts";
import type { BaseModel } from "../../src/train/base_model.ts";
import { train } from "../../src/train/loop.ts";
import type { Session, SnapshotSource } from "../../src/train/session.ts";
import { buildStepProgram } from "../../src/train/step_program.ts";
import { noAdapter, openTestGpu } from "../backend/webgpu/_webgpu.ts";
import { collect, only, openTestSession, tinyConfig } from "./_helpers.ts";

type OpenBackend = () => Backend | Promise<Backend>;

/** Software takes seconds for the shaders of a model; lora_oracle_test.ts has
 * those of the other one. */
const backends = (arch: "gpt2" | "llama"): Record<string, OpenBackend> => ({
  reference: openReferenceBackend,
  cpu: () => openCpuBackend({ threads: 2 }),
  ...!noAdapter && arch === "llama" && { webgpu: openTestGpu },
});

/** Everything that draws random numbers or carries state is on. */
function configOf(arch: "gpt2" | "llama", { train }: ConfigInput = {}) {
  return tinyConfig({
    from: "base/step-00000009",
    model: { arch, nLayer: 2, nEmbd: 16, dropout: 0.1 },
    train: { steps: 8, gradAccumSteps: 2, evalEvery: 2, ...train },
    checkpoint: { every: 3, best: true },
    lora: { rank: 3, alpha: 5, dropout: 0.2 },
  });
}

/** A model that has learned a little. */
async function baseModel(arch: "gpt2" | "llama"): Promise<BaseModel> {
  const { lora: _, from: _from, ...config } = configOf(arch);
  const session = await openTestSession({
    config: { ...config, lora: {} },
    backend: await openCpuBackend({ threads: 1 }),
  });
  await collect(session);
  const snapshot = await session.snapshot();
  await session.dispose();
  return { ...snapshot, ref: { from: "base/step-00000009", sha256: "ab" } };
}

function losses(events: Awaited<ReturnType<typeof collect>>): number[] {
  return events.flatMap((event) =>
    event.kind === "step"
      ? event.trainLoss
      : event.kind === "eval"
      ? event.valLoss
      : []
  );
}

/** A snapshot as a resume gets it: with the model that it belongs to. */
function restorable(
  snapshot: SnapshotSource,
  base: BaseModel,
): SnapshotSource {
  return { ...structuredClone(snapshot), frozen: base.params };
}

for (const arch of ["gpt2", "llama"] as const) {
  const config = configOf(arch);

  Deno.test(`train() changes adapters alone, and the loss falls (${arch})`, async () => {
    const base = await baseModel(arch);
    const session = await openTestSession({
      config: configOf(arch, { train: { steps: 40 } }),
      base,
      backend: await openCpuBackend({ threads: 1 }),
    });
    const frozen = new Map<string, ArrayLike<number>>();
    for (const { name } of parameters(session.model)) {
      frozen.set(name, await session.executable.read(name));
    }
    const evals = only(await collect(session), "eval");
    assert.ok(evals.at(-1)!.valLoss < evals[0].valLoss - 0.02);
    for (const [name, values] of frozen) {
      assert.deepEqual(await session.executable.read(name), values, name);
    }
    const { params, optimizer, adapter } = await session.snapshot();
    assert.deepEqual(adapter, {
      lora: session.lora!,
      base: { from: "base/step-00000009", sha256: "ab" },
    });
    assert.equal(params.length, 2 * 4 * 2); // layers, targets, A and B
    assert.ok(params.every(({ name }) => /\.lora[AB]$/.test(name)));
    assert.equal(optimizer.length, 2 * params.length);
    const numbers = params.reduce((n, { data }) => n + data.length, 0);
    assert.equal(session.trainableCount, numbers);
    assert.equal(session.checkpointBytes, 12 * numbers);
    await session.dispose();
  });

  Deno.test(`train() begins with the loss of the base (${arch})`, async () => {
    const base = await baseModel(arch);
    const first = async (lora: ConfigInput["lora"]) => {
      const session = await openTestSession({
        config: { ...configOf(arch), lora: lora as typeof config.lora },
        base,
      });
      const [start] = only(await collect(session), "eval");
      await session.dispose();
      return start.valLoss;
    };
    assert.equal(await first({ rank: 3 }), await first({}));
  });

  for (const [name, open] of Object.entries(backends(arch))) {
    Deno.test(`${name}: adapters resumed at step 3 give the same bits (${arch})`, async () => {
      const base = await baseModel(arch);
      const whole = await openTestSession({
        ...{ config, base, backend: await open() },
      });
      const expected = losses(await collect(whole));

      const start = await openTestSession({
        ...{ config, base, backend: await open() },
      });
      const got: number[] = [];
      for await (const event of train(start)) {
        got.push(...losses([event]));
        if (event.kind === "step" && event.step === 3) break;
      }
      const restore = restorable(await start.snapshot(), base);
      await start.dispose();
      const end = await openTestSession({
        ...{ config, restore, backend: await open() },
      });
      got.push(...losses(await collect(end)));
      assert.deepEqual(got, expected);
      await assertSame(end, whole);
    });
  }

  Deno.test(`recompute changes no bit of adapters (${arch})`, async () => {
    const base = await baseModel(arch);
    const run = async (recompute: "none" | "selective" | "full") => {
      const session = await openTestSession({
        config: configOf(arch, { train: { recompute } }),
        base,
        backend: await openCpuBackend({ threads: 1 }),
      });
      const all = losses(await collect(session));
      await session.dispose();
      return all;
    };
    const kept = await run("none");
    assert.deepEqual(await run("selective"), kept);
    assert.deepEqual(await run("full"), kept);
  });

  Deno.test(`all backends train adapters alike (${arch})`, async () => {
    const base = await baseModel(arch);
    const curves = await Promise.all(
      Object.values(backends(arch)).map(async (open) => {
        const session = await openTestSession({
          ...{ config, base, backend: await open() },
        });
        const curve = losses(await collect(session));
        await session.dispose();
        return curve;
      }),
    );
    for (const curve of curves) {
      curve.forEach((loss, i) => {
        // As in backends_test.ts: f32 sums in another order.
        assert.ok(Math.abs(loss - curves[0][i]) < 1e-5, `${i}: ${loss}`);
      });
    }
  });
}

Deno.test("a checkpoint of other adapters than the settings say is refused", async () => {
  const base = await baseModel("gpt2");
  const session = await openTestSession({ config: configOf("gpt2"), base });
  const restore = restorable(await session.snapshot(), base);
  await session.dispose();
  for (
    const [lora, message] of [
      [{ rank: 2, alpha: 5 }, /checkpoint has adapters of rank 3, alpha 5/],
      [{}, /the settings of the run say no adapters$/],
    ] as const
  ) {
    await assert.rejects(
      openTestSession({ config: { ...configOf("gpt2"), lora }, restore }),
      message,
    );
  }
});

Deno.test("adapters take the memory of the model once, not four times", () => {
  const { train, model } = tinyConfig({ train: { batchSize: 1 } });
  const config = {
    ...{ ...model, nKvHead: 2, headDim: 32, ffnDim: 256, bias: true },
    ...{ nEmbd: 64, vocabSize: 2000, seqLen: 6 },
  };
  const lora = resolveLora({ rank: 2 }, config);
  const numbers = [...eachParam(config, 1)]
    .reduce((n, [, { length }]) => n + length, 0);
  const bytes = (options: { lora?: typeof lora }) => {
    const program = buildStepProgram(config, { ...train, ...options });
    assert.ok(programMemory(program).total > program.persistentBytes);
    return program.persistentBytes;
  };
  const saved = bytes({}) - bytes({ lora });
  // Gradient, m and v of all, less those of the adapters.
  assert.ok(saved > 0.9 * 3 * 4 * numbers, `${saved} of ${12 * numbers}`);
});

async function assertSame(a: Session, b: Session): Promise<void> {
  const [one, other] = [await a.snapshot(), await b.snapshot()];
  assert.deepEqual(one.params, other.params);
  assert.deepEqual(one.optimizer, other.optimizer);
  await a.dispose();
  await b.dispose();
}
