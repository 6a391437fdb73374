/**
 * Shaders of every op and of whole steps as SPIR-V, which Khronos's own
 * validator must accept. No adapter is needed.
 */

import assert from "node:assert/strict";
import { compileShader } from "../../../src/backend/spirv/compile_shader.ts";
import {
  bytesPerNumber,
  type Dispatch,
  type GpuTensor,
} from "../../../src/backend/webgpu/dispatch.ts";
import { gemmCandidates } from "../../../src/backend/webgpu/choice/gemm_choice.ts";
import { shaderText } from "../../../src/backend/webgpu/loading/pipelines.ts";
import {
  decodePrograms,
  dispatchesOf,
  LEAST,
  opPrograms,
  stepPrograms,
} from "../webgpu/_lowered.ts";
import { instructionsOf } from "./_reader.ts";
import { validate, validatorYear } from "./_val.ts";

/** Texts of shaders, each once. */
function textsOf(dispatches: Iterable<Dispatch>): Set<string> {
  const texts = new Set<string>();
  for (const dispatch of dispatches) {
    const { bindings } = dispatch;
    expectApart(dispatch);
    texts.add(shaderText(dispatch, bindings.map(({ written }) => written)));
  }
  return texts;
}

/** What modules promise: bindings of which one is written do not overlap. */
function expectApart({ label, bindings }: Dispatch): void {
  const end = ({ offset, length, dtype }: GpuTensor) =>
    offset + length * bytesPerNumber(dtype);
  for (const { tensor: a, written, name } of bindings) {
    for (const { tensor: b, name: other } of written ? bindings : []) {
      const isApart = other === name || a.memory !== b.memory ||
        a.offset >= end(b) || b.offset >= end(a);
      assert.ok(isApart, `${label}: ${name} overlaps ${other}`);
    }
  }
}

async function opTexts(): Promise<Set<string>> {
  const programs = await opPrograms();
  return textsOf(programs.flatMap((program) => dispatchesOf(program)));
}

function stepTexts(): Set<string> {
  const programs = stepPrograms();
  return textsOf([
    ...decodePrograms().flatMap((program) => dispatchesOf(program)),
    ...programs.flatMap((program) => [
      ...dispatchesOf(program, { precision: "bf16", flow: "staged" }),
      ...dispatchesOf(program, {
        precision: "fp16",
        hasU64: true,
        flow: "kept",
      }),
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

for (const [what, texts] of [["ops", opTexts], ["steps", stepTexts]] as const) {
  Deno.test(`compileShader() takes the shaders of all ${what}`, async () => {
    const modules = [...await texts()].map(expectSound);
    assert.ok(modules.length > 50);
    if (validatorYear !== null) await validate(modules);
  });
}
