import assert from "node:assert/strict";
import { exists } from "../../../src/base/exists.ts";
import { NO_GPU_SAMPLE } from "../../../src/run/telemetry/gpu_sample.ts";
import {
  freeGpuMemory,
  lookAtGpu,
  openGpuSampler,
} from "../../../src/run/telemetry/gpu_sampler.ts";
import { eventually } from "../_eventually.ts";

const A30 = { name: "NVIDIA A30", vendorId: "4318", deviceId: "8375" };
/** Where the nth card is, and its uuid. */
const at = (n: number) =>
  `00000000:0${n}:00.0, GPU-${n}f0c1d2e-3c5a-71d2-9e40-b6f1a8d0c733`;
const MIB = 2 ** 20;
const HOUR_MS = 3_600_000;

const unix = { ignore: Deno.build.os === "windows" };

/** Puts an nvidia-smi before all others on the PATH. */
async function withSmi(
  body: string,
  test: (command: string) => Promise<void>,
) {
  const dir = await Deno.makeTempDir();
  const path = Deno.env.get("PATH") ?? "";
  try {
    const file = `${dir}/nvidia-smi`;
    await Deno.writeTextFile(file, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
    Deno.env.set("PATH", `${dir}:${path}`);
    await test(file);
  } finally {
    Deno.env.set("PATH", path);
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("lookAtGpu() asks nvidia-smi once", unix, () =>
  withSmi(
    `echo '0, 0x1DB510DE, ${at(0)}, 5, 1, 2, 3, 30, Tesla V100-SXM2-32GB'\n` +
      `echo '1, 0x20B710DE, ${
        at(1)
      }, 93, 1024, 24576, 160.50, 58, NVIDIA A30'\n` +
      `echo '2, 0x20B710DE, ${at(2)}, 0, 3, 24576, 20.00, 31, NVIDIA A30'`,
    async () => {
      assert.deepEqual(await lookAtGpu(A30), {
        gpuUtilPct: 93,
        vramUsedBytes: 1024 * MIB,
        vramTotalBytes: 24576 * MIB,
        powerW: 160.5,
        tempC: 58,
      });
      const { name, vendorId, deviceId } = A30;
      const adapter = { vendorId, deviceId, isSoftware: false };
      const device = {
        backend: "webgpu",
        id: "gpu:0",
        kernels: "",
        name,
        adapter,
      } as const;
      assert.equal(await freeGpuMemory(device), (24576 - 1024) * MIB);
      const at2 = { ...adapter, pciAddress: "0000:02:00.0" };
      const twin = { ...device, adapter: at2 };
      assert.equal(await freeGpuMemory(twin), (24576 - 3) * MIB);
      const software = { ...device, adapter: { ...adapter, isSoftware: true } };
      assert.equal(await freeGpuMemory(software), null);
    },
  ));

Deno.test(
  "lookAtGpu() knows nothing where nvidia-smi fails",
  unix,
  () =>
    withSmi("echo Failed to initialize NVML; exit 18", async () => {
      assert.deepEqual(await lookAtGpu(A30), NO_GPU_SAMPLE);
    }),
);

/** Runs `body` where a timer for that long rings when it is told to. */
async function withTimer(
  ms: number,
  body: (ring: () => void) => Promise<void>,
) {
  const { setTimeout } = globalThis;
  let ring = () => {};
  globalThis.setTimeout = ((callback: () => void, delayMs?: number) => {
    if (delayMs !== ms) return setTimeout(callback, delayMs);
    ring = callback;
  }) as typeof setTimeout;
  try {
    await body(() => ring());
  } finally {
    globalThis.setTimeout = setTimeout;
  }
}

Deno.test(
  "lookAtGpu() gives up on an nvidia-smi that hangs",
  unix,
  () =>
    withSmi(
      "trap '' TERM\n" +
        `echo '0, 0x20B710DE, ${
          at(0)
        }, 93, 1024, 24576, 160.50, 58, NVIDIA A30'\n` +
        // More than a pipe holds: once it is written, the line is read.
        'head -c 600000 /dev/zero; : > "$0.said"\n' +
        "exec sleep 60",
      (command) =>
        withTimer(HOUR_MS, async (ring) => {
          const looking = lookAtGpu(A30, { timeoutMs: HOUR_MS });
          await eventually(() => exists(`${command}.said`));
          ring();
          const { vramTotalBytes } = await looking;
          assert.equal(vramTotalBytes, 24576 * MIB); // what it said before
        }),
    ),
);

Deno.test(
  "lookAtGpu() does not listen to nonsense without end",
  unix,
  () =>
    withSmi("exec cat /dev/zero", async () => {
      // An hour, or the memory of the machine.
      const options = { timeoutMs: HOUR_MS };
      assert.deepEqual(await lookAtGpu(A30, options), NO_GPU_SAMPLE);
    }),
);

Deno.test("lookAtGpu() knows nothing of a GPU that nobody shows", async () => {
  const unknown = { name: "none", vendorId: "1", deviceId: "1" };
  assert.deepEqual(await lookAtGpu(unknown), NO_GPU_SAMPLE);
});

Deno.test("openGpuSampler() looks where there is a tool for it", async () => {
  const amd = { name: "AMD Radeon", vendorId: "4098", deviceId: "1" };
  for (const [identity, os] of [[A30, null], [amd, "linux"]] as const) {
    const sampler = openGpuSampler(identity);
    const expected = os === null || Deno.build.os === os;
    assert.equal(sampler !== null, expected);
    await sampler?.close();
  }
});
