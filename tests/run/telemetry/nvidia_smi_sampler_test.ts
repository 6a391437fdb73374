import assert from "node:assert/strict";
import {
  type GpuIdentity,
  NO_GPU_SAMPLE,
} from "../../../src/run/telemetry/gpu_sample.ts";
import {
  endAtOnce,
  type NvidiaSmiOptions,
  NvidiaSmiSampler,
  retryDelayMs,
} from "../../../src/run/telemetry/nvidia_smi_sampler.ts";
import {
  isAlive,
  processStartedAt,
} from "../../../src/run/process/process_info.ts";
import { eventually } from "../_eventually.ts";

const A30 = { name: "NVIDIA A30", vendorId: "4318", deviceId: "8375" };
/** Where the nth card is, and its uuid. */
const at = (n: number) =>
  `00000000:0${n}:00.0, GPU-${n}f0c1d2e-3c5a-71d2-9e40-b6f1a8d0c733`;
const OTHER = `0, 0x1DB510DE, ${
  at(0)
}, 5, 1, 2, 3.00, 30, Tesla V100-SXM2-32GB`;
const BUSY = `1, 0x20B710DE, ${at(1)}, 93, 1024, 24576, 160.50, 58, NVIDIA A30`;
const TWIN = `2, 0x20B710DE, ${at(2)}, 1, 3, 24576, 20.00, 31, NVIDIA A30`;
const SAMPLE = {
  gpuUtilPct: 93,
  vramUsedBytes: 2 ** 30,
  vramTotalBytes: 24 * 2 ** 30,
  powerW: 160.5,
  tempC: 58,
};

/** Writes an nvidia-smi that counts how often it was started. */
async function fakeSmi(body: string) {
  const dir = await Deno.makeTempDir();
  const command = `${dir}/nvidia-smi`;
  await Deno.writeTextFile(
    command,
    `#!/bin/sh\necho $$ "$@" >> "${dir}/starts"\n${body}\n`,
    { mode: 0o755 },
  );
  const starts = async () => {
    const text = await Deno.readTextFile(`${dir}/starts`).catch(() => "");
    return text.split("\n").slice(0, -1);
  };
  return {
    command,
    starts,
    [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }),
  };
}

/**
 * Watches a card by such an nvidia-smi. However slow the machine, what was
 * seen does not grow old, and to close takes as long as it takes.
 */
const watch = (
  { command }: { command: string },
  options?: NvidiaSmiOptions,
  identity: GpuIdentity = A30,
) =>
  new NvidiaSmiSampler(identity, {
    command,
    now: () => 0,
    closeMs: 20_000,
    ...options,
  });

/** The process of the nth start. */
const pidOf = (starts: readonly string[], nth = 0) =>
  Number(starts[nth].split(" ")[0]);

/** A shell that keeps printing, as nvidia-smi does. */
const forever = (...lines: string[]) =>
  `while :; do\n${
    lines.map((line) => `echo "${line}"`).join("\n")
  }\nsleep 0.02\ndone`;

const unix = { ignore: Deno.build.os === "windows" };

Deno.test("NvidiaSmiSampler shows the GPU it is for", unix, async () => {
  await using smi = await fakeSmi(forever(OTHER, BUSY, TWIN));
  const sampler = watch(smi);
  assert.deepEqual(sampler.latest, NO_GPU_SAMPLE);
  await eventually(() => sampler.latest.gpuUtilPct !== null);
  assert.deepEqual(sampler.latest, SAMPLE);
  await sampler.close();

  const [start, ...more] = await smi.starts();
  assert.deepEqual(more, []); // one process, however many looks
  const [pid, ...args] = start.split(" ");
  assert.deepEqual(args, [
    "--query-gpu=index,pci.device_id,pci.bus_id,uuid,utilization.gpu," +
    "memory.used,memory.total,power.draw,temperature.gpu,name",
    "--format=csv,noheader,nounits",
    "--loop-ms=1000",
  ]);
  assert.equal(await processStartedAt(Number(pid)), null); // killed
});

Deno.test("NvidiaSmiSampler shows the second of twins", unix, async () => {
  await using smi = await fakeSmi(forever(OTHER, BUSY, TWIN));
  const second = { ...A30, pciAddress: "0000:02:00.0" };
  const sampler = watch(smi, {}, second);
  await eventually(() => sampler.latest.gpuUtilPct !== null);
  assert.deepEqual(sampler.latest, {
    gpuUtilPct: 1,
    vramUsedBytes: 3 * 2 ** 20,
    vramTotalBytes: 24 * 2 ** 30,
    powerW: 20,
    tempC: 31,
  });
  await sampler.close();
});

Deno.test("NvidiaSmiSampler puts torn output together", unix, async () => {
  const half = BUSY.slice(0, 20);
  await using smi = await fakeSmi(
    `printf '%s' "${half}"; sleep 0.05; echo "${BUSY.slice(20)}"; exec sleep 9`,
  );
  const sampler = watch(smi);
  await eventually(() => sampler.latest.gpuUtilPct !== null);
  assert.deepEqual(sampler.latest, SAMPLE);
  await sampler.close();
});

Deno.test("NvidiaSmiSampler forgets what is old", unix, async () => {
  await using smi = await fakeSmi(`echo "${BUSY}"; exec sleep 9`);
  let nowMs = 0;
  const sampler = watch(smi, { now: () => nowMs });
  await eventually(() => sampler.latest.gpuUtilPct !== null);
  nowMs = 4999;
  assert.deepEqual(sampler.latest, SAMPLE);
  nowMs = 5000;
  assert.deepEqual(sampler.latest, NO_GPU_SAMPLE);
  await sampler.close();
});

Deno.test("NvidiaSmiSampler kills it when it is closed", unix, async () => {
  await using smi = await fakeSmi("exec sleep 60"); // and says nothing
  const sampler = watch(smi);
  await eventually(async () => (await smi.starts()).length > 0);
  const pid = pidOf(await smi.starts());
  assert.notEqual(await processStartedAt(pid), null);
  await sampler.close();
  assert.equal(await processStartedAt(pid), null);
});

Deno.test("NvidiaSmiSampler starts it again when it dies", unix, async () => {
  // Dies in the middle of a line; the second start works.
  await using smi = await fakeSmi(
    `if [ -e "$0.again" ]; then ${forever(BUSY)}; fi\n` +
      `touch "$0.again"; printf '1, 0x20B710DE, 50, 10'; exit 9`,
  );
  const sampler = watch(smi, { delayMs: () => 1 });
  await eventually(() => sampler.latest.gpuUtilPct !== null);
  assert.deepEqual(sampler.latest, SAMPLE);
  assert.equal((await smi.starts()).length, 2);
  await sampler.close();
});

Deno.test("NvidiaSmiSampler starts it again when it hangs", unix, async () => {
  // As while a driver is reset: a line, and then nothing any more.
  await using smi = await fakeSmi(
    `if [ -e "$0.hung" ]; then ${forever(BUSY)}; fi\n` +
      `echo $$ > "$0.pid"; mv "$0.pid" "$0.hung"\n` +
      `echo "${OTHER}"; exec sleep 60`,
  );
  const hung = () => {
    try {
      return Number(Deno.readTextFileSync(`${smi.command}.hung`));
    } catch {
      return null; // it has not come to that yet
    }
  };
  let isOver = false;
  const sampler = watch(smi, {
    delayMs: () => 1,
    silenceMs: 20,
    kill(process) {
      // On a busy machine, others are silent for as long.
      if (isOver || process.pid === hung()) endAtOnce(process);
    },
  });
  await eventually(() => sampler.latest.gpuUtilPct === SAMPLE.gpuUtilPct);
  assert.equal((await smi.starts()).length, 2);
  assert.equal(await processStartedAt(hung()!), null);
  isOver = true;
  await sampler.close();
});

Deno.test(
  "NvidiaSmiSampler leaves behind what cannot be killed",
  unix,
  async () => {
    // A process that waits for a driver in the kernel ends when that answers.
    await using smi = await fakeSmi(`echo "${BUSY}"; exec sleep 60`);
    const processes: Deno.ChildProcess[] = [];
    const sampler = watch(smi, {
      closeMs: 20,
      kill: (process) => void processes.push(process),
    });
    await eventually(() => sampler.latest.gpuUtilPct !== null);
    await sampler.close();
    assert.equal(processes.length, 1);
    processes[0].ref();
    processes[0].kill("SIGKILL");
    await processes[0].status;
  },
);

Deno.test(
  "NvidiaSmiSampler counts starts that gave nothing",
  unix,
  async () => {
    const failures = async (steadyMs?: number) => {
      await using smi = await fakeSmi(
        `case $(wc -l < "\${0%/*}/starts") in\n` +
          `4) echo "${BUSY}" ;;\n6) ${forever(BUSY)} ;;\nesac\n` +
          "echo No devices were found; exit 6",
      );
      const failures: number[] = [];
      let looks = 0; // at the clock: no two at the same time
      const sampler = watch(smi, {
        now: () => looks++,
        steadyMs,
        delayMs: (count) => {
          failures.push(count);
          return 1;
        },
      });
      await eventually(async () => (await smi.starts()).length === 6);
      await sampler.close();
      return failures;
    };
    assert.deepEqual(await failures(0), [0, 1, 2, 0, 1]);
    // One line and the end of it is not worth a start for each second.
    assert.deepEqual(await failures(), [0, 1, 2, 3, 4]);
  },
);

Deno.test(
  "NvidiaSmiSampler ends what talks nonsense without end",
  unix,
  async () => {
    for (const flood of ["cat /dev/zero", "yes nonsense"]) {
      await using smi = await fakeSmi(
        `if [ -e "$0.again" ]; then ${forever(BUSY)}; fi\n` +
          `touch "$0.again"; exec ${flood}`,
      );
      const sampler = watch(smi, { delayMs: () => 1 });
      await eventually(() => sampler.latest.gpuUtilPct !== null);
      const starts = await smi.starts();
      assert.equal(starts.length, 2);
      assert.equal(await processStartedAt(pidOf(starts)), null);
      await sampler.close();
    }
  },
);

Deno.test("NvidiaSmiSampler leaves no pipes of what it has ended", {
  ignore: Deno.build.os !== "linux", // which shows them
}, async () => {
  await using smi = await fakeSmi("exec cat /dev/zero");
  const pipes = () =>
    Array.from(Deno.readDirSync("/proc/self/fd"), ({ name }) => {
      try {
        return Deno.readLinkSync(`/proc/self/fd/${name}`);
      } catch {
        return ""; // it was that of the directory
      }
    }).filter((target) => target.startsWith("pipe:"));
  const before = new Set(pipes());
  let ends = 0;
  const sampler = watch(smi, {
    delayMs: () => {
      ends++;
      return 1;
    },
  });
  await eventually(() => ends >= 3); // it may end twice between two looks
  await sampler.close();
  assert.deepEqual(pipes().filter((one) => !before.has(one)), []);
});

Deno.test("NvidiaSmiSampler closes as nvidia-smi ends", unix, async () => {
  await using smi = await fakeSmi(forever(BUSY));
  const sampler = watch(smi);
  await eventually(() => sampler.latest.gpuUtilPct !== null);
  // As Deno does between a process's end and word of it.
  const child = Deno.ChildProcess.prototype, { ref } = child;
  child.ref = () => {
    throw new Deno.errors.BadResource("Bad resource ID");
  };
  try {
    await sampler.close();
  } finally {
    child.ref = ref;
  }
  assert.equal(await processStartedAt(pidOf(await smi.starts())), null);
});

Deno.test("retryDelayMs() doubles up to a minute", () => {
  assert.deepEqual(
    [0, 1, 5, 6, 10_000].map(retryDelayMs),
    [1000, 2000, 32_000, 60_000, 60_000],
  );
});

Deno.test("NvidiaSmiSampler knows nothing where it is not installed", async () => {
  const sampler = new NvidiaSmiSampler(A30, { command: "/no/such/command" });
  assert.deepEqual(sampler.latest, NO_GPU_SAMPLE);
  await sampler.close();
});

Deno.test("nvidia-smi ends when its parent is killed", unix, async () => {
  await using smi = await fakeSmi(forever(BUSY));
  const module = import.meta.resolve(
    "../../../src/run/telemetry/nvidia_smi_sampler.ts",
  );
  const parent = new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      `import { NvidiaSmiSampler } from "${module}";
       new NvidiaSmiSampler(${JSON.stringify(A30)}, {
         command: ${JSON.stringify(smi.command)},
       });
       setInterval(() => {}, 1000);`,
    ],
    stdout: "null",
  }).spawn();
  await eventually(async () => (await smi.starts()).length > 0);
  const pid = pidOf(await smi.starts());
  const child = { pid, processStartedAt: await processStartedAt(pid) };
  assert.ok(await isAlive(child));
  parent.kill("SIGKILL");
  await parent.status;
  await eventually(async () => !await isAlive(child));
});

Deno.test(
  "NvidiaSmiSampler does not keep a process from ending",
  unix,
  async () => {
    await using smi = await fakeSmi(forever(BUSY));
    const module = import.meta.resolve(
      "../../../src/run/telemetry/nvidia_smi_sampler.ts",
    );
    const { code } = await new Deno.Command(Deno.execPath(), {
      args: [
        "eval",
        `import { NvidiaSmiSampler } from "${module}";
       new NvidiaSmiSampler(${JSON.stringify(A30)}, {
         command: ${JSON.stringify(smi.command)},
       });`,
      ],
      signal: AbortSignal.timeout(20_000), // else the test would hang
    }).output();
    assert.equal(code, 0);
    // It has started nvidia-smi, which ends at its next line.
    await eventually(async () => (await smi.starts()).length > 0);
    const pid = pidOf(await smi.starts());
    await eventually(async () =>
      !await isAlive({ pid, processStartedAt: null })
    );
  },
);
