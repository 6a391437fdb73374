import { openCpuBackend } from "../../../src/backend/cpu/cpu_backend.ts";
import { openReferenceBackend } from "../../../src/backend/reference/backend.ts";
import { assertOpClose, type OpCase, runOpCase } from "../_op_cases.ts";
import { compute, empty, normal, opCase, rngWords } from "../_op_inputs.ts";

/** Forward and backward; dropout when p is above 0. */
function attention(
  [B, T, H, Hkv, D]: [number, number, number, number, number],
  p: number,
): OpCase[] {
  const attrs = { B, T, H, Hkv, D, p, site: 5 };
  const title = `B=${B} T=${T} H=${H} Hkv=${Hkv} D=${D} p=${p}`;
  const qkv = normal(1, [B * T, (H + 2 * Hkv) * D]);
  const rng = p > 0 ? { rng: rngWords() } : {};
  const out = empty([B * T, H * D]), lse = empty([B, H, T]);
  compute("attention", { in: { qkv, ...rng }, out: { out, lse }, attrs });
  const allowed = {
    tolerance: 5e-5,
    reason: "f32 dot products; exp turns an error of a score into a factor",
  };
  return [
    opCase("attention", title, {
      in: { qkv, ...rng },
      out: { out: [B * T, H * D], lse: [B, H, T] },
      attrs,
      ...allowed,
    }),
    opCase("attentionBackward", title, {
      in: { dOut: normal(2, [B * T, H * D]), qkv, out, lse, ...rng },
      out: { dQkv: [B * T, (H + 2 * Hkv) * D] },
      attrs,
      ...allowed,
    }),
  ];
}

// How the work is cut depends on the number of heads and rows; see
// kernels/attention.ts.
const CASES: Record<string, OpCase[]> = {
  "few heads and many rows": attention([1, 301, 2, 1, 20], 0),
  "many heads and several blocks": attention([4, 101, 12, 12, 8], 0.2),
  "more rows than one block of depth": attention([1, 400, 4, 4, 5], 0.1),
  "heads that share keys unevenly": attention([1, 50, 5, 2, 8], 0),
};

for (const [what, cases] of Object.entries(CASES)) {
  Deno.test(`attention on the CPU is right with ${what}`, async () => {
    const reference = openReferenceBackend();
    const cpu = await openCpuBackend({ threads: 3 });
    for (const opCase of cases) {
      const got = await runOpCase(cpu, opCase);
      assertOpClose(opCase, got, await runOpCase(reference, opCase));
    }
    await cpu.dispose();
  });
}
