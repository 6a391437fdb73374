/**
 * Shaders of every op and of whole steps as SPIR-V, which Khronos's own
 * validator must accept. No adapter is needed.
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { compileShader } from "../../src/backend/spirv/compile_shader.ts";
import type { Dispatch } from "../../src/backend/webgpu/dispatch.ts";
import { gemmCandidates } from "../../src/backend/webgpu/gemm/gemm_choice.ts";
import { shaderText } from "../../src/backend/webgpu/pipelines.ts";
import { dispatchesOf, LEAST, opPrograms, stepPrograms } from "./_lowered.ts";
import { instructionsOf } from "./_spirv_reader.ts";

const hasValidator = await run("spirv-val", ["--version"]).then(
  () => true,
  () => false,
);
if (!hasValidator) {
  console.warn(
    "skipped: no spirv-val here (on Debian, install spirv-tools)",
  );
}

/** Texts of shaders, each once. */
function textsOf(dispatches: Iterable<Dispatch>): Set<string> {
  const texts = new Set<string>();
  for (const dispatch of dispatches) {
    const { bindings } = dispatch;
    texts.add(shaderText(dispatch, bindings.map(({ written }) => written)));
  }
  return texts;
}

async function opTexts(): Promise<Set<string>> {
  const programs = await opPrograms();
  return textsOf(programs.flatMap((program) => dispatchesOf(program)));
}

function stepTexts(): Set<string> {
  const programs = stepPrograms();
  return textsOf([
    ...programs.flatMap((program) => [
      ...dispatchesOf(program, { precision: "bf16", flow: "staged" }),
      ...dispatchesOf(program, { precision: "fp16", hasU64: true }),
    ]),
    ...gemmCandidates(LEAST).flatMap((tile) =>
      dispatchesOf(programs[0], { tile })
    ),
  ]);
}

/** What no module of Hearth should have: it says that something is amiss. */
function expectSound(text: string): Uint32Array<ArrayBuffer> {
  const { words, bindings } = compileShader(text);
  const declared = [...text.matchAll(/@binding\((\d+)\)/g)];
  assert.deepEqual(
    bindings.map(({ binding }) => binding),
    declared.map(([, binding]) => Number(binding)),
  );
  // All variables of a function stand at its begin.
  const begin = ["function", "functionParameter", "label"];
  let isBegun = false;
  const all = instructionsOf(words);
  const first = all.findIndex(({ op }) => op === "function");
  for (const { op } of all.slice(first)) {
    if (op === "variable") assert.ok(!isBegun);
    else if (op === "function") isBegun = false;
    else if (!begin.includes(op)) isBegun = true;
  }
  return words;
}

async function run(command: string, args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, {
    args,
    stdout: "piped",
    stderr: "piped",
  }).output();
  const text = new TextDecoder().decode(success ? stdout : stderr);
  if (!success) throw new Error(text);
  return text;
}

/** Validates modules, several at a time. */
async function validate(modules: readonly Uint32Array<ArrayBuffer>[]) {
  const directory = await Deno.makeTempDir();
  try {
    let next = 0;
    const work = async () => {
      while (next < modules.length) {
        const words = modules[next++];
        const path = join(directory, `${next}.spv`);
        await Deno.writeFile(path, new Uint8Array(words.buffer));
        await run("spirv-val", ["--target-env", "vulkan1.1", path]);
      }
    };
    await Promise.all([work(), work(), work(), work()]);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

for (const [what, texts] of [["ops", opTexts], ["steps", stepTexts]] as const) {
  Deno.test(`compileShader() takes the shaders of all ${what}`, async () => {
    const modules = [...await texts()].map(expectSound);
    assert.ok(modules.length > 50);
    if (hasValidator) await validate(modules);
  });
}
