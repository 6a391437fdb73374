/**
 * Why a GPU is missing, and what to do about it; pure.
 *
 * The way from a card to WebGPU is followed from its beginning, so the first
 * thing that is missing is named, not what follows from it. Sources for the
 * cases: NVIDIA/nvidia-container-toolkit issues 16, 191 and 1952, the
 * documentation of the Vulkan loader, and Mesa's.
 *
 * @module
 */

import type { Card, GpuFindings, IcdFile } from "./gpu_findings.ts";

/** Something that keeps a GPU from being used. */
export interface GpuProblem {
  /** What is wrong. */
  readonly problem: string;
  /** What to do, in one line; null if there is nothing to do. */
  readonly fix: string | null;
}

const NVIDIA = 0x10de, AMD = 0x1002, INTEL = 0x8086;

/** Which files describe a maker's drivers, and what brings them. */
const MAKERS: readonly {
  vendorId: number;
  name: string;
  icd: RegExp;
}[] = [
  { vendorId: NVIDIA, name: "NVIDIA", icd: /nvidia|nouveau/i },
  { vendorId: AMD, name: "AMD", icd: /radeon|amd/i },
  { vendorId: INTEL, name: "Intel", icd: /intel/i },
];

const MESA = "install Mesa's drivers: apt install mesa-vulkan-drivers, or " +
  "dnf install mesa-vulkan-drivers";
const LOADER = "install the Vulkan loader: apt install libvulkan1, or dnf " +
  "install vulkan-loader";
const ASK_VULKAN = "apt install vulkan-tools and read what vulkaninfo " +
  "--summary says";

/** What is in the way, most fundamental first; empty if nothing is. */
export function diagnoseGpu(findings: GpuFindings): GpuProblem[] {
  const { os, hasWebGpu, adapters } = findings;
  if (!hasWebGpu) {
    return [{
      problem: "this runtime has no WebGPU",
      fix: "use an official build of Deno 2.9 or newer",
    }];
  }
  const real = adapters.filter(({ isSoftware }) => !isSoftware);
  if (os !== "linux") {
    return real.length > 0 ? [] : [elsewhere(findings)];
  }
  const missing = cardsOf(findings).filter((card) =>
    !isShown(card, findings) &&
    // Beside another GPU, a chip without a driver is as its owner wants it.
    (card.vendorId === NVIDIA || real.length === 0)
  );
  if (missing.length > 0) {
    return diagnoseSearch(findings) ?? diagnoseCards(missing, findings);
  }
  if (real.length > 0) return [];
  if (findings.renderNodes.length > 0) { // of a chip that is on no PCI bus
    const problem = "there is no Vulkan driver for the GPU of this machine";
    return diagnoseSearch(findings) ?? [{ problem, fix: MESA }];
  }
  return [
    ...diagnoseVariables(findings),
    ...diagnoseNamed(findings),
    diagnoseNoCard(findings),
  ];
}

/**
 * Who made a card of this machine that WebGPU does not show; null if there is
 * none. Those that no adapter is expected of (server consoles) do not count.
 */
export function makerOfUnseen(
  findings: Pick<GpuFindings, "cards" | "adapters">,
): string | null {
  const unseen = findings.cards.find((card) => !isShown(card, findings));
  return MAKERS.find((one) => one.vendorId === unseen?.vendorId)?.name ?? null;
}

/** Variables that look as if they chose a GPU here, and do not. */
export function uselessVariables({ env }: GpuFindings): GpuProblem[] {
  return "CUDA_VISIBLE_DEVICES" in env
    ? [{
      problem:
        `CUDA_VISIBLE_DEVICES=${env.CUDA_VISIBLE_DEVICES} is set and does ` +
        "not apply: Vulkan does not know it",
      fix: "use --device cuda:N, by the numbers of hearth devices",
    }]
    : [];
}

/** The cards, also where a sandbox hides the PCI bus. */
function cardsOf(findings: GpuFindings): readonly Card[] {
  const { cards, nvidiaKernelVersion, nvidiaNodes } = findings;
  const isNvidia = cards.some(({ vendorId }) => vendorId === NVIDIA);
  if (isNvidia || nvidiaKernelVersion === null && nvidiaNodes.length === 0) {
    return cards;
  }
  return [...cards, { vendorId: NVIDIA, deviceId: 0, driver: "nvidia" }];
}

/** Whether WebGPU shows an adapter of the card's maker. */
function isShown(
  { vendorId }: Card,
  { adapters }: Pick<GpuFindings, "adapters">,
): boolean {
  const maker = MAKERS.find((one) => one.vendorId === vendorId);
  // Of other makers (server consoles, virtual machines) none is expected.
  if (!maker) return true;
  return adapters.some(({ vendor, isSoftware }) =>
    !isSoftware && vendor === maker.name.toLowerCase()
  );
}

/** What is wrong with how drivers are searched, whatever the card. */
function diagnoseSearch(findings: GpuFindings): GpuProblem[] | null {
  const variables = diagnoseVariables(findings);
  const { loaderProblem } = findings;
  if (variables.length === 0 && loaderProblem !== null) {
    const problem = `the Vulkan loader is missing (${loaderProblem})`;
    return [{ problem, fix: LOADER }];
  }
  return variables.length > 0 ? variables : null;
}

/** A variable that leads away from drivers, if there is one. */
function diagnoseVariables(
  { env, icds, loaderProblem }: GpuFindings,
): GpuProblem[] {
  const api = env.DENO_WEBGPU_BACKEND;
  if (api && !/vulkan/i.test(api)) {
    return [{
      problem: `DENO_WEBGPU_BACKEND=${api} leaves out Vulkan`,
      fix: "unset DENO_WEBGPU_BACKEND",
    }];
  }
  if (loaderProblem !== null) return []; // which would read the files
  const name = naming(env);
  const unread = icds.find(({ library }) => library === null);
  return name && unread
    ? [{
      problem: `${name} names "${unread.path}": ${unread.problem}`,
      fix: `unset ${name}, or let it name the JSON file of the driver`,
    }]
    : [];
}

/** Drivers that a variable names, of which none can be loaded. */
function diagnoseNamed({ env, icds }: GpuFindings): GpuProblem[] {
  const name = naming(env), first = icds.at(0);
  if (!name || !first?.library || icds.some((one) => one.problem === null)) {
    return [];
  }
  const { path, library, problem } = first;
  return [{
    problem: `${name} names "${path}", whose ${library} cannot be loaded: ` +
      problem,
    fix: `unset ${name}, or install that driver again`,
  }];
}

/** The variable that names files of drivers, if one is set. */
function naming(env: GpuFindings["env"]): string | undefined {
  return ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"].find((one) => env[one]);
}

function diagnoseCards(
  cards: readonly Card[],
  findings: GpuFindings,
): GpuProblem[] {
  const seen = new Set<string>();
  return cards.map((card) =>
    card.vendorId === NVIDIA
      ? diagnoseNvidia(card, findings)
      : diagnoseMesa(card, findings)
  ).filter(({ problem }) => !seen.has(problem) && seen.add(problem));
}

/** From the kernel up to the libraries: what is amiss first. */
function diagnoseNvidia(card: Card, findings: GpuFindings): GpuProblem {
  const { isContainer, nvidiaKernelVersion: kernel } = findings;
  if (card.driver === "nouveau") {
    return {
      problem: "the NVIDIA card runs on the nouveau driver",
      fix: "install NVIDIA's driver (Ubuntu: ubuntu-drivers install), reboot",
    };
  }
  if (kernel === null) {
    return isContainer ? passIn("NVIDIA", "add --gpus all to docker run") : {
      problem: "there is an NVIDIA card, and its driver is not loaded",
      fix: "install NVIDIA's driver (Ubuntu: ubuntu-drivers install), reboot",
    };
  }
  return diagnoseNvidiaNodes(kernel, findings) ??
    diagnoseNvidiaVulkan(kernel, findings);
}

/** What is wrong with its device files, if anything is. */
function diagnoseNvidiaNodes(
  kernel: string,
  { isContainer, nvidiaNodes: nodes }: GpuFindings,
): GpuProblem | null {
  if (nodes.length === 0) {
    return isContainer ? passIn("NVIDIA", "add --gpus all to docker run") : {
      problem: `the NVIDIA driver ${kernel} is loaded, but there is no ` +
        "/dev/nvidia0",
      fix: "run nvidia-modprobe -u -c=0 as root, or reboot",
    };
  }
  const locked = nodes.find(({ access }) => access === "denied");
  if (locked) {
    return {
      problem: `"${locked.path}" cannot be opened by this user`,
      fix: `ask for access: ls -l ${locked.path} shows the group`,
    };
  }
  const dead = nodes.find(({ access }) => access === "dead");
  if (dead) {
    return {
      problem: `"${dead.path}" leads to no device`,
      fix: "reboot; sudo dmesg | grep NVRM says what the driver met",
    };
  }
  return null;
}

/** What is wrong with the part of it that programs load. */
function diagnoseNvidiaVulkan(
  kernel: string,
  findings: GpuFindings,
): GpuProblem {
  const { isContainer, env } = findings;
  const icds = icdsOf(NVIDIA, findings);
  if (icds.length === 0) {
    const capabilities = env.NVIDIA_DRIVER_CAPABILITIES;
    return isContainer
      ? {
        problem: "the container has the NVIDIA driver without its graphics " +
          `part (NVIDIA_DRIVER_CAPABILITIES=${capabilities ?? ""})`,
        fix: "add -e NVIDIA_DRIVER_CAPABILITIES=all --gpus all to docker run",
      }
      : {
        problem: `the NVIDIA driver ${kernel} is there without its Vulkan ` +
          "part (no nvidia_icd.json)",
        fix: `install it: apt install libnvidia-gl-${kernel.split(".")[0]}`,
      };
  }
  if (icds[0].problem !== null) return diagnoseLibrary(icds[0], findings);
  const library = findings.nvidiaLibraryVersion;
  if (library !== null && library !== kernel) {
    return {
      problem: `NVIDIA's libraries are ${library}, its kernel module is ` +
        kernel,
      fix: "reboot, or install the same version of both",
    };
  }
  return {
    problem: "the NVIDIA driver is complete, but shows no adapter",
    fix: "without a display, let a JSON file as nvidia_icd.json name " +
      "libEGL_nvidia.so.0, and VK_DRIVER_FILES name that file",
  };
}

/** The driver's library does not load, mostly for want of another one. */
function diagnoseLibrary(
  { path, library, problem }: IcdFile,
  { isContainer }: GpuFindings,
): GpuProblem {
  const text = `"${path}" names ${library}, which cannot be loaded: ${problem}`;
  if (/libX11|libXext|libxcb/.test(problem!)) {
    return {
      problem: text,
      fix: "install what it links: apt install libxext6 libx11-6",
    };
  }
  if (/libGLdispatch|libEGL\.|libGLX\.|libglvnd/.test(problem!)) {
    return {
      problem: text,
      fix: "install what it links: apt install libegl1 libgl1 libglvnd0",
    };
  }
  return {
    problem: text,
    fix: isContainer
      ? "add -e NVIDIA_DRIVER_CAPABILITIES=all --gpus all to docker run"
      : "install the driver's user libraries again, of the same version as " +
        "the kernel module",
  };
}

function diagnoseMesa(card: Card, findings: GpuFindings): GpuProblem {
  const { isContainer, renderNodes } = findings;
  const { name } = MAKERS.find(({ vendorId }) => vendorId === card.vendorId)!;
  if (card.driver === null && !isContainer) {
    return {
      problem: `there is an ${name} card, and the kernel has no driver for it`,
      fix: "install the kernel's firmware: apt install firmware-" +
        `${name === "AMD" ? "amd-graphics" : "misc-nonfree"}, reboot`,
    };
  }
  if (renderNodes.length === 0) {
    return isContainer ? passIn(name, "add --device /dev/dri to docker run") : {
      problem: `the ${name} card has no /dev/dri/renderD128`,
      fix: `load its driver: modprobe ${card.driver ?? "amdgpu"}`,
    };
  }
  const locked = renderNodes.find(({ access }) => access === "denied");
  if (locked) {
    return {
      problem: `"${locked.path}" cannot be opened by this user`,
      fix: isContainer
        ? "add --group-add of the file's group to docker run"
        : "usermod -aG render,video $USER as root, then log in again",
    };
  }
  const dead = renderNodes.find(({ access }) => access === "dead");
  if (dead) {
    return {
      problem: `"${dead.path}" leads to no device`,
      fix: isContainer
        ? "start the container anew, with --device /dev/dri"
        : `load its driver: modprobe ${card.driver ?? "amdgpu"}`,
    };
  }
  const icds = icdsOf(card.vendorId, findings);
  if (icds.length === 0) {
    return { problem: `there is no Vulkan driver for ${name}`, fix: MESA };
  }
  const [{ path, problem }] = icds;
  if (problem !== null) {
    return { problem: `the driver of "${path}": ${problem}`, fix: MESA };
  }
  return {
    problem: `the Vulkan driver for ${name} is there, but shows no adapter`,
    fix: `the card may be too old for it: ${ASK_VULKAN}`,
  };
}

/** The maker's drivers for this architecture, those that load first. */
function icdsOf(vendorId: number, { icds }: GpuFindings): IcdFile[] {
  const { icd } = MAKERS.find((one) => one.vendorId === vendorId)!;
  return icds
    .filter(({ path, library }) => icd.test(`${path} ${library}`))
    .filter(({ problem }) => !problem?.includes("wrong ELF class"))
    .sort((a, b) => Number(a.problem !== null) - Number(b.problem !== null));
}

function passIn(maker: string, fix: string): GpuProblem {
  return {
    problem: `the ${maker} card of this machine is not passed into the ` +
      "container",
    fix,
  };
}

function diagnoseNoCard(findings: GpuFindings): GpuProblem {
  const { adapters, isContainer, isWsl, env } = findings;
  if (isWsl) {
    return {
      problem: "Linux on Windows shows GPUs to Vulkan only through Mesa's dzn",
      fix: "install Mesa 24 or newer, or run Hearth on Windows itself",
    };
  }
  if (env.NVIDIA_VISIBLE_DEVICES === "void") {
    return passIn("NVIDIA", "set NVIDIA_VISIBLE_DEVICES=all");
  }
  const only = adapters.length > 0
    ? `; ${adapters[0].name} computes on the CPU`
    : "";
  return {
    problem: `this machine shows no GPU${only}`,
    fix: isContainer
      ? "if the machine has one, add --gpus all (NVIDIA) or --device " +
        "/dev/dri to docker run"
      : null,
  };
}

function elsewhere({ os, adapters }: GpuFindings): GpuProblem {
  if (os === "darwin") {
    return {
      problem: "macOS shows no Metal device, as in a virtual machine",
      fix: "run on the machine itself",
    };
  }
  const only = adapters.length > 0 ? ` but ${adapters[0].name}` : "";
  return {
    problem: `Windows shows no GPU${only}`,
    fix: "install the driver of the card's maker; by remote desktop, log in " +
      "at the machine once",
  };
}
