/**
 * What compiled shaders compute, by a machine that is stricter than any GPU:
 * also no kernel may rely on what WebGPU adds to shaders (indices held to
 * their arrays, workgroup memory that begins as 0).
 */

import assert from "node:assert/strict";
import { openReferenceBackend } from "../../../src/backend/reference/backend.ts";
import { compileShader } from "../../../src/backend/spirv/compile_shader.ts";
import { parseGemm } from "../../../src/backend/webgpu/choice/gemm_choice.ts";
import { assertOpClose, opCases, runOpCase } from "../_op_cases.ts";
import type { OpCase } from "../_run_op_case.ts";
import { LEAST } from "../webgpu/_lowered.ts";
import { openSpirvMachine } from "./_backend.ts";
import { SpirvMachine } from "./_machine.ts";

const THREADS = 4;
/** Of all tensors of a case, and cases of an op: about 4 s for all. */
const MOST_NUMBERS = 4000, MOST_CASES = 3;

/** What the threads of a workgroup write to `out`, given `x` = 1.5, -2, 3, 8. */
function run(
  statements: string,
  { declarations = "", size = THREADS } = {},
): number[] {
  const { words } = compileShader(`
enable f16;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
${declarations}
@compute @workgroup_size(${THREADS}) fn main(
  @builtin(local_invocation_index) lane: u32,
) {
${statements}
}`);
  const x = Float32Array.of(1.5, -2, 3, 8), out = new Float32Array(size);
  const bytes = [x, out].map(({ buffer }) => new Uint8Array(buffer));
  new SpirvMachine(words).run([1, 1, 1], bytes);
  return [...out];
}

/** What an expression is for each thread. */
function each(expression: string, declarations = ""): number[] {
  return run(`out[lane] = ${expression};`, { declarations });
}

Deno.test("compileShader() keeps what expressions mean", () => {
  const cases: [expression: string, values: number[]][] = [
    ["f32(lane)", [0, 1, 2, 3]],
    ["x[lane] * 2.0f - 1.0f", [2, -5, 5, 15]],
    ["f32(7u - lane * 2u % 3u)", [7, 5, 6, 7]],
    ["f32(-7i / 2i + i32(lane))", [-3, -2, -1, 0]],
    ["f32(i32(lane) % 2i - 1i >> 1u)", [-1, 0, -1, 0]],
    ["f32((lane << 3u | 5u) ^ 1u & ~0u)", [4, 12, 20, 28]],
    ["select(1.0f, 2.0f, x[lane] > 2.0f)", [1, 1, 2, 2]],
    ["f32(bitcast<u32>(x[lane]) >> 23u)", [127, 384, 128, 130]],
    ["bitcast<f32>(bitcast<u32>(x[lane]) ^ 0x80000000u)", [-1.5, 2, -3, -8]],
    ["f32(u32(x[lane] + 2.5f))", [4, 0, 5, 10]],
    ["f32(i32(x[lane]))", [1, -2, 3, 8]],
    ["f32(f16(x[lane] * 1000.1f))", [1500, -2000, 3000, 8000]],
    ["f32(x[lane] == 3.0f || lane == 0u)", [1, 0, 1, 0]],
    ["f32(u32(lane != 1u && x[lane] < 5.0f))", [1, 0, 1, 0]],
    ["abs(x[lane]) + sign(x[lane])", [2.5, 1, 4, 9]],
    ["clamp(x[lane], -1.0f, 2)", [1.5, -1, 2, 2]],
    ["min(x[lane], 2) + max(x[lane], 2)", [3.5, 0, 5, 10]],
    ["fma(x[lane], x[0], 1.0f)", [3.25, -2, 5.5, 13]],
    ["floor(x[lane] / 2) + fract(x[lane])", [0.5, -1, 1, 4]],
    ["round(x[lane] + 1) + ceil(x[lane] / 4)", [3, -1, 5, 11]],
    ["exp2(x[lane]) * 0 + log2(x[3])", [3, 3, 3, 3]],
    ["sqrt(x[3] * 2) * inverseSqrt(4.0f)", [2, 2, 2, 2]],
    ["dot(vec3<f32>(x[lane]), vec3(1, 2, 3))", [9, -12, 18, 48]],
    ["vec4<f32>(x[0], x[1], x[2], x[3])[3u - lane]", [8, 3, -2, 1.5]],
    ["vec4(x[0], x[1], x[2], x[3]).wzyx[lane]", [8, 3, -2, 1.5]],
    ["(vec2(x[lane], 1) * 2.0f + vec2(0.5f)).x", [3.5, -3.5, 6.5, 16.5]],
    ["(2.0f - vec4<f32>(vec2(x[lane]), vec2<f32>())).y", [0.5, 4, -1, -6]],
    ["vec2<f32>(vec2(lane) == vec2(1u, 2u)).y", [0, 0, 1, 0]],
    ["f32(u32(u64(lane + 1u) * 0x80000001lu >> 32u))", [0, 1, 1, 2]],
    ["f32(u32(u64(i32(lane) - 1i) >> 63u))", [1, 0, 0, 0]],
    ["f32(any(vec2(lane) > vec2(2u, 1u)))", [0, 0, 1, 1]],
    ["f32(all(vec2(lane) > vec2(2u, 1u)))", [0, 0, 0, 1]],
  ];
  for (const [expression, values] of cases) {
    assert.deepEqual(each(expression), values, expression);
  }
});

Deno.test("compileShader() computes what is settled no further", () => {
  // Behind the end of x, the machine would stop.
  const declarations = "fn late(i: u32) -> bool { return x[i] > 0.0f; }";
  assert.deepEqual(
    each("f32(lane < 3u && x[lane + 1u] > 0.0f)"),
    [0, 1, 1, 0],
  );
  assert.deepEqual(
    each("f32(lane == 3u || (lane > 0u && late(lane + 1u)))", declarations),
    [0, 1, 1, 1],
  );
});

Deno.test("compileShader() keeps what statements do", () => {
  const cases: [statements: string, values: number[]][] = [
    [
      "var s = 0u; for (var i = 0u; i <= lane; i++) { s += i; } " +
      "out[lane] = f32(s);",
      [0, 1, 3, 6],
    ],
    [
      "var i = 8u; while (i > lane + 2u) { i -= 3u; } out[lane] = f32(i);",
      [2, 2, 2, 5],
    ],
    // `continue` goes to the update, `break` behind the loop.
    [
      `var s = 0.0f;
      for (var i = 0u; ; i++) {
        if (i % 2u == 1u) { continue; }
        if (i > 2u * lane) { break; }
        s += f32(i);
      }
      out[lane] = s;`,
      [0, 2, 6, 12],
    ],
    [
      `var i = 0u;
      loop {
        if (i == 9u) { break; }
        continuing { i++; break if i > lane + 1u; }
      }
      out[lane] = f32(i);`,
      [2, 3, 4, 5],
    ],
    // Loops in loops leave the inner one.
    [
      `var n = 0u;
      for (var i = 0u; i < 3u; i++) {
        for (var j = 0u; j < 3u; j++) {
          if (j == lane) { break; }
          n++;
        }
      }
      out[lane] = f32(n);`,
      [0, 3, 6, 9],
    ],
    [
      `if (lane == 0u) { out[0] = 1.0f; return; }
      else if (lane == 1u) { out[1] = 2.0f; }
      else { if (lane == 2u) { out[2] = 3.0f; return; } }
      out[lane] += 0.5f;`,
      [1, 2.5, 3, 0.5],
    ],
    // Names of inner blocks hide those of outer ones and end with them.
    [
      `let a = 1.0f; var b = a;
      { let a = 10.0f; b += a; }
      out[lane] = b + a;`,
      [12, 12, 12, 12],
    ],
    [
      `var v = vec4<f32>(1.0f, 2.0f, 3.0f, 4.0f);
      v[lane] = 0.0f; v.y *= 5.0f;
      out[lane] = v.x + v.y + v[2] + v.w;`,
      [17, 8, 15, 14],
    ],
    [
      `var a: array<array<f32, 2>, 3>;
      a[lane % 3u][1] = x[lane]; a[0][lane % 2u] += 1.0f;
      out[lane] = a[0][0] + a[0][1] * 10.0f + a[2][1] * 100.0f;`,
      [
        ...[16, 10, 301, 90],
      ],
    ],
    ["const n = 3u; var i = lane; i <<= 1; i |= n; out[lane] = f32(i);", [
      ...[3, 3, 7, 7],
    ]],
    // The left side is read before the right side changes it.
    ["count = 1.0f; count += next(); out[lane] = count;", [3, 3, 3, 3]],
    ["let p = turned(vec2(x[lane], 1)); out[lane] = p.near + p.far;", [
      ...[0.5, 4, -1, -6],
    ]],
  ];
  const declarations = `
alias P = vec2<f32>;
struct Turned { near: f32, far: f32 }
var<private> count: f32;
fn next() -> f32 { count = 20.0f; return 2.0f; }
fn turned(p: P) -> Turned { let q = -p; return Turned(q.x, p.y + 1.0f); }`;
  for (const [statements, values] of cases) {
    assert.deepEqual(run(statements, { declarations }), values, statements);
  }
});

Deno.test("compileShader() lets threads share memory by barriers", () => {
  const declarations = "var<workgroup> all: array<array<f32, 2>, 2>;";
  const swap = (barrier: string) => `
    all[lane / 2u][lane % 2u] = x[lane];
    ${barrier}
    out[lane] = all[1u - lane / 2u][lane % 2u];`;
  const values = run(swap("workgroupBarrier();"), { declarations });
  assert.deepEqual(values, [3, 8, 1.5, -2]);
  assert.throws(() => run(swap(""), { declarations }), /before it is written/);
  assert.deepEqual(
    run(
      "out[lane] = x[lane]; storageBarrier(); out[4u + lane] = out[3u - lane];",
      {
        size: 8,
      },
    ).slice(4),
    [8, 3, -2, 1.5],
  );
});

/** A few cases of each op, of those that are small. */
function someCases(): OpCase[] {
  const sizeOf = (one: OpCase) =>
    [
      ...Object.values(one.in).map(({ shape }) => shape as readonly number[]),
      ...Object.values(one.out) as (readonly number[])[],
    ].reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const small = opCases.filter((one) =>
    // The first token: what is read of the cache while it is written is not
    // used, which the machine cannot know.
    sizeOf(one) <= MOST_NUMBERS && !/^attentionCached.* at 0$/.test(one.name)
  );
  // The first, the last and those between: a fixed step may always meet the same
  // of the choices that cases are made of.
  return Object.values(Object.groupBy(small, ({ op }) => op)).flatMap((all) => {
    const count = Math.min(all.length, MOST_CASES);
    return Array.from(
      { length: count },
      (_, i) => all[Math.floor(i * (all.length - 1) / Math.max(1, count - 1))],
    );
  });
}

Deno.test("ops as SPIR-V agree with the reference", async () => {
  const reference = openReferenceBackend();
  const machine = openSpirvMachine({
    maxBindingBytes: 2 ** 27,
    maxBindings: LEAST.maxStorageBuffersPerShaderStage,
    gemmVariant: () => ({ ...parseGemm("32x32x16 4x4 staged row"), splitK: 2 }),
    attention: () => ({ flow: "direct" }),
    precision: "fp32",
    fuse: true,
  });
  const cases = someCases();
  const ops = new Set(opCases.map(({ op }) => op));
  assert.deepEqual(new Set(cases.map(({ op }) => op)), ops);
  for (const one of cases) {
    const want = await runOpCase(reference, one);
    assertOpClose(one, await runOpCase(machine, one), want);
  }
});

Deno.test("compileShader() lets threads of a subgroup exchange numbers", () => {
  const { words, capabilities } = compileShader(`
enable subgroups;
@group(0) @binding(0) var<storage, read_write> out: array<f32>;
@compute @workgroup_size(8) fn main(
  @builtin(local_invocation_index) lane: u32,
) {
  out[lane] = subgroupShuffleXor(f32(lane) + 0.5f, 3u);
  if (subgroupAny(lane == 5u)) { out[lane] += 10.0f; }
}`);
  assert.ok(capabilities.includes("groupNonUniformVote"));
  assert.ok(capabilities.includes("groupNonUniformShuffle"));
  const out = new Float32Array(8);
  const bytes = new Uint8Array(out.buffer);
  new SpirvMachine(words, 4).run([1, 1, 1], [bytes]); // two subgroups
  assert.deepEqual([...out], [3.5, 2.5, 1.5, 0.5, 17.5, 16.5, 15.5, 14.5]);
});
