import assert from "node:assert/strict";
import { Worker } from "node:worker_threads";
import { openCpuBackend } from "../../../src/backend/cpu/cpu_backend.ts";
import { loadKernels } from "../../../src/backend/cpu/kernels.ts";
import {
  WorkerFailure,
  WorkerPool,
} from "../../../src/backend/cpu/worker_pool.ts";
import { Graph } from "../../../src/graph/graph.ts";
import { plan } from "../../../src/graph/plan.ts";
import type { Tensor } from "../../../src/graph/tensor.ts";

Deno.test("a worker that cannot load a program says why, and works on", async () => {
  const { code } = loadKernels({ gemm: "wasm" });
  const pool = new WorkerPool({ threads: 2, code });
  const noMemory = null as unknown as WebAssembly.Memory;
  await assert.rejects(
    pool.send(() => ({
      kind: "load",
      program: 0,
      memory: noMemory,
      sharedScratch: 0,
      threadScratch: 0,
    })),
    (error) =>
      error instanceof WorkerFailure && error.callIndex === null &&
      error.message.includes("memory"),
  );
  await pool.send(() => ({ kind: "unload", program: 0 }));
  await pool.close();
  await pool.close();
  await assert.rejects(
    pool.send(() => ({ kind: "unload", program: 0 })),
    TypeError,
  );
});

Deno.test("a worker that ends without an error is no reason to wait", async () => {
  const { code } = loadKernels({ gemm: "wasm" });
  const pool = new WorkerPool({ threads: 2, code });
  const { postMessage } = Worker.prototype;
  Worker.prototype.postMessage = function () {
    this.terminate();
  };
  try {
    await assert.rejects(
      pool.send(() => ({ kind: "unload", program: 0 })),
      /^Error: A worker thread ended$/,
    );
  } finally {
    Worker.prototype.postMessage = postMessage;
  }
  await assert.rejects(
    pool.send(() => ({ kind: "unload", program: 0 })),
    /^Error: A worker thread ended$/,
  );
  await pool.close();
});

Deno.test("every call sees all that the call before it wrote", async () => {
  // Each product moves every row one down, so that each row passes through
  // the hands of all threads.
  const [rows, cols, moves] = [300, 8, 200];
  const g = new Graph();
  const down = g.state("down", [rows, rows]);
  let x: Tensor = g.state("x", [rows, cols]);
  for (let i = 0; i < moves; i++) x = g.matmul(down, x);
  g.add(x, x, { out: g.state("out", [rows, cols]) });

  const backend = await openCpuBackend({ threads: 4 });
  const executable = await backend.compile(plan({ g }));
  const matrix = new Float32Array(rows * rows);
  for (let row = 0; row < rows; row++) {
    matrix[row * rows + (row + rows - 1) % rows] = 1;
  }
  executable.write("down", matrix);
  const values = Float32Array.from({ length: rows * cols }, (_, i) => i);
  executable.write("x", values);
  for (let run = 0; run < 5; run++) {
    await executable.run("g");
    const out = await executable.read("out");
    out.forEach((value, i) => {
      const from = (i + (rows - moves) * cols) % (rows * cols);
      assert.equal(value, 2 * values[from], `run ${run}, element ${i}`);
    });
  }
  await backend.dispose();
});
