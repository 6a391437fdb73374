import assert from "node:assert/strict";
import {
  type CompiledShader,
  compileShader,
  ShaderError,
} from "../../../src/backend/spirv/compile_shader.ts";
import { codeOf, instructionsOf } from "./_reader.ts";

/** A shader that reads `x` and writes `out`, with statements on line 8. */
function compile(statements: string, declarations = ""): CompiledShader {
  return compileShader(`${declarations}
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@compute @workgroup_size(64) fn main(
  @builtin(local_invocation_index) lane: u32,
  @builtin(workgroup_id) group: vec3<u32>,
) {
  ${statements}
}`);
}

/** Instructions of the body, without the reading of what is given. */
function code(statements: string, declarations?: string): string[] {
  const all = codeOf(compile(statements, declarations).words);
  assert.deepEqual(all.slice(0, 3), ["label", "load", "load"]);
  return all.slice(3);
}

Deno.test("compileShader() names the line of what it does not take", () => {
  const errors: [statements: string, message: string][] = [
    ["let a = 1u + 2.0f;", "u32 + f32 has no meaning"],
    ["\n\nlet a: u32 = 1.5;", "expected u32, found float"],
    ["let a = -1u;", "-u32 has no meaning"],
    ["let a: u32 = -1;", "-1 is no u32"],
    ["let a = 1.0h;\nlet b: f16 = a;", 'f16 needs "enable f16;"'],
    ["let a = b;", '"b" is not declared'],
    ["{ let a = 1u; } out[a] = 0.0f;", '"a" is not declared'],
    ["let a = 1u; let a = 2u;", '"a" is declared twice'],
    ["lane = 1u;", "only a variable can be written"],
    ["x[0] = 1.0f;", '"x" cannot be written'],
    ["out[0] = x;", "a part of a buffer is read as a whole"],
    ["out[1.5] = 1.0f;", "float is no index"],
    ["out[group.w] = 1.0f;", 'vec3<u32> has no "w"'],
    ["let a = group[3];", "vec3<u32> has no element 3"],
    ["out[0] = group.x;", "expected f32, found u32"],
    ["if (lane) {}", "expected bool, found u32"],
    ["break;", "break is for loops"],
    ["let a = 1u << 2i;", "u32 is shifted by i32, not by u32"],
    ["let a = sin(1u);", "it takes no u32"],
    ["let a = erf(1.0f);", 'there is no function "erf"'],
    ["let a = min(1.0f);", "expected 2 arguments, found 1"],
    ["let a = vec3<f32>(1.0f, 2.0f);", "vec3<f32> is not made of f32, f32"],
    ["subgroupBarrier();", 'subgroupBarrier needs "enable subgroups;"'],
    [
      "let a = subgroupShuffleXor(1.0f, 1u);",
      'subgroupShuffleXor needs "enable subgroups;"',
    ],
    ["let a = subgroupAny(true);", 'subgroupAny needs "enable subgroups;"'],
    ["workgroupBarrier", 'expected "=", found "}"'],
    ["let a = ;", 'expected an expression, found ";"'],
    ["let a = 5000000000;", '"5000000000" is no integer of that size'],
    ["let a = `b`;", '"`" is no part of WGSL'],
    ["return 1.0f;", "expected no value to return"],
  ];
  for (const [statements, message] of errors) {
    // The last line, or the bracket behind what has no end.
    const line = statements.split("\n").length + 7 +
      Number(message.endsWith('found "}"'));
    assert.throws(() => compile(statements), (error) => {
      assert.ok(error instanceof ShaderError, String(error));
      assert.equal(error.line, line);
      const text = `Cannot compile line ${line} of a shader: ${message}`;
      assert.equal(error.message, text);
      return true;
    });
  }
  assert.throws(() => compileShader("fn main() {}"), /no @compute function/);
  assert.throws(() => compileShader("fn main() {"), /line 1 .*found the end/);
  assert.throws(() => compileShader("/* "), /the comment has no end/);
  assert.throws(() => compileShader("enable f64;"), /no extension "f64"/);
});

Deno.test("compileShader() computes what is known", () => {
  const store = ["accessChain", "store", "return"];
  const known = [
    "out[2u * 3u - 6u] = 0.5f * 4.0f;",
    "const a = vec2<u32>(1, 2); out[a.y] = f32(a.x << 2u);",
    "out[min(7u, 9u)] = select(1.0f, 2.0f, 3 < 4);",
    "if (1u > 2u) { out[0] = x[0]; } else { out[1] = 1.0f; }",
    "let a = bitcast<f32>(0x3f800000u); out[0] = a;",
  ];
  for (const statements of known) {
    assert.deepEqual(code(statements), store, statements);
  }
  // What changes no integer is left out; fractions have signed zeros and NaN.
  const index = code("out[(lane + 0u) * 1u / 1u + group.x % 1u] = 1.0f;");
  assert.deepEqual(index.filter((op) => op !== "compositeExtract"), store);
  assert.ok(code("out[0] = x[0] + 0.0f;").includes("fAdd"));
});

Deno.test("compileShader() says what is bound and what a device needs", () => {
  const { bindings, workgroupSize, capabilities, words } = compileShader(`
enable f16;
@group(0) @binding(0) var<storage, read_write> a: array<vec4<f16>>;
@group(0) @binding(1) var<storage, read_write> b: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> unused: array<u32>;
@compute @workgroup_size(8, 4) fn main(
  @builtin(global_invocation_id) id: vec3<u32>,
) {
  b[id.x] = vec4<f32>(a[id.x]);
}`);
  assert.deepEqual(bindings, [
    // Declared as written, for its buffer is, but not by this shader.
    { group: 0, binding: 0, access: "read" },
    { group: 0, binding: 1, access: "read_write" },
    { group: 0, binding: 2, access: "read" },
  ]);
  assert.deepEqual(workgroupSize, [8, 4, 1]);
  assert.deepEqual(
    [...capabilities].sort(),
    ["float16", "shader", "storageBuffer16BitAccess"],
  );
  const NON_WRITABLE = 24;
  const readOnly = instructionsOf(words).filter(({ op, operands }) =>
    op === "memberDecorate" && operands[2] === NON_WRITABLE
  );
  assert.equal(readOnly.length, 1);
});

Deno.test("compileShader() shares memory of matrices as Vulkan asks", () => {
  const multiply = (barrier: string) =>
    instructionsOf(
      compileShader(`
enable f16;
enable subgroups;
enable wgpu_cooperative_matrix;
@group(0) @binding(0) var<storage, read> a: array<f16>;
@group(0) @binding(1) var<storage, read_write> c: array<vec4<f32>>;
var<workgroup> tile: array<vec2<u32>, 128>;
@compute @workgroup_size(32) fn main(
  @builtin(local_invocation_index) lane: u32,
) {
  for (var i = lane; i < 128u; i += 32u) { tile[i] = vec2(i); }
  ${barrier}
  let left = coopLoad<coop_mat16x8<f16, A>>(&tile[0], 2u);
  let right = coopLoadT<coop_mat8x16<f16, B>>(&a[8u * lane], 8u);
  var sum = coop_mat16x16<f32, C>(1.0f);
  sum = coopMultiplyAdd(left, right, sum) * 0.5f;
  coopStore(sum, &c[0], 4u);
}`).words,
    );
  const all = multiply("workgroupBarrier();");
  const operandsOf = (op: string) =>
    all.filter((one) => one.op === op).map(({ operands }) => operands);
  const LOGICAL = 0, VULKAN = 3;
  assert.deepEqual(operandsOf("memoryModel"), [[LOGICAL, VULKAN]]);
  // As glslang writes GL_KHR_cooperative_matrix: what a workgroup shares says
  // that it is to be seen (0x10) or made seen (0x8) and not private (0x20).
  const [left, right] = operandsOf("cooperativeMatrixLoad");
  assert.equal(left[5], 0x10 | 0x20);
  assert.equal(right[5], undefined); // of a buffer
  const stores = operandsOf("store").map(([, , access]) => access);
  assert.deepEqual(stores.filter(Boolean), [0x8 | 0x20]);
  assert.equal(operandsOf("cooperativeMatrixStore")[0][4], undefined);
  // Barriers reach a workgroup (2) or a subgroup (3), for workgroup memory.
  const barrierOf = (barrier: string) =>
    multiply(barrier).filter(({ op }) => op === "controlBarrier")
      .map(({ operands }) => operands);
  const constants = (id: number, of: typeof all) =>
    of.find(({ op, operands }) => op === "constant" && operands[1] === id)
      ?.operands[2];
  for (
    const [barrier, reach] of [["workgroupBarrier();", 2], [
      "subgroupBarrier();",
      3,
    ]] as const
  ) {
    const [operands, ...others] = barrierOf(barrier);
    assert.equal(others.length, 0);
    assert.deepEqual(
      operands.map((id) => constants(id, multiply(barrier))),
      [reach, reach, 0x8 | 0x100],
    );
  }
  // Buffers are shared where threads wait for what others wrote there.
  const shared = multiply("workgroupBarrier(); storageBarrier();");
  const store = shared.find(({ op }) => op === "cooperativeMatrixStore");
  assert.equal(store?.operands[4], 0x8 | 0x20);
});

Deno.test("compileShader() multiplies only matrices that fit", () => {
  const product = (call: string, enable = "wgpu_cooperative_matrix") => () =>
    compile(
      `let a = coop_mat16x8<f32, A>(0.0f);
       let b = coop_mat8x16<f32, B>(0.0f);
       let c = coop_mat16x16<f32, C>(0.0f);
       ${call}`,
      `enable ${enable};`,
    );
  product("let d = coopMultiplyAdd(a, b, c);")();
  const wrong: [call: string, message: RegExp][] = [
    ["let d = coopMultiplyAdd(a, a, c);", /<f32, A> \* .* has no meaning/],
    ["let d = coopMultiplyAdd(a, b, b);", /has no meaning/],
    ["let d = a + b;", /has no meaning/],
    ["coopStore(c, out[0], 4u);", /is kept at &array\[i\]/],
    ["coopStore(c, &lane, 4u);", /is kept at &array\[i\]/],
    ["coopStore(c, &x[0], 4u);", /"x" cannot be written/],
    ["coopStore(c, &out[0], 4.0f);", /a stride is no f32/],
    ["let d = coopLoad<f32>(&x[0], 4u);", /expected coopLoad<coop_mat…>/],
    ["let d = coopLoad<coop_mat8x8<f32, D>>(&x[0], 4u);", /use A, B or C/],
    ["let d = &out[0];", /pointers are for matrices alone/],
  ];
  for (const [call, message] of wrong) assert.throws(product(call), message);
  const call = "coopStore(c, &out[0], 4u);";
  assert.throws(
    product(call, "f16"),
    /needs "enable wgpu_cooperative_matrix;"/,
  );
});
