/** What the machine and its drivers say, and what is kept of them. @module */

import { dirname, join } from "node:path";
import { countCores } from "../../src/backend/cpu/cores.ts";
import { diagnoseGpu } from "../../src/backend/devices/diagnose_gpu.ts";
import { gatherGpuFindings } from "../../src/backend/devices/gpu_findings.ts";
import type { AdapterInfo } from "../../src/backend/webgpu/device/adapters.ts";
import {
  formatGemm,
  gemmCandidates,
} from "../../src/backend/webgpu/choice/gemm_choice.ts";
import { lower } from "../../src/backend/webgpu/lowering/lower.ts";
import { ChosenKernels } from "../../src/backend/webgpu/tuning/kernel_choice.ts";
import {
  type KernelSite,
  recordSite,
  siteKey,
} from "../../src/backend/webgpu/tuning/kernel_sites.ts";
import { openTuningCache } from "../../src/backend/webgpu/tuning/tuning_cache.ts";
import { Graph } from "../../src/graph/graph.ts";
import { plan } from "../../src/graph/plan.ts";
import {
  findSysfsCard,
  readSysfsCard,
} from "../../src/run/telemetry/gpu_sysfs.ts";
import {
  isNvidiaGpu,
  parseNvidiaLine,
} from "../../src/run/telemetry/nvidia_smi.ts";
import { damagedJson } from "./_damage.ts";
import { mutateBytes, mutateText } from "./_mutate.ts";
import type { OpenTarget } from "./_targets.ts";

const ADAPTER = {
  ...{ id: "gpu:0", name: "GPU", isSoftware: false, vendor: "nvidia" as const },
  ...{ vendorId: "4318", deviceId: "9008", api: "vulkan" },
  ...{ subgroupSizes: null, features: new Set<string>(), limits: {} },
} as unknown as AdapterInfo;
const LIMITS = {
  maxComputeInvocationsPerWorkgroup: 1024,
  maxComputeWorkgroupStorageSize: 49152,
};
/** Sizes that divide by nothing: what a choice must do with them, too. */
const SITES: KernelSite[] = [
  {
    kind: "matmul",
    shape: { M: 33, N: 17, K: 70, transA: false, transB: false },
    sums: { addTo: false },
  },
  {
    kind: "attentionBackward",
    attrs: { B: 1, T: 9, H: 2, Hkv: 1, D: 8, p: 0.5, site: 0 },
  },
];

/** Choices that are known, and those that are nearly so. */
const TILES = gemmCandidates(LIMITS).map(formatGemm);
const ENDS = [
  ...["", ", apart", " / 2", " / 32, apart", " / 32", " / 3", " / 0", " / 33"],
  ...[" / 1e1", " / -1", " / 2 / 2", ", apart, apart", " /", " / NaN", "x"],
];

const SMI = "0, 0x233010DE, 00000000:65:00.0, " +
  "GPU-6f0c1d2e-3c5a-71d2-9e40-b6f1a8d0c733, 35 %, 1024, 81559 MiB, [N/A], " +
  "40, NVIDIA H100";
/** Below `dir`, as on a Linux machine below the root. */
const SYSTEM: Record<string, string> = {
  "card0/device/vendor": "0x10de\n",
  "card0/device/device": "0x2330\n",
  "card0/device/uevent": "DRIVER=amdgpu\nPCI_SLOT_NAME=0000:65:00.0\n",
  "card0/device/hwmon/hwmon0/name": "amdgpu\n",
  "card0/device/hwmon/hwmon0/temp1_input": "40000",
  "card0/device/mem_info_vram_used": "1024",
  "card0/device/hwmon/hwmon0/power1_average": "35000000",
  "sys/bus/pci/devices/slot-1/class": "0x030000\n",
  "sys/bus/pci/devices/slot-1/vendor": "0x10de\n",
  "sys/bus/pci/devices/slot-1/device": "0x2330\n",
  "usr/share/vulkan/icd.d/nvidia.json":
    '{"file_format_version":"1.0","ICD":{"library_path":"libGLX.so.0"}}',
  "proc/driver/nvidia/version":
    "NVRM version: NVIDIA UNIX Kernel Module  535.104.05  Sat Aug 19\n",
  "proc/version": "Linux version 6.1\n",
  "proc/1/cgroup": "0::/\n",
};
const CPUINFO = "processor : 0\nphysical id : 0\ncore id : 0\n\n" +
  "processor : 1\nphysical id : 0\ncore id : 1\n";

/** What tuning kept, and what a GPU's driver and its tools say. */
export async function openMachine(dir: string): Promise<OpenTarget> {
  const cache = openTuningCache(ADAPTER, dir);
  await cache.save(new ChosenKernels(ADAPTER, LIMITS).inWords(SITES));
  const [{ name }] = await Array.fromAsync(Deno.readDir(dir));
  const path = join(dir, name);
  const json = await Deno.readTextFile(path);
  const files = Object.entries(SYSTEM)
    .map(([name, text]) => [join(dir, name), text]);
  for (const [file] of files) {
    await Deno.mkdir(dirname(file), { recursive: true });
  }
  const encoder = new TextEncoder();
  return {
    async feed(random) {
      await Deno.writeFile(path, damagedJson(json, random));
      const choices = await cache.load();
      const count = Object.keys(choices).length;
      useChoices(choices);
      const tile = TILES[random.below(TILES.length)];
      const end = ENDS[random.below(ENDS.length)];
      useChoices({ [siteKey(SITES[0])]: `${tile}${end}` });

      const gpu = parseNvidiaLine(mutateText(SMI, random, [SMI, "No devices"]));
      if (gpu !== null) isNvidiaGpu(gpu, ADAPTER);

      for (const [file, text] of files) {
        const bytes = encoder.encode(text);
        const isWhole = random.below(3) > 0;
        await Deno.writeFile(
          file,
          isWhole ? bytes : mutateBytes(bytes, random, [bytes]),
        );
      }
      const card = await findSysfsCard(ADAPTER, dir);
      const looked = card === null ? {} : await readSysfsCard(card);
      const values = [gpu?.sample ?? {}, looked].flatMap(Object.values);
      if (values.some((one) => one !== null && !Number.isFinite(one))) {
        throw new Error(`no numbers: ${JSON.stringify(values)}`);
      }
      diagnoseGpu(gatherGpuFindings({ hasWebGpu: true, adapters: [] }, {
        ...{ root: dir, env: {} },
        load: (library) => random.below(2) === 0 ? null : `no ${library}`,
      }));
      const cores = countCores(mutateText(CPUINFO, random, [CPUINFO]));
      if (cores === 0) throw new Error("no cores");
      if (count === 0 || gpu === null) throw new Refused();
    },
    mayThrow: (error) => error instanceof Refused,
  };
}

/** The kernels of the sites, with what is chosen of the choices. */
function useChoices(choices: Record<string, string>): void {
  const chosen = new ChosenKernels(ADAPTER, LIMITS);
  chosen.take(choices);
  for (const site of SITES) {
    const g = new Graph();
    recordSite(g, site);
    const { phases } = lower(plan({ g }), {
      ...{ maxBindingBytes: 2 ** 27, precision: "fp32", fuse: true },
      maxBindings: 8,
      gemmVariant: (shape) => chosen.gemm(shape),
      attention: ({ op, attrs }) => chosen.attention(op, attrs),
    });
    for (const { workgroups } of phases.get("g")!) {
      if (workgroups.every((n) => Number.isInteger(n) && n > 0)) continue;
      throw new Error(`workgroups ${workgroups}`);
    }
  }
}

/** The file of choices, or the tool, says nothing. */
class Refused extends Error {}
