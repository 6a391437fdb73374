import assert from "node:assert/strict";
import type { Backend } from "../../../src/backend/backend.ts";
import { countCores } from "../../../src/backend/cpu/cores.ts";
import { openCpuBackend } from "../../../src/backend/cpu/cpu_backend.ts";
import { UserError } from "../../../src/base/errors.ts";
import { Graph } from "../../../src/graph/graph.ts";
import { plan } from "../../../src/graph/plan.ts";
import type { Program } from "../../../src/graph/program.ts";

/** `out = table[ids]`, then doubled, then doubled again in another phase. */
function lookUp(): Program {
  const g = new Graph();
  const table = g.param("table", [5, 2]);
  const ids = g.input("ids", [3], "u32");
  const out = g.state("out", [3, 2]);
  const rows = g.embedding(table, ids);
  g.add(rows, rows, { out });
  const again = new Graph();
  const same = again.state("out", [3, 2]);
  again.add(same, same, { out: same });
  return plan({ lookUp: g, again });
}

async function open(backend: Backend) {
  const executable = await backend.compile(lookUp());
  executable.write("table", Float32Array.from({ length: 10 }, (_, i) => i));
  executable.write("ids", Uint32Array.of(4, 0, 2));
  return executable;
}

Deno.test("run() computes a phase, read() waits for it", async () => {
  const backend = await openCpuBackend({ threads: 2 });
  const executable = await open(backend);
  const first = executable.run("lookUp");
  const second = executable.run("again");
  assert.deepEqual(
    await executable.read("out"),
    Float32Array.of(32, 36, 0, 4, 16, 20),
  );
  await Promise.all([first, second]);
  await backend.dispose();
});

Deno.test("a trap in a worker rejects run() with the op's name", async () => {
  const backend = await openCpuBackend({ threads: 3 });
  const executable = await open(backend);
  executable.write("ids", Uint32Array.of(4, 5, 2)); // the table has 5 rows
  await assert.rejects(
    executable.run("lookUp"),
    /^Error: Cannot run "lookUp": embedding \(call 0\) failed: unreachable$/,
  );
  await assert.rejects(executable.run("again"), /embedding \(call 0\)/);
  await executable.dispose();

  const next = await open(backend); // the other threads are well
  await next.run("lookUp");
  await backend.dispose();
});

Deno.test("write(), run() and read() refuse what does not exist", async () => {
  const backend = await openCpuBackend({ threads: 1 });
  const executable = await open(backend);
  assert.throws(
    () => executable.write("ids", Float32Array.of(1, 2, 3)),
    new TypeError(
      'Cannot write Float32Array of 3 to "ids": it is a Uint32Array of 3',
    ),
  );
  assert.throws(
    () => executable.write("table", new Float32Array(9)),
    TypeError,
  );
  await assert.rejects(executable.run("no phase"), TypeError);
  await assert.rejects(executable.read("no tensor"), TypeError);
  await executable.dispose();
  await assert.rejects(executable.run("lookUp"), TypeError);
  await backend.dispose();
  await assert.rejects(open(backend), TypeError);
});

Deno.test("compile() says how much memory is missing", async () => {
  const backend = await openCpuBackend({ threads: 1 });
  const g = new Graph();
  g.fill([2 ** 30], 0, { out: g.state("large", [2 ** 30]) });
  g.fill([2 ** 20], 0, { out: g.state("small", [2 ** 20]) });
  await assert.rejects(
    backend.compile(plan({ g })),
    (error) =>
      error instanceof UserError &&
      error.message === "Cannot fit the program in memory: it needs 4.30 GB, " +
          "the CPU backend can address 4.29 GB",
  );
  await backend.dispose();
});

Deno.test("fits() is true for what compile() takes, and for no more", async () => {
  const backend = await openCpuBackend({ threads: 1 });
  // Of one tensor and little else: the limit is 65,536 pages of 64 KiB.
  const programOf = (pages: number) => {
    const g = new Graph();
    g.state("x", [pages * 65536 / 4]);
    return plan({ g });
  };
  const { systemMemoryInfo } = Deno;
  try {
    for (const [freeBytes, most] of [[2 ** 33, 65536], [2 ** 30, 16384]]) {
      // Others take of the real one, and give back.
      Deno.systemMemoryInfo = () => ({
        ...systemMemoryInfo(),
        available: freeBytes,
      });
      assert.equal(Math.floor(backend.limits.programBytes / 65536), most);
      assert.equal(await backend.fits(programOf(1)), true);
      assert.equal(await backend.fits(programOf(most - 512)), true); // 32 MiB
      assert.equal(await backend.fits(programOf(most)), false); // and the rest
    }
  } finally {
    Deno.systemMemoryInfo = systemMemoryInfo;
  }
  await backend.dispose();
});

Deno.test("a program finds zeros in the memory of another", async () => {
  const backend = await openCpuBackend({ threads: 2 });
  const first = await open(backend);
  await first.run("lookUp");
  await first.dispose();
  const second = await backend.compile(lookUp());
  assert.deepEqual(await second.read("out"), new Float32Array(6));
  assert.deepEqual(await second.read("table"), new Float32Array(10));
  await backend.dispose();
});

Deno.test("compile() and dispose() again and again keep no memory", async () => {
  const backend = await openCpuBackend({ threads: 2 });
  const floats = 16 * 2 ** 20 / 4;
  const residentMb = () => Deno.memoryUsage().rss / 1e6;
  let before = 0;
  for (let i = 0; i < 60; i++) {
    const g = new Graph();
    g.fill([floats], 1, { out: g.state("x", [floats]) });
    const executable = await backend.compile(plan({ g }));
    await executable.run("g");
    await executable.dispose();
    if (i === 9) before = residentMb();
  }
  // 50 programs of 17 MB came and went; what is left waits for a collection.
  const grown = residentMb() - before;
  assert.ok(grown < 400, `grew by ${grown} MB`);
  await backend.dispose();
});

for (const ending of ["", "throw new Error('on purpose');", "Deno.exit(0);"]) {
  Deno.test(`a process ends without dispose(): ${ending || "last line"}`, async () => {
    const url = new URL(
      "../../../src/backend/cpu/cpu_backend.ts",
      import.meta.url,
    );
    const script = `
      const { openCpuBackend } = await import("${url}");
      await openCpuBackend({ threads: 2 });
      console.log("opened");
      ${ending}`;
    const child = new Deno.Command(Deno.execPath(), {
      args: ["eval", script],
      stdout: "piped",
      stderr: "piped",
      signal: AbortSignal.timeout(300_000), // it must end, however late
    });
    const { code, stdout } = await child.output();
    assert.equal(new TextDecoder().decode(stdout), "opened\n");
    assert.equal(code, ending.startsWith("throw") ? 1 : 0);
  });
}

Deno.test("countCores() counts cores once, not hardware threads", () => {
  const block = (socket: number, core: number) =>
    `processor\t: 0\nmodel name\t: Some CPU\nphysical id\t: ${socket}\n` +
    `core id\t\t: ${core}\n`;
  const text = [block(0, 0), block(0, 1), block(0, 0), block(1, 0)].join("\n");
  assert.equal(countCores(text), 3);
  assert.equal(countCores("processor\t: 0\n"), null); // as on ARM
});
