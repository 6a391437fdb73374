import assert from "node:assert/strict";
import { dirname } from "node:path";
import { NO_GPU_SAMPLE } from "../../../src/run/telemetry/gpu_sample.ts";
import {
  findSysfsCard,
  meanPowerW,
  readSysfsCard,
  SysfsSampler,
} from "../../../src/run/telemetry/gpu_sysfs.ts";
import { lookAtGpu } from "../../../src/run/telemetry/gpu_sampler.ts";
import { eventually } from "../_eventually.ts";

const RADEON = {
  name: "AMD Radeon RX 7900 XTX (RADV NAVI31)",
  vendorId: "4098",
  deviceId: "29772",
};
const ARC = {
  name: "Intel(R) Arc(tm) A770 Graphics (DG2)",
  vendorId: "32902",
  deviceId: "22176",
};

/** What the kernel shows of a machine with both, and a monitor at the first. */
const FILES = {
  "card0/device/vendor": "0x8086\n",
  "card0/device/device": "0x56a0\n",
  "card0/device/hwmon/hwmon2/name": "i915\n",
  "card0/device/hwmon/hwmon2/energy1_input": "5000000\n",
  "card0-DP-1/status": "connected\n",
  "card1/device/vendor": "0x1002\n",
  "card1/device/device": "0x744c\n",
  "card1/device/gpu_busy_percent": "87\n",
  "card1/device/mem_info_vram_used": "1073741824\n",
  "card1/device/mem_info_vram_total": "25753026560\n",
  "card1/device/hwmon/hwmon7/power1_average": "243000000\n",
  "card1/device/hwmon/hwmon7/temp1_input": "61000\n",
  "renderD128/device/vendor": "0x1002\n",
};

const unix = { ignore: Deno.build.os === "windows" };

async function fakeSysfs(files: Record<string, string> = FILES) {
  const root = await Deno.makeTempDir();
  for (const [name, text] of Object.entries(files)) {
    await Deno.mkdir(dirname(`${root}/${name}`), { recursive: true });
    await Deno.writeTextFile(`${root}/${name}`, text);
  }
  return {
    root,
    [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }),
  };
}

Deno.test("readSysfsCard() reads what amdgpu tells", async () => {
  await using sysfs = await fakeSysfs();
  const card = await findSysfsCard(RADEON, sysfs.root);
  assert.deepEqual(await readSysfsCard(card!), {
    gpuUtilPct: 87,
    vramUsedBytes: 2 ** 30,
    vramTotalBytes: 25753026560,
    powerW: 243,
    tempC: 61,
    energyJ: null,
  });
});

Deno.test("readSysfsCard() leaves unknown what i915 does not tell", async () => {
  await using sysfs = await fakeSysfs();
  const card = await findSysfsCard(ARC, sysfs.root);
  assert.deepEqual(await readSysfsCard(card!), {
    ...NO_GPU_SAMPLE,
    energyJ: 5,
  });
});

Deno.test("readSysfsCard() takes power1_input where there is no average", async () => {
  await using sysfs = await fakeSysfs({
    "card0/device/vendor": "0x1002\n",
    "card0/device/device": "0x744c\n",
    "card0/device/gpu_busy_percent": "\n", // asleep: reads as empty
    "card0/device/hwmon/hwmon0/power1_input": "31500000\n",
  });
  const card = await findSysfsCard(RADEON, sysfs.root);
  const { powerW, gpuUtilPct } = await readSysfsCard(card!);
  assert.equal(powerW, 31.5);
  assert.equal(gpuUtilPct, null);
});

Deno.test("readSysfsCard() takes the sensors of the card, not of a part", async () => {
  await using sysfs = await fakeSysfs({
    "card0/device/vendor": "0x8086\n",
    "card0/device/device": "0x56a0\n",
    // i915: one of its own for each graphics unit; numbers say nothing.
    "card0/device/hwmon/hwmon3/name": "i915_gt0\n",
    "card0/device/hwmon/hwmon3/energy1_input": "7000000\n",
    "card0/device/hwmon/hwmon4/name": "i915\n",
    "card0/device/hwmon/hwmon4/energy1_input": "9000000\n",
    "card0/device/hwmon/hwmon4/temp1_input": "47000\n",
  });
  const card = await findSysfsCard(ARC, sysfs.root);
  const { energyJ, tempC } = await readSysfsCard(card!);
  assert.deepEqual([energyJ, tempC], [9, 47]);
});

Deno.test("readSysfsCard() takes the package where xe tells of no card", async () => {
  await using sysfs = await fakeSysfs({
    "card0/device/vendor": "0x8086\n",
    "card0/device/device": "0x56a0\n",
    "card0/device/hwmon/hwmon5/name": "xe\n",
    "card0/device/hwmon/hwmon5/energy2_input": "123456789\n",
    "card0/device/hwmon/hwmon5/power2_max": "120000000\n", // a limit
    "card0/device/hwmon/hwmon5/temp2_input": "52000\n",
    "card0/device/hwmon/hwmon5/temp3_input": "60000\n", // memory
    "card0/device/hwmon/hwmon5/fan1_input": "800\n",
  });
  const card = await findSysfsCard(ARC, sysfs.root);
  assert.deepEqual(await readSysfsCard(card!), {
    ...NO_GPU_SAMPLE,
    tempC: 52,
    energyJ: 123.456789,
  });
});

Deno.test("readSysfsCard() reads an Instinct, whose first sensor is the junction", async () => {
  await using sysfs = await fakeSysfs({
    "card1/device/vendor": "0x1002\n",
    "card1/device/device": "0x744c\n",
    "card1/device/gpu_busy_percent": "100\n",
    "card1/device/mem_info_vram_used": "296480768\n",
    "card1/device/mem_info_vram_total": "206141652992\n",
    "card1/device/hwmon/hwmon9/name": "amdgpu\n",
    "card1/device/hwmon/hwmon9/power1_input": "612000000\n",
    "card1/device/hwmon/hwmon9/temp2_input": "71000\n",
    "card1/device/hwmon/hwmon9/temp2_label": "junction\n",
    "card1/device/hwmon/hwmon9/temp3_input": "55000\n",
  });
  const card = await findSysfsCard(RADEON, sysfs.root);
  assert.deepEqual(await readSysfsCard(card!), {
    gpuUtilPct: 100,
    vramUsedBytes: 296480768,
    vramTotalBytes: 206141652992,
    powerW: 612,
    tempC: 71,
    energyJ: null,
  });
});

Deno.test("findSysfsCard() finds no card where there is none", async () => {
  await using sysfs = await fakeSysfs();
  const other = { ...RADEON, deviceId: "1" };
  const nameless = { ...RADEON, vendorId: "" };
  assert.equal(await findSysfsCard(other, sysfs.root), null);
  assert.equal(await findSysfsCard(nameless, sysfs.root), null);
  assert.equal(await findSysfsCard(RADEON, `${sysfs.root}/none`), null);
});

Deno.test("findSysfsCard() tells equal cards apart", async () => {
  const card = (n: number, uevent: string, busy: number) => ({
    [`card${n}/device/vendor`]: "0x1002\n",
    [`card${n}/device/device`]: "0x744c\n",
    [`card${n}/device/uevent`]: uevent,
    [`card${n}/device/gpu_busy_percent`]: `${busy}\n`,
  });
  const uevent = (place: string) =>
    "DRIVER=amdgpu\nPCI_CLASS=30000\nPCI_ID=1002:744C\n" +
    `PCI_SLOT_NAME=${place}\nMODALIAS=pci:v00001002d0000744C\n`;
  await using sysfs = await fakeSysfs({
    ...card(0, uevent("0000:03:00.0"), 5),
    ...card(1, uevent("0000:83:00.0"), 95),
  });
  const busy = async (pciAddress?: string) => {
    const found = await findSysfsCard({ ...RADEON, pciAddress }, sysfs.root);
    return found && (await readSysfsCard(found)).gpuUtilPct;
  };
  assert.equal(await busy("0000:03:00.0"), 5);
  assert.equal(await busy("0000:83:00.0"), 95);
  assert.equal(await busy("0000:84:00.0"), null);
  assert.equal(await busy(), 5); // as WebGPU does not tell

  await using mute = await fakeSysfs(card(0, "DRIVER=amdgpu\n", 5));
  const second = { ...RADEON, pciAddress: "0000:83:00.0" };
  assert.ok(await findSysfsCard(second, mute.root));
});

Deno.test("SysfsSampler follows the card until it is closed", async () => {
  await using sysfs = await fakeSysfs();
  const { root } = sysfs;
  const sampler = new SysfsSampler(RADEON, { root, intervalMs: 1 });
  assert.deepEqual(sampler.latest, NO_GPU_SAMPLE);
  await eventually(() => sampler.latest.gpuUtilPct === 87);
  await Deno.writeTextFile(
    `${sysfs.root}/card1/device/gpu_busy_percent`,
    "12\n",
  );
  await eventually(() => sampler.latest.gpuUtilPct === 12);
  await sampler.close();
});

Deno.test(
  "SysfsSampler knows nothing while the driver hangs",
  unix,
  async () => {
    await using sysfs = await fakeSysfs();
    const { root } = sysfs;
    let nowMs = 7000;
    const sampler = new SysfsSampler(RADEON, {
      root,
      intervalMs: 1,
      now: () => nowMs,
    });
    await eventually(() => sampler.latest.gpuUtilPct === 87);
    const file = await hangingFile(`${root}/card1/device/gpu_busy_percent`);
    const release = await file.reached();
    nowMs += 4999;
    assert.equal(sampler.latest.gpuUtilPct, 87);
    nowMs += 1;
    assert.deepEqual(sampler.latest, NO_GPU_SAMPLE);
    await release();
    await eventually(() => sampler.latest.powerW === 243);
    await sampler.close();
  },
);

Deno.test("lookAtGpu() does not wait for a driver that hangs", {
  ...unix,
  sanitizeOps: false, // the read that nobody waits for ends at some time
}, async () => {
  await using sysfs = await fakeSysfs();
  const { root } = sysfs;
  const file = await hangingFile(`${root}/card1/device/mem_info_vram_used`);
  const looking = lookAtGpu(RADEON, { root, timeoutMs: 1 });
  const release = await file.reached();
  assert.deepEqual(await looking, NO_GPU_SAMPLE);
  await release();
});

/** Makes a file whose reader waits. */
async function hangingFile(path: string) {
  const pipe = `${path}.pipe`;
  await new Deno.Command("mkfifo", { args: [pipe] }).output();
  await Deno.rename(pipe, path);
  return {
    /** Returns once one waits, with what lets it read nothing. */
    async reached() {
      const writer = await Deno.open(path, { write: true });
      return async () => {
        await Deno.remove(path);
        writer.close();
      };
    },
  };
}

Deno.test("meanPowerW() derives power from energy", () => {
  const before = { joules: 5, atMs: 1000 };
  assert.equal(meanPowerW(before, { joules: 305, atMs: 3000 }), 150);
  assert.equal(meanPowerW(before, { joules: 5, atMs: 3000 }), 0);
  assert.equal(meanPowerW(before, { joules: 1, atMs: 3000 }), null);
  assert.equal(meanPowerW(before, { joules: 9, atMs: 1000 }), null);
});

Deno.test("SysfsSampler gives power where there is only energy", async () => {
  await using sysfs = await fakeSysfs();
  const { root } = sysfs;
  const sampler = new SysfsSampler(ARC, { root, intervalMs: 1 });
  await eventually(() => sampler.latest.powerW !== null);
  assert.equal(sampler.latest.powerW, 0); // the counter stands still
  await sampler.close();
});

Deno.test("SysfsSampler can be closed at once", async () => {
  await using sysfs = await fakeSysfs();
  await new SysfsSampler(RADEON, sysfs).close();
});
