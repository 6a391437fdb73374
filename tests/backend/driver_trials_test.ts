import assert from "node:assert/strict";
import { join } from "node:path";
import { openBackend } from "../../src/backend/devices/open_backend.ts";
import {
  type DriverTrials,
  forgetTrialsOf,
  openDriverTrials,
} from "../../src/backend/driver_trials.ts";
import { Graph } from "../../src/graph/graph.ts";
import { plan } from "../../src/graph/plan.ts";
import { AGAIN, DRIVER } from "./_dying_process.ts";
import { choose, gpuMachine } from "./devices/_gpu_machine.ts";
import { noAdapter, openTestGpu } from "./webgpu/_webgpu.ts";

// Where a card is taken through Vulkan by itself; Windows locks otherwise.
const ignore = Deno.build.os !== "linux";

type Ending = "crash" | "exit" | "throw" | "reject" | "wait";

/** A process that tries the driver. */
function start(folder: string, how: Ending): Deno.ChildProcess {
  const script = new URL("_dying_process.ts", import.meta.url);
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--frozen", script.href, folder, how],
    ...{ stdin: "piped", stdout: "piped", stderr: "null" },
  }).spawn();
}

/** The same, once it is trying. */
async function startTrying(folder: string): Promise<Deno.ChildProcess> {
  const child = start(folder, "wait");
  const reader = child.stdout.getReader();
  await reader.read();
  reader.releaseLock();
  return child;
}

/** What the ended process ended by. */
async function end(child: Deno.ChildProcess): Promise<Deno.CommandStatus> {
  await child.stdin.close();
  await child.stdout.cancel();
  return await child.status;
}

async function crash(folder: string): Promise<void> {
  const { signal } = await end(start(folder, "crash"));
  assert.equal(signal, "SIGSEGV");
}

function trialsIn(folder: string | null): Promise<DriverTrials> {
  return openDriverTrials(DRIVER, { again: AGAIN, folder });
}

async function withFolder(
  work: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "hearth-trials-" });
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function filesIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name);
}

const TOLD = new RegExp(
  "^Hearth ended 2 times in a row while driver NVIDIA 580\\.95\\.05 was " +
    "compiling kernels, last on \\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d UTC " +
    "\\(--device vulkan:0 tries it again\\)$",
);

Deno.test({
  name: "openDriverTrials() tells of a driver that crashed twice in a row",
  ignore,
  fn: () =>
    withFolder(async (folder) => {
      await crash(folder);
      assert.equal((await trialsIn(folder)).whyNot, null);
      await crash(folder);
      assert.match((await trialsIn(folder)).whyNot!, TOLD);

      // Nobody takes it then, unless it is asked for.
      const machine = { trials: () => trialsIn(folder) };
      const warning = "Cannot use vulkan:0 (NVIDIA A30): " +
        `${(await trialsIn(folder)).whyNot}: using WebGPU`;
      for (const device of ["auto", "gpu:0", "a30"]) {
        const { sources, events } = gpuMachine(machine);
        const { id, warnings } = await choose({ device }, sources);
        assert.deepEqual([id, warnings], ["webgpu:0", [warning]]);
        assert.ok(!events.includes("open vulkan:0 fp32"));
      }
      const previous = {
        ...{ backend: "vulkan", name: "NVIDIA A30" } as const,
        adapter: { ...DRIVER, isSoftware: false },
      };
      const { sources } = gpuMachine(machine);
      const resumed = await choose({ device: "auto", previous }, sources);
      assert.deepEqual([resumed.id, resumed.warnings], ["webgpu:0", [warning]]);
      for (const device of ["vulkan", "vulkan:0", "vulkan:a30"]) {
        const { id, warnings } = await choose({ device }, sources);
        assert.deepEqual([id, warnings], ["vulkan:0", []]);
      }

      // The second card is shown by Vulkan alone.
      const strict = { device: "gpu:1", strict: true };
      await assert.rejects(openBackend(strict, sources), /2 times in a row/);

      // Asked for, it works after all.
      const trials = await trialsIn(folder);
      trials.begin("was compiling kernels")[Symbol.dispose]();
      trials.answered();
      trials.close();
      assert.deepEqual(filesIn(folder), []);
    }),
});

Deno.test({
  name: "openDriverTrials() takes processes killed at once for one crash",
  ignore,
  fn: () =>
    withFolder(async (folder) => {
      const first = await Promise.all([1, 2, 3].map(() => startTrying(folder)));
      // Who is at work has not crashed.
      const second = await startTrying(folder);
      assert.equal((await trialsIn(folder)).whyNot, null);
      for (const child of [...first, second]) {
        child.kill("SIGKILL");
        await end(child);
      }
      assert.equal(filesIn(folder).length, 4);
      const trials = await trialsIn(folder);
      assert.equal(trials.whyNot, null);
      // An answer while something is tried, and a device that is not used at
      // all, say nothing.
      const trial = trials.begin("was opening and testing the card");
      trials.answered();
      trial[Symbol.dispose]();
      trials.close();
      assert.equal(filesIn(folder).length, 4);
      // One that knew of them, and was killed as well, is the second.
      const fifth = await startTrying(folder);
      fifth.kill("SIGKILL");
      await end(fifth);
      const later = await trialsIn(folder);
      assert.match(later.whyNot!, TOLD);
      const third = await startTrying(folder);
      later.answered();
      later.close();
      assert.equal(filesIn(folder).length, 1);
      await end(third);
      assert.deepEqual(filesIn(folder), []);
    }),
});

Deno.test({
  name: "DriverTrials leave nothing when the process exits by itself",
  ignore,
  fn: () =>
    withFolder(async (folder) => {
      assert.equal((await end(start(folder, "exit"))).code, 3);
      assert.deepEqual(filesIn(folder), []);
      // Errors of a program that uses it, while something is tried.
      for (const how of ["throw", "reject"] as const) {
        assert.equal((await end(start(folder, how))).code, 1);
        assert.deepEqual(filesIn(folder), [], how);
      }
    }),
});

Deno.test({
  name: "forgetTrialsOf() blames nobody for a process that was to be killed",
  ignore,
  fn: () =>
    withFolder(async (folder) => {
      const one = await startTrying(folder), other = await startTrying(folder);
      one.kill("SIGKILL");
      await end(one);
      const [left] = filesIn(folder).filter((name) => {
        const text = Deno.readTextFileSync(join(folder, name));
        return JSON.parse(text).pid === one.pid;
      });
      // Neither one that lives, nor a process of that number elsewhere.
      await forgetTrialsOf(other.pid, folder);
      const path = join(folder, left), text = await Deno.readTextFile(path);
      const elsewhere = { ...JSON.parse(text), host: "other", bootId: "other" };
      await Deno.writeTextFile(path, JSON.stringify(elsewhere));
      await forgetTrialsOf(one.pid, folder);
      assert.equal(filesIn(folder).length, 2);
      await Deno.writeTextFile(path, text);
      await forgetTrialsOf(one.pid, folder);
      assert.ok(!filesIn(folder).includes(left));
      await end(other);
      assert.deepEqual(filesIn(folder), []);
      await forgetTrialsOf(one.pid, null);
      await forgetTrialsOf(one.pid, join(folder, "none"));
    }),
});

Deno.test({
  name: "openDriverTrials() forgets what is of others, old or damaged",
  ignore,
  fn: () =>
    withFolder(async (folder) => {
      const trials = await trialsIn(folder);
      const trial = trials.begin("was compiling kernels");
      const [name] = filesIn(folder);
      const text = await Deno.readTextFile(join(folder, name));
      trial[Symbol.dispose]();
      const known = JSON.parse(text);
      assert.equal(known.earlier, 0);
      const path = join(folder, name);
      const after = async (change: object | string) => {
        await Deno.writeTextFile(
          path,
          typeof change === "string"
            ? change
            : JSON.stringify({ ...known, earlier: 1, ...change }),
        );
        return (await trialsIn(folder)).whyNot;
      };
      assert.match((await after({}))!, TOLD);
      for (
        const change of [
          { driver: "NVIDIA 590.1" },
          { deviceId: "9" },
          { hearth: "0.0.1" },
          { host: "other", bootId: "other" }, // a home that is shared
          { earlier: -1 },
          { earlier: "1" },
          { doing: undefined },
          "",
          text.slice(0, 20),
          "[]",
          "null",
        ]
      ) assert.equal(await after(change), null, JSON.stringify(change));
      // A container of this machine, and this machine started anew.
      assert.match((await after({ host: "other" }))!, TOLD);
      assert.match((await after({ bootId: "other" }))!, TOLD);

      const days = (n: number) => new Date(Date.now() - n * 24 * 3600 * 1000);
      await Deno.utime(path, days(29), days(29));
      assert.match((await trialsIn(folder)).whyNot!, TOLD);
      await Deno.utime(path, days(31), days(31));
      assert.equal((await trialsIn(folder)).whyNot, null);
      assert.deepEqual(filesIn(folder), []);
      // Of a clock that was years ahead, and is set right.
      await after({});
      await Deno.utime(path, days(-1), days(-1));
      assert.match((await trialsIn(folder)).whyNot!, TOLD);
      await Deno.utime(path, days(-400), days(-400));
      assert.equal((await trialsIn(folder)).whyNot, null);
      assert.deepEqual(filesIn(folder), []);
    }),
});

Deno.test("DriverTrials do without a folder that can be written", async () => {
  await withFolder(async (folder) => {
    const file = join(folder, "file");
    await Deno.writeTextFile(file, "");
    for (const one of [null, join(file, "hearth"), "/proc/none"]) {
      const trials = await trialsIn(one);
      assert.equal(trials.whyNot, null);
      trials.begin("was compiling kernels")[Symbol.dispose]();
      trials.answered();
      trials.close();
    }
    assert.deepEqual(filesIn(folder), ["file"]);
  });
});

Deno.test({
  name: "a backend says what its driver may crash at, and that it answers",
  ignore: noAdapter,
  async fn() {
    const events: string[] = [];
    const trials: DriverTrials = {
      whyNot: null,
      begin(doing) {
        events.push(doing);
        return { [Symbol.dispose]: () => void events.push("-") };
      },
      answered: () => void events.push("answered"),
      close: () => void events.push("closed"),
    };
    const backend = await openTestGpu({ trials });
    const [first] = events, last = events.at(-1);
    assert.deepEqual([first, last], ["was opening and testing the card", "-"]);
    events.length = 0;
    const g = new Graph();
    g.sumSquares(g.input("x", [3], "f32"), { out: g.state("sum", [1]) });
    const executable = await backend.compile(plan({ g }));
    executable.write("x", Float32Array.of(1, 2, 3));
    await executable.run("g");
    await executable.run("g");
    assert.deepEqual(await executable.read("sum"), Float32Array.of(14));
    await backend.chooseKernels(plan({ g }), { tune: false });
    await executable.dispose();
    await backend.dispose();
    assert.deepEqual(events, [
      ...["was compiling kernels", "-", "was beginning to compute", "-"],
      ...["answered", "was compiling and timing kernels", "-", "closed"],
    ]);
  },
});
