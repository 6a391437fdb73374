import assert from "node:assert/strict";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Worker } from "node:worker_threads";
import type { TensorData } from "../../../src/backend/backend.ts";
import { openCpuBackend } from "../../../src/backend/cpu/cpu_backend.ts";
import { loadKernels } from "../../../src/backend/cpu/kernels.ts";
import { layOut } from "../../../src/backend/cpu/memory_layout.ts";
import { WORD } from "../../../src/backend/cpu/pool_protocol.ts";
import {
  WorkerFailure,
  WorkerPool,
} from "../../../src/backend/cpu/worker_pool.ts";
import { Graph } from "../../../src/graph/graph.ts";
import { plan } from "../../../src/graph/plan.ts";
import type { Program } from "../../../src/graph/program.ts";
import { sizeOf, type Tensor } from "../../../src/graph/tensor.ts";

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

/** Rows and columns of a matrix, and how often its rows move down by one. */
const [ROWS, COLS, MOVES] = [300, 8, 200];

/**
 * Each product moves every row one down, so that each row passes through the
 * hands of all threads.
 */
function movingRows(): Program {
  const g = new Graph();
  const down = g.state("down", [ROWS, ROWS]);
  let x: Tensor = g.state("x", [ROWS, COLS]);
  for (let i = 0; i < MOVES; i++) x = g.matmul(down, x);
  g.add(x, x, { out: g.state("out", [ROWS, COLS]) });
  return plan({ g });
}

/** What moves a row, and rows that can be told apart. */
function movingRowsInputs(): { down: Float32Array; x: Float32Array } {
  const down = new Float32Array(ROWS * ROWS);
  for (let row = 0; row < ROWS; row++) {
    down[row * ROWS + (row + ROWS - 1) % ROWS] = 1;
  }
  return { down, x: Float32Array.from({ length: ROWS * COLS }, (_, i) => i) };
}

function assertMoved(out: TensorData, x: Float32Array, when: string): void {
  out.forEach((value, i) => {
    const from = (i + (ROWS - MOVES) * COLS) % (ROWS * COLS);
    assert.equal(value, 2 * x[from], `${when}, element ${i}`);
  });
}

Deno.test("every call sees all that the call before it wrote", async () => {
  const backend = await openCpuBackend({ threads: 4 });
  const executable = await backend.compile(movingRows());
  const { down, x } = movingRowsInputs();
  executable.write("down", down);
  executable.write("x", x);
  for (let run = 0; run < 5; run++) {
    await executable.run("g");
    assertMoved(await executable.read("out"), x, `run ${run}`);
  }
  await backend.dispose();
});

Deno.test("a program runs on when its counts of stages and chunks begin anew", async () => {
  const { code } = loadKernels({ gemm: "wasm" });
  const threads = 3;
  const pool = new WorkerPool({ threads, code, pauses: 1 });
  const memory = new WebAssembly.Memory({
    initial: 1,
    maximum: 1000,
    shared: true,
  });
  const program = movingRows();
  const layout = layOut(program, { code, memory, threads });
  // As after hours: some way into the run there is a stage 0 again, and there
  // were 2^32 chunks. Words 16 and 32 are those of kernels/threads.ts.
  const words = new Int32Array(memory.buffer);
  words[16] = 2 ** 31 - MOVES / 2;
  words[32] = -3 * MOVES;
  const view = (name: string) => {
    const { place, shape } = program.persistent.get(name)!;
    const at = layout.persistent + place.offset;
    return new Float32Array(memory.buffer, at, sizeOf(shape));
  };
  const { down, x } = movingRowsInputs();
  view("down").set(down);
  view("x").set(x);
  await pool.send((thread) => ({
    kind: "load",
    program: 0,
    memory,
    sharedScratch: layout.sharedScratch,
    threadScratch: layout.threadScratch + thread * layout.threadScratchBytes,
  }));
  await pool.run({ program: 0, ...layout.phases.get("g")!, profile: 0 });
  const [stage, chunks] = [words[16], words[32]];
  await pool.close();
  assert.ok(stage >= 0 && stage < 10 * MOVES, `stage ${stage}`);
  assert.ok(chunks >= 0, `${chunks} chunks`);
  assertMoved(view("out"), x, "the run");
});

Deno.test("a pool obeys when its count of commands begins anew", async () => {
  const { SharedArrayBuffer: Plain } = globalThis;
  const buffers: SharedArrayBuffer[] = [];
  globalThis.SharedArrayBuffer = class extends Plain {
    constructor(bytes?: number) {
      super(bytes);
      buffers.push(this);
    }
  };
  const { code } = loadKernels({ gemm: "wasm" });
  let pool: WorkerPool;
  try {
    pool = new WorkerPool({ threads: 2, code });
  } finally {
    globalThis.SharedArrayBuffer = Plain;
  }
  const command = () => pool.send(() => ({ kind: "unload", program: 0 }));
  await command();
  const words = new Int32Array(buffers[0]);
  words[WORD.epoch] = 2 ** 31 - 1; // nobody is told, nobody looks
  await command();
  await command();
  assert.equal(words[WORD.epoch], -(2 ** 31) + 1);
  await pool.close();
});

Deno.test("a pool holds on to nothing of its commands", async () => {
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  const { code } = loadKernels({ gemm: "wasm" });
  const pool = new WorkerPool({ threads: 1, code });
  const heapAfter = async (commands: number) => {
    for (let i = 0; i < commands; i++) {
      await pool.send(() => ({ kind: "unload", program: 0 }));
    }
    collect();
    return Deno.memoryUsage().heapUsed;
  };
  const before = await heapAfter(1000);
  const grown = await heapAfter(5000) - before;
  await pool.close();
  // At 100 bytes a command, a run of a small model grows by 0.5 GB an hour.
  assert.ok(grown < 200_000, `${grown} bytes`);
});
