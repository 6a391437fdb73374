import assert from "node:assert/strict";
import type { Backend } from "../../src/backend/backend.ts";
import { openReferenceBackend } from "../../src/backend/reference/backend.ts";
import { UserError } from "../../src/base/errors.ts";
import type { Program } from "../../src/graph/program.ts";
import { resolveModel } from "../../src/model/model_config.ts";
import { compileSteps } from "../../src/train/compile_steps.ts";
import { buildStepProgram } from "../../src/train/step_program.ts";
import { tinyConfig, V } from "./_helpers.ts";

const config = tinyConfig({ train: { batchSize: 64 } });
const model = resolveModel(config.model, V);
const KERNELS = { tune: false };

/** A device with room for the program of so many sequences and no more. */
function deviceFor(batchSize: number): Backend {
  const room = buildStepProgram(model, { ...config.train, batchSize });
  const fits = (program: Program) => program.arenaBytes <= room.arenaBytes;
  const reference = openReferenceBackend();
  return {
    ...reference,
    compile: (program) => {
      if (fits(program)) return reference.compile(program);
      throw new UserError("Cannot allocate it", { hint: "use less" });
    },
    fits: (program) => Promise.resolve(fits(program)),
  };
}

for (const batchSize of [1, 13, 32, 63]) {
  Deno.test(`compileSteps() names the batch size that fits: ${batchSize}`, async () => {
    await assert.rejects(
      compileSteps(deviceFor(batchSize), model, config.train, KERNELS),
      (error) =>
        error instanceof UserError &&
        error.message === "Cannot allocate it" &&
        error.hint.startsWith(`type --batch-size ${batchSize}, which fits`),
    );
  });
}

Deno.test("compileSteps() says when not even one sequence fits", async () => {
  const backend = { ...deviceFor(1), fits: () => Promise.resolve(false) };
  await assert.rejects(
    compileSteps(backend, model, config.train, KERNELS),
    (error) =>
      error instanceof UserError && error.hint.includes("not even a batch"),
  );
});

Deno.test("compileSteps() compiles what fits", async () => {
  const options = { ...config.train, batchSize: 2 };
  const { executable } = await compileSteps(
    deviceFor(2),
    model,
    options,
    KERNELS,
  );
  await executable.dispose();
});

Deno.test("compileSteps() names no batch size where memory is not the reason", async () => {
  const refusal = new UserError("Cannot compile it", { hint: "try another" });
  const backend: Backend = {
    ...deviceFor(64),
    compile: () => Promise.reject(refusal),
  };
  await assert.rejects(
    compileSteps(backend, model, config.train, KERNELS),
    (error) => error === refusal,
  );
});
