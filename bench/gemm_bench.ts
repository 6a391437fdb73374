/**
 * Matrix products on the CPU: `deno run -A bench/gemm_bench.ts [threads…]`.
 *
 * Prints GFLOP/s (GB/s of B for one row) at the shapes of real models, the
 * median of several runs after warm-up, for each number of threads.
 *
 * @module
 */

import { openCpuBackend } from "../src/backend/cpu/cpu_backend.ts";
import { readCpuInfo } from "../src/backend/cpu/cores.ts";
import { Graph } from "../src/graph/graph.ts";
import { plan } from "../src/graph/plan.ts";

interface Product {
  label: string;
  M: number;
  N: number;
  K: number;
  transA?: boolean;
  transB?: boolean;
}

/** Forward, and both gradients, of a product of (rows, K) by (K, N). */
function layer(label: string, rows: number, N: number, K: number): Product[] {
  return [
    { label, M: rows, N, K },
    { label: `${label} dx`, M: rows, N: K, K: N, transB: true },
    { label: `${label} dw`, M: K, N, K: rows, transA: true },
  ];
}

const PRODUCTS: Product[] = [
  { label: "square", M: 256, N: 256, K: 256 },
  { label: "square", M: 1024, N: 1024, K: 1024 },
  ...layer("L6 C384 T256 B8 qkv", 2048, 1152, 384),
  ...layer("L6 C384 T256 B8 fc", 2048, 1536, 384),
  ...layer("L6 C384 T256 B8 fcProj", 2048, 384, 1536),
  ...layer("L4 C128 T64 B12 qkv", 768, 384, 128),
  ...layer("L4 C128 T64 B12 fc", 768, 512, 128),
  // The head shares its matrix (V, C) with the embedding.
  { label: "GPT-2 head", M: 512, N: 50304, K: 768, transB: true },
  { label: "GPT-2 head dx", M: 512, N: 768, K: 50304 },
  { label: "GPT-2 head dw", M: 50304, N: 768, K: 512, transA: true },
  { label: "generate fc", M: 1, N: 3072, K: 768 },
  { label: "generate fc, (N, K)", M: 1, N: 3072, K: 768, transB: true },
  { label: "generate head, (N, K)", M: 1, N: 50304, K: 768, transB: true },
];

const cpu = readCpuInfo();
const counts = Deno.args.length > 0
  ? Deno.args.map(Number)
  : [...new Set([1, cpu.cores])];
for (const threads of counts) {
  const backend = await openCpuBackend({ threads });
  console.log(
    `\n${backend.device.name}, ${threads} threads, ${backend.device.kernels}`,
  );
  for (const product of PRODUCTS) {
    const { label, M, N, K, transA, transB } = product;
    const g = new Graph();
    const a = g.state("a", transA ? [K, M] : [M, K]);
    const b = g.state("b", transB ? [N, K] : [K, N]);
    g.matmul(a, b, { transA, transB, out: g.state("out", [M, N]) });
    const executable = await backend.compile(plan({ multiply: g }));
    executable.write("a", new Float32Array(M * K).fill(0.5));
    executable.write("b", new Float32Array(N * K).fill(0.5));
    const ms = await medianMs(() => executable.run("multiply"));
    await executable.dispose();
    const shape = `${transA ? "T" : "N"}${transB ? "T" : "N"} ` +
      `(${M}, ${N}, ${K})`;
    const rate = M === 1
      ? `${(4 * N * K / ms / 1e6).toFixed(1).padStart(7)} GB/s`
      : `${(2 * M * N * K / ms / 1e6).toFixed(1).padStart(7)} GFLOP/s`;
    console.log(
      `${label.padEnd(26)} ${shape.padEnd(24)} ` +
        `${ms.toFixed(3).padStart(9)} ms ${rate}`,
    );
  }
  await backend.dispose();
}

/** Median of at least 5 runs and 0.3 s, after 3 that do not count. */
async function medianMs(run: () => Promise<void>): Promise<number> {
  for (let i = 0; i < 3; i++) await run();
  const times: number[] = [];
  for (let total = 0; times.length < 5 || total < 300;) {
    const start = performance.now();
    await run();
    times.push(performance.now() - start);
    total += times.at(-1)!;
  }
  return times.sort((a, b) => a - b)[times.length >> 1];
}
