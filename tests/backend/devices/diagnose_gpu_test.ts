import assert from "node:assert/strict";
import {
  diagnoseGpu,
  uselessVariables,
} from "../../../src/backend/devices/diagnose_gpu.ts";
import type { GpuFindings } from "../../../src/backend/devices/gpu_findings.ts";

const A30 = { vendorId: 0x10de, deviceId: 0x20b7, driver: "nvidia" };
const RADEON = { vendorId: 0x1002, deviceId: 0x744c, driver: "amdgpu" };
const ARC = { vendorId: 0x8086, deviceId: 0x56a0, driver: "i915" };
/** The console of a server: no GPU to anyone. */
const ASPEED = { vendorId: 0x1a03, deviceId: 0x2000, driver: "ast" };

const LLVMPIPE = {
  name: "llvmpipe",
  isSoftware: true,
  vendor: "mesa",
} as const;
const SHOWN = { name: "A30", isSoftware: false, vendor: "nvidia" } as const;

const LVP_ICD = {
  path: "/usr/share/vulkan/icd.d/lvp_icd.x86_64.json",
  library: "libvulkan_lvp.so",
  problem: null,
};
const NVIDIA_ICD = {
  path: "/etc/vulkan/icd.d/nvidia_icd.json",
  library: "libGLX_nvidia.so.0",
  problem: null,
};
const RADEON_ICD = {
  path: "/usr/share/vulkan/icd.d/radeon_icd.x86_64.json",
  library: "libvulkan_radeon.so",
  problem: null,
};

/** A machine with an A30 whose driver is complete, yet shows only llvmpipe. */
const NVIDIA: GpuFindings = {
  os: "linux",
  hasWebGpu: true,
  adapters: [LLVMPIPE],
  env: {},
  isContainer: false,
  isWsl: false,
  cards: [ASPEED, A30],
  loaderProblem: null,
  icds: [LVP_ICD, NVIDIA_ICD],
  renderNodes: [],
  nvidiaNodes: [{ path: "/dev/nvidia0", access: "open" }],
  nvidiaKernelVersion: "535.104.05",
  nvidiaLibraryVersion: "535.104.05",
};

/** The same with a Radeon. */
const AMD: GpuFindings = {
  ...NVIDIA,
  cards: [RADEON],
  icds: [LVP_ICD, RADEON_ICD],
  renderNodes: [{ path: "/dev/dri/renderD128", access: "open" }],
  nvidiaNodes: [],
  nvidiaKernelVersion: null,
  nvidiaLibraryVersion: null,
};

const NO_CARD: GpuFindings = { ...AMD, cards: [ASPEED], renderNodes: [] };

const CASES: [
  what: string,
  findings: GpuFindings,
  problem: RegExp,
  fix: RegExp | null,
][] = [
  [
    "a runtime without WebGPU",
    { ...NVIDIA, hasWebGpu: false },
    /no WebGPU/,
    /official build of Deno/,
  ],
  [
    "no Vulkan loader",
    {
      ...NVIDIA,
      adapters: [],
      loaderProblem: "libvulkan.so.1: cannot open shared object file",
    },
    /Vulkan loader is missing \(libvulkan\.so\.1: cannot open/,
    /apt install libvulkan1/,
  ],
  [
    "a search that leaves out Vulkan",
    { ...NVIDIA, env: { DENO_WEBGPU_BACKEND: "gl" } },
    /DENO_WEBGPU_BACKEND=gl leaves out Vulkan/,
    /unset DENO_WEBGPU_BACKEND/,
  ],
  [
    "a variable that names no driver",
    {
      ...NVIDIA,
      env: { VK_DRIVER_FILES: "/no.json" },
      icds: [{
        path: "/no.json",
        library: null,
        problem: "the file cannot be read",
      }],
    },
    /VK_DRIVER_FILES names "\/no.json": the file cannot be read/,
    /unset VK_DRIVER_FILES/,
  ],
  [
    "a container that no NVIDIA card is passed into",
    {
      ...NVIDIA,
      isContainer: true,
      nvidiaKernelVersion: null,
      nvidiaNodes: [],
      icds: [],
    },
    /NVIDIA card .* not passed into the container/,
    /--gpus all/,
  ],
  [
    "a container with the module of its host, but no device",
    { ...NVIDIA, isContainer: true, nvidiaNodes: [] },
    /not passed into the container/,
    /--gpus all/,
  ],
  [
    "a container that is meant to have no GPU",
    {
      ...NO_CARD,
      isContainer: true,
      env: { NVIDIA_VISIBLE_DEVICES: "void" },
    },
    /not passed into the container/,
    /NVIDIA_VISIBLE_DEVICES=all/,
  ],
  [
    "a container without the graphics capability",
    {
      ...NVIDIA,
      isContainer: true,
      icds: [LVP_ICD],
      env: { NVIDIA_DRIVER_CAPABILITIES: "compute,utility" },
    },
    /without its graphics part \(NVIDIA_DRIVER_CAPABILITIES=compute,utility\)/,
    /-e NVIDIA_DRIVER_CAPABILITIES=all/,
  ],
  [
    "such a container that hides the PCI bus",
    { ...NVIDIA, cards: [], isContainer: true, icds: [] },
    /without its graphics part/,
    /-e NVIDIA_DRIVER_CAPABILITIES=all/,
  ],
  [
    "a card without NVIDIA's driver",
    {
      ...NVIDIA,
      cards: [{ ...A30, driver: null }],
      nvidiaKernelVersion: null,
      nvidiaNodes: [],
    },
    /its driver is not loaded/,
    /ubuntu-drivers install/,
  ],
  [
    "a card on nouveau",
    {
      ...NVIDIA,
      cards: [{ ...A30, driver: "nouveau" }],
      nvidiaKernelVersion: null,
    },
    /nouveau/,
    /install NVIDIA's driver/,
  ],
  [
    "a driver without device files",
    { ...NVIDIA, nvidiaNodes: [] },
    /535\.104\.05 is loaded, but there is no \/dev\/nvidia0/,
    /nvidia-modprobe/,
  ],
  [
    "a device file of others",
    { ...NVIDIA, nvidiaNodes: [{ path: "/dev/nvidia0", access: "denied" }] },
    /"\/dev\/nvidia0" cannot be opened/,
    /ls -l \/dev\/nvidia0/,
  ],
  [
    "a device file without a device",
    { ...NVIDIA, nvidiaNodes: [{ path: "/dev/nvidia0", access: "dead" }] },
    /"\/dev\/nvidia0" leads to no device/,
    /dmesg/,
  ],
  [
    "a driver without its Vulkan part",
    { ...NVIDIA, icds: [LVP_ICD] },
    /without its Vulkan part/,
    /apt install libnvidia-gl-535$/,
  ],
  [
    "a driver that lacks the libraries of a display",
    {
      ...NVIDIA,
      icds: [{
        ...NVIDIA_ICD,
        problem: "libXext.so.6: cannot open shared object file",
      }],
    },
    /libGLX_nvidia\.so\.0, which cannot be loaded: libXext/,
    /apt install libxext6 libx11-6/,
  ],
  [
    "a driver that lacks glvnd",
    {
      ...NVIDIA,
      icds: [{
        ...NVIDIA_ICD,
        problem: "libGLdispatch.so.0: cannot open shared object file",
      }],
    },
    /libGLdispatch/,
    /libegl1 libgl1 libglvnd0/,
  ],
  [
    "a driver whose library is not there",
    {
      ...NVIDIA,
      icds: [{
        ...NVIDIA_ICD,
        problem: "libGLX_nvidia.so.0: cannot open shared object file",
      }],
    },
    /libGLX_nvidia\.so\.0: cannot open/,
    /same version as the kernel module/,
  ],
  [
    "libraries and module of different versions",
    { ...NVIDIA, nvidiaLibraryVersion: "535.183.01" },
    /libraries are 535\.183\.01, its kernel module is 535\.104\.05/,
    /reboot/,
  ],
  [
    "a complete driver that shows nothing",
    NVIDIA,
    /complete, but shows no adapter/,
    /libEGL_nvidia\.so\.0/,
  ],
  [
    "an NVIDIA card beside another GPU",
    {
      ...NVIDIA,
      cards: [ARC, A30],
      icds: [],
      adapters: [{ name: "Arc", isSoftware: false, vendor: "intel" }],
    },
    /without its Vulkan part/,
    /libnvidia-gl/,
  ],
  [
    "an AMD card without a Vulkan driver",
    { ...AMD, icds: [LVP_ICD] },
    /no Vulkan driver for AMD/,
    /mesa-vulkan-drivers/,
  ],
  [
    "an Intel card without a Vulkan driver",
    { ...AMD, cards: [ARC] },
    /no Vulkan driver for Intel/,
    /mesa-vulkan-drivers/,
  ],
  [
    "a device file that needs a group",
    {
      ...AMD,
      renderNodes: [{ path: "/dev/dri/renderD128", access: "denied" }],
    },
    /renderD128" cannot be opened/,
    /usermod -aG render,video/,
  ],
  [
    "a render node without a device",
    { ...AMD, renderNodes: [{ path: "/dev/dri/renderD128", access: "dead" }] },
    /renderD128" leads to no device/,
    /modprobe amdgpu/,
  ],
  [
    "an AMD card without firmware",
    { ...AMD, cards: [{ ...RADEON, driver: null }], renderNodes: [] },
    /kernel has no driver/,
    /firmware-amd-graphics/,
  ],
  [
    "a container that no AMD card is passed into",
    { ...AMD, isContainer: true, renderNodes: [] },
    /AMD card .* not passed into the container/,
    /--device \/dev\/dri/,
  ],
  [
    "an AMD card that its driver does not know",
    AMD,
    /is there, but shows no adapter/,
    /vulkaninfo/,
  ],
  [
    "a GPU that is on no PCI bus",
    { ...AMD, cards: [] },
    /no Vulkan driver for the GPU/,
    /mesa-vulkan-drivers/,
  ],
  [
    "a machine without a GPU",
    NO_CARD,
    /shows no GPU; llvmpipe computes on the CPU/,
    null,
  ],
  [
    "a container that shows no GPU",
    { ...NO_CARD, isContainer: true, adapters: [] },
    /shows no GPU$/,
    /if the machine has one, add --gpus all/,
  ],
  [
    "Linux on Windows",
    { ...NO_CARD, isWsl: true },
    /dzn/,
    /on Windows itself/,
  ],
  ["macOS", { ...NO_CARD, os: "darwin", adapters: [] }, /Metal/, /machine/],
  ["Windows", { ...NO_CARD, os: "windows" }, /but llvmpipe$/, /driver/],
];

for (const [what, findings, problem, fix] of CASES) {
  Deno.test(`diagnoseGpu() explains ${what}`, () => {
    const found = diagnoseGpu(findings);
    assert.equal(found.length, 1);
    assert.match(found[0].problem, problem);
    if (fix === null) assert.equal(found[0].fix, null);
    else assert.match(found[0].fix!, fix);
    assert.ok(!/\n/.test(found[0].problem + found[0].fix));
  });
}

Deno.test("diagnoseGpu() has nothing to say where the GPU is shown", () => {
  assert.deepEqual(diagnoseGpu({ ...NVIDIA, adapters: [SHOWN] }), []);
  // The chip of the board is off beside it, and loads no driver.
  assert.deepEqual(
    diagnoseGpu({ ...NVIDIA, adapters: [SHOWN], cards: [A30, ARC] }),
    [],
  );
  for (const os of ["darwin", "windows"] as const) {
    assert.deepEqual(diagnoseGpu({ ...NVIDIA, os, adapters: [SHOWN] }), []);
  }
});

Deno.test("diagnoseGpu() says once what is wrong with eight cards", () => {
  const cards = Array(8).fill(A30);
  assert.equal(diagnoseGpu({ ...NVIDIA, cards }).length, 1);
});

Deno.test("diagnoseGpu() looks past drivers for other programs", () => {
  const small = { ...RADEON_ICD, problem: "wrong ELF class: ELFCLASS32" };
  const broken = { ...RADEON_ICD, problem: "libLLVM.so.17: not found" };
  const problemOf = (...icds: GpuFindings["icds"]) =>
    diagnoseGpu({ ...AMD, icds })[0].problem;
  assert.match(problemOf(small), /no Vulkan driver for AMD/);
  assert.match(problemOf(small, broken), /libLLVM\.so\.17/);
  assert.match(problemOf(broken, RADEON_ICD), /shows no adapter/);
});

Deno.test("uselessVariables() warns of CUDA's", () => {
  assert.deepEqual(uselessVariables(NVIDIA), []);
  const env = { CUDA_VISIBLE_DEVICES: "1" };
  const [{ problem }] = uselessVariables({ ...NVIDIA, env });
  assert.match(problem, /CUDA_VISIBLE_DEVICES=1 .* does not apply/);
});

Deno.test("diagnoseGpu() names a variable that leads nowhere, even without a card", () => {
  const problems = diagnoseGpu({
    ...NO_CARD,
    adapters: [],
    env: { VK_ICD_FILENAMES: "/nonexistent" },
    icds: [{
      path: "/nonexistent",
      library: null,
      problem: "the file cannot be read",
    }],
  }).map(({ problem }) => problem);
  assert.deepEqual(problems, [
    'VK_ICD_FILENAMES names "/nonexistent": the file cannot be read',
    "this machine shows no GPU",
  ]);
});

Deno.test("diagnoseGpu() names a driver that a variable chose and that does not load", () => {
  const env = { VK_DRIVER_FILES: "/opt/a.json" };
  const broken = {
    path: "/opt/a.json",
    library: "liba.so",
    problem: "liba.so: cannot open shared object file",
  };
  const problems = (icds: GpuFindings["icds"]) =>
    diagnoseGpu({ ...NO_CARD, env, icds }).map(({ problem }) => problem);
  assert.deepEqual(problems([broken]), [
    'VK_DRIVER_FILES names "/opt/a.json", whose liba.so cannot be loaded: ' +
    "liba.so: cannot open shared object file",
    "this machine shows no GPU; llvmpipe computes on the CPU",
  ]);
  // One of several that are named is enough.
  assert.equal(problems([broken, LVP_ICD]).length, 1);
  // A card's own driver is explained in more detail.
  const icds = [{ ...NVIDIA_ICD, problem: "libXext.so.6: no" }];
  assert.match(
    diagnoseGpu({ ...NVIDIA, env, icds })[0].fix!,
    /apt install libxext6/,
  );
});
