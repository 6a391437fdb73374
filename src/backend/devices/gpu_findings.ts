/**
 * Gathers what a Linux machine tells about its GPUs and their Vulkan drivers,
 * for diagnose_gpu.ts.
 *
 * Between a card and WebGPU stand: the kernel's driver, the device files, the
 * Vulkan loader `libvulkan.so.1`, a JSON file per driver (ICD) that names its
 * library, and all that this library links. Each may be missing.
 *
 * @module
 */

import { loadProblem } from "../../base/load_problem.ts";
import type { AdapterInfo } from "../webgpu/device/adapters.ts";

/** A graphics card on the PCI bus. */
export interface Card {
  /** PCI ids. */
  readonly vendorId: number;
  readonly deviceId: number;
  /** The kernel's driver for it, such as `nvidia` or `amdgpu`; null if none. */
  readonly driver: string | null;
}

/** A Vulkan driver as its JSON file describes it. */
export interface IcdFile {
  readonly path: string;
  /** Null if the file cannot be read or names none. */
  readonly library: string | null;
  /** Why the library, or the file, cannot be loaded; null if it can. */
  readonly problem: string | null;
}

/** A device file. */
export interface DeviceFile {
  readonly path: string;
  /** It opens; not for this user; or there is no device behind it. */
  readonly access: "open" | "denied" | "dead";
}

/** What a machine tells. */
export interface GpuFindings {
  readonly os: typeof Deno.build.os;
  /** Whether this runtime knows WebGPU at all. */
  readonly hasWebGpu: boolean;
  readonly adapters: readonly Pick<
    AdapterInfo,
    "name" | "isSoftware" | "vendor"
  >[];
  /** Variables that select drivers and devices. */
  readonly env: Readonly<Record<string, string>>;
  readonly isContainer: boolean;
  /** Windows Subsystem for Linux. */
  readonly isWsl: boolean;
  readonly cards: readonly Card[];
  /** Why libvulkan.so.1 cannot be loaded, or null. */
  readonly loaderProblem: string | null;
  readonly icds: readonly IcdFile[];
  /** `/dev/dri/renderD128` … of AMD and Intel. */
  readonly renderNodes: readonly DeviceFile[];
  /** `/dev/nvidia0` … */
  readonly nvidiaNodes: readonly DeviceFile[];
  /** Of NVIDIA's kernel module, such as `535.104.05`; null if not loaded. */
  readonly nvidiaKernelVersion: string | null;
  /** Of the library that the ICD names; null if unknown. */
  readonly nvidiaLibraryVersion: string | null;
}

/** How the machine is asked; tests bring their own. */
export interface FindingsSources {
  /** Put before every path. */
  root?: string;
  env?: Readonly<Record<string, string>>;
  /** Loads a library. @returns Why it cannot be loaded, or null. */
  load?: (library: string) => string | null;
}

/** Where the loader looks for drivers; see its LoaderDriverInterface.md. */
const ICD_DIRECTORIES = [
  "/etc/vulkan/icd.d",
  "/usr/local/etc/vulkan/icd.d",
  "/usr/local/share/vulkan/icd.d",
  "/usr/share/vulkan/icd.d",
];

const VARIABLES = [
  "DENO_WEBGPU_BACKEND",
  "VK_DRIVER_FILES",
  "VK_ICD_FILENAMES",
  "VK_LOADER_DRIVERS_SELECT",
  "VK_LOADER_DRIVERS_DISABLE",
  "MESA_VK_DEVICE_SELECT",
  "NVIDIA_DRIVER_CAPABILITIES",
  "NVIDIA_VISIBLE_DEVICES",
  "CUDA_VISIBLE_DEVICES",
];

/** Display controllers: VGA, 3D, other. */
const PCI_DISPLAY_CLASS = 0x03;

/**
 * Looks at files and tries to load libraries. Never fails.
 *
 * @param webGpu What WebGPU shows; it is not asked here.
 */
export function gatherGpuFindings(
  webGpu: Pick<GpuFindings, "hasWebGpu" | "adapters">,
  { root = "", env = ownEnvironment(), load = tryLoad }: FindingsSources = {},
): GpuFindings {
  const read = (path: string) => readText(root + path);
  const icds = icdPaths(env, root).map((path) => readIcd(path, root, load));
  return {
    os: Deno.build.os,
    ...webGpu,
    env: Object.fromEntries(
      VARIABLES.flatMap((name) => name in env ? [[name, env[name]]] : []),
    ),
    isContainer: read("/.dockerenv") !== null ||
      read("/run/.containerenv") !== null ||
      /docker|kubepods|containerd|lxc/.test(read("/proc/1/cgroup") ?? ""),
    isWsl: /microsoft/i.test(read("/proc/version") ?? ""),
    cards: listCards(root),
    loaderProblem: load("libvulkan.so.1"),
    icds,
    renderNodes: deviceFiles(`${root}/dev/dri`, /^renderD\d+$/),
    nvidiaNodes: deviceFiles(`${root}/dev`, /^nvidia\d+$/),
    nvidiaKernelVersion: /Kernel Module\s+(?:for \S+\s+)?(\d+[.\d]+)/
      .exec(read("/proc/driver/nvidia/version") ?? "")?.[1] ?? null,
    nvidiaLibraryVersion: libraryVersion(root),
  };
}

/** The graphics cards on the PCI bus of a Linux machine; elsewhere none. */
export function listCards(root = ""): Card[] {
  const pci = `${root}/sys/bus/pci/devices`;
  return namesIn(pci).flatMap((slot) => {
    const number = (file: string) =>
      Number(readText(`${pci}/${slot}/${file}`)?.trim());
    if (number("class") >>> 16 !== PCI_DISPLAY_CLASS) return [];
    const driver = readLink(`${pci}/${slot}/driver`);
    return [{
      vendorId: number("vendor"),
      deviceId: number("device"),
      driver: driver?.split("/").at(-1) ?? null,
    }];
  });
}

/** The files that the loader would read, in its order. */
function icdPaths(
  env: Readonly<Record<string, string>>,
  root: string,
): string[] {
  const chosen = env.VK_DRIVER_FILES ?? env.VK_ICD_FILENAMES;
  if (chosen) return chosen.split(":").filter(Boolean);
  const home = env.HOME ? [`${env.HOME}/.local/share/vulkan/icd.d`] : [];
  return [...home, ...ICD_DIRECTORIES].flatMap((directory) =>
    namesIn(root + directory).filter((name) => name.endsWith(".json"))
      .map((name) => `${directory}/${name}`)
  );
}

function readIcd(
  path: string,
  root: string,
  load: (library: string) => string | null,
): IcdFile {
  const text = readText(root + path);
  if (text === null) {
    return { path, library: null, problem: "the file cannot be read" };
  }
  let library: unknown;
  try {
    library = JSON.parse(text)?.ICD?.library_path;
  } catch {
    // Not JSON, so it names no library.
  }
  if (typeof library !== "string") {
    return { path, library: null, problem: "the file names no library" };
  }
  // With a slash, it is relative to the file; without, the system looks for it.
  const directory = path.slice(0, path.lastIndexOf("/"));
  const full = library.includes("/") && !library.startsWith("/")
    ? `${directory}/${library}`
    : library;
  return { path, library, problem: load(full) };
}

/** `libGLX_nvidia.so.0` is a link to, or lies beside, the versioned file. */
function libraryVersion(root: string): string | null {
  for (
    const directory of [
      "/usr/lib/x86_64-linux-gnu",
      "/usr/lib/aarch64-linux-gnu",
      "/usr/lib64",
      "/usr/lib",
    ]
  ) {
    const target = readLink(`${root}${directory}/libGLX_nvidia.so.0`);
    const version = /\.so\.(\d+[.\d]+)$/.exec(target ?? "")?.[1];
    if (version) return version;
  }
  return null;
}

function deviceFiles(directory: string, name: RegExp): DeviceFile[] {
  return namesIn(directory).filter((one) => name.test(one)).sort()
    .map((one) => {
      const path = `${directory}/${one}`;
      return { path, access: accessTo(path) };
    });
}

function accessTo(path: string): DeviceFile["access"] {
  try {
    Deno.openSync(path, { read: true, write: true }).close();
    return "open";
  } catch (error) {
    // Where a container leaves out a device, its file is refused as well.
    return error instanceof Deno.errors.PermissionDenied ? "denied" : "dead";
  }
}

function tryLoad(library: string): string | null {
  try {
    Deno.dlopen(library, {}).close();
    return null;
  } catch (error) {
    return loadProblem(error);
  }
}

function ownEnvironment(): Record<string, string> {
  try {
    return Deno.env.toObject();
  } catch {
    return {}; // no permission to look
  }
}

function namesIn(directory: string): string[] {
  try {
    return [...Deno.readDirSync(directory)].map(({ name }) => name).sort();
  } catch {
    return []; // not there, or not for us
  }
}

function readText(path: string): string | null {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return null; // not there, or not for us
  }
}

function readLink(path: string): string | null {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return null; // not there, or no link
  }
}
