/**
 * `hearth doctor`: whether this machine has what training needs.
 *
 * @module
 */

import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import type { GpuProblem } from "../../backend/devices/diagnose_gpu.ts";
import { API_NAMES } from "../../backend/devices/gpu_cards.ts";
import type {
  AdapterListing,
  CpuListing,
  DeviceListing,
} from "../../backend/devices/list_devices.ts";
import { errorMessage, EXIT } from "../../base/errors.ts";
import { formatBytes } from "../../base/format.ts";
import { FULL_VERSION } from "../../base/version.ts";
import type { GpuSample } from "../../run/telemetry/gpu_sample.ts";
import type { App } from "../app.ts";
import { examples } from "../flags/examples.ts";
import { wrapText } from "../output/wrap_text.ts";
import { exitOnStop } from "../stop_signal.ts";

/** One finding. */
export interface Check {
  name: string;
  /** `bad` keeps training from working, `warn` makes it worse. */
  verdict: "ok" | "warn" | "bad";
  text: string;
}

/** Below this, the checkpoints of a small model fill the disk. */
const LITTLE_DISK_BYTES = 1e9;
/** Below this, a small model with its activations does not fit. */
const LITTLE_MEMORY_BYTES = 1e9;

/** Adds the command. */
export function addDoctorCommand(program: CommandUnknownOpts, app: App): void {
  program.command("doctor")
    .summary("check this machine")
    .description(
      "Check whether this machine has what training needs, and say why not.",
    )
    .addHelpText(
      "after",
      examples("hearth doctor", "hearth doctor --json --root /mnt/big"),
    )
    .action(async () => {
      using _ = exitOnStop(app);
      const checks = await examine(app);
      if (app.json) app.printJson(checks);
      else app.print(formatChecks(checks, app.tableWidth));
      if (checks.some(({ verdict }) => verdict === "bad")) {
        app.exitCode = EXIT.failed;
      }
    });
}

/** The findings as lines of text, none wider than `columns`; pure. */
export function formatChecks(
  checks: readonly Check[],
  columns = Infinity,
): string {
  const width = Math.max(...checks.map(({ name }) => name.length));
  return checks.map(({ name, verdict, text }) => {
    const start = `${verdict.padEnd(4)}  ${name.padEnd(width)}  `;
    const indent = " ".repeat(start.length);
    return start + wrapText(text, { columns, indent }).slice(start.length);
  }).join("\n");
}

async function examine(app: App): Promise<Check[]> {
  const { deno, v8, typescript } = Deno.version;
  const ok = (name: string, text: string): Check => ({
    name,
    verdict: "ok",
    text,
  });
  return [
    ok("hearth", FULL_VERSION),
    ok("runtime", `Deno ${deno}, V8 ${v8}, TypeScript ${typescript}`),
    ok("system", `${Deno.build.target}, ${Deno.osRelease()}`),
    checkMemory(),
    await checkDisk(app.root),
    await checkWritable(app.root),
    ...await checkDevices(),
    checkTerminal(app),
  ];
}

function checkMemory(): Check {
  const { available, total } = Deno.systemMemoryInfo();
  return {
    name: "memory",
    verdict: available < LITTLE_MEMORY_BYTES ? "warn" : "ok",
    text: `${formatBytes(available)} free of ${formatBytes(total)}`,
  };
}

async function checkDisk(root: string): Promise<Check> {
  const { freeBytes } = await import("../../base/free_space.ts");
  const free = await freeBytes(root);
  return {
    name: "disk",
    verdict: free !== null && free < LITTLE_DISK_BYTES ? "warn" : "ok",
    text: `${formatBytes(free)} free at "${root}"`,
  };
}

/** Writes and removes a file in the root, or in what exists above it. */
async function checkWritable(root: string): Promise<Check> {
  const name = "root";
  try {
    const path = await Deno.makeTempFile({ dir: root, prefix: ".hearth-" });
    await Deno.remove(path);
    return { name, verdict: "ok", text: `"${root}" is writable` };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      const text = `"${root}" will be made by the first run`;
      return { name, verdict: "ok", text };
    }
    return {
      name,
      verdict: "bad",
      text: `cannot write to "${root}": ${errorMessage(error)}; use --root`,
    };
  }
}

async function checkDevices(): Promise<Check[]> {
  const { listDevices } = await import("../../backend/devices/list_devices.ts");
  try {
    const devices = await listDevices();
    const checks: Check[] = [];
    for (const one of devices) checks.push(...await checkDevice(one));
    return [
      ...checks,
      ...await checkGpu(devices),
      ...await checkVulkan(devices),
    ];
  } catch (error) {
    return [{ name: "devices", verdict: "bad", text: errorMessage(error) }];
  }
}

async function checkDevice(device: DeviceListing): Promise<Check[]> {
  const { id, name } = device;
  const verdict = "ok";
  if (device.backend === "cpu") {
    const { cores, hardwareThreads } = device;
    const text = `${name}, ${cores} cores, ${hardwareThreads} hardware threads`;
    return [{ name: id, verdict, text }, kernelCheck(device)];
  }
  const { adapter } = device;
  if (adapter.isSoftware) {
    const text = `${name}: no GPU, computes on the CPU, only if asked for`;
    return [{ name: id, verdict, text }];
  }
  const { lookAtGpu } = await import("../../run/telemetry/gpu_sampler.ts");
  return [
    { name: id, verdict, text: name },
    wayCheck(device, await tryCard(device)),
    {
      name: `${id} figures`,
      verdict,
      text: formatFigures(adapter, await lookAtGpu(adapter)),
    },
  ];
}

/** What the system tells of a GPU, for `status` while it trains; pure. */
export function formatFigures(
  { vendor }: Pick<AdapterListing["adapter"], "vendor">,
  { vramTotalBytes, gpuUtilPct, powerW, tempC }: GpuSample,
): string {
  const figures = [
    ...vramTotalBytes === null ? [] : [`${formatBytes(vramTotalBytes)} memory`],
    ...gpuUtilPct === null ? [] : [`${gpuUtilPct} % busy`],
    ...powerW === null ? [] : [`${Math.round(powerW)} W`],
    ...tempC === null ? [] : [`${Math.round(tempC)} °C`],
  ];
  if (figures.length > 0) return figures.join(", ");
  return vendor === "nvidia"
    ? "none: nvidia-smi is not there or does not answer"
    : "none: this system does not tell";
}

/** Why there is no GPU among the devices, or fewer than the machine has. */
async function checkGpu(devices: readonly DeviceListing[]): Promise<Check[]> {
  const { gatherGpuFindings } = await import(
    "../../backend/devices/gpu_findings.ts"
  );
  const diagnosis = await import("../../backend/devices/diagnose_gpu.ts");
  const { hasWebGpu } = await import("../../backend/webgpu/device/adapters.ts");
  const adapters = devices.flatMap((device) =>
    device.backend === "cpu" ? [] : [device.adapter]
  );
  const webGpu = { hasWebGpu: hasWebGpu(), adapters };
  const findings = gatherGpuFindings(webGpu);
  return [
    ...diagnosis.diagnoseGpu(findings),
    ...diagnosis.uselessVariables(findings),
  ].map(gpuCheck);
}

/** What a run that takes a card would warn of; it is tried. */
async function tryCard({ id, ways }: AdapterListing): Promise<string[]> {
  if (!ways.some(({ isUsual }) => isUsual)) return [];
  const { openBackend } = await import("../../backend/devices/open_backend.ts");
  try {
    const { backend, warnings } = await openBackend({ device: id });
    await backend.dispose();
    return warnings;
  } catch (error) {
    return [errorMessage(error)];
  }
}

/**
 * Through what a card is used; pure.
 *
 * @param warnings Of a run, such as that its usual way does not open.
 */
export function wayCheck(
  { id, ways }: Pick<AdapterListing, "id" | "ways">,
  warnings: readonly string[] = [],
): Check {
  const name = `${id} used`;
  if (warnings.length > 0) {
    return { name, verdict: "warn", text: warnings.join("; ") };
  }
  const usual = ways.find(({ isUsual }) => isUsual);
  const others = ways.filter((one) => one !== usual).map((one) =>
    `through ${API_NAMES[one.backend]} by --device ${one.id}`
  );
  const text = usual
    ? [`through ${API_NAMES[usual.backend]}`, ...others].join("; ")
    : `only ${others.join(", ")}: it is not shown by WebGPU`;
  return { name, verdict: "ok", text };
}

/** Why --device vulkan cannot be used; macOS has Metal in its place. */
async function checkVulkan(
  devices: readonly DeviceListing[],
): Promise<Check[]> {
  const { findCards, SYSTEM_DEVICES } = await import(
    "../../backend/devices/device_sources.ts"
  );
  const isShown = (one: DeviceListing) =>
    one.backend !== "cpu" && one.ways.some((way) => way.backend === "vulkan");
  if (Deno.build.os === "darwin" || devices.some(isShown)) return [];
  const { noVulkan } = await findCards(SYSTEM_DEVICES, {
    api: "vulkan",
  });
  const why = noVulkan ?? "no driver shows a device of Vulkan 1.3 or newer";
  const text = `--device vulkan has no effect: ${why}`;
  return [{ name: "vulkan", verdict: "ok", text }];
}

/** A machine without a GPU is as good as it can be. */
export function gpuCheck({ problem, fix }: GpuProblem): Check {
  return fix === null
    ? { name: "gpu", verdict: "ok", text: problem }
    : { name: "gpu", verdict: "warn", text: `${problem}; ${fix}` };
}

/** Native code is missed only where there could be some. */
export function kernelCheck(
  { id, kernels, noNative }: Pick<CpuListing, "id" | "kernels" | "noNative">,
): Check {
  const name = `${id} kernels`;
  if (noNative === null) return { name, verdict: "ok", text: kernels };
  const text = `${kernels}; no native matrix products: ${noNative}`;
  const verdict = Deno.build.arch === "x86_64" ? "warn" : "ok";
  return { name, verdict, text };
}

function checkTerminal({ io }: App): Check {
  const parts = [
    io.stderr.isTty ? `terminal of ${io.columns()} columns` : "no terminal",
    `TERM ${io.env("TERM") ?? "not set"}`,
    ...io.env("NO_COLOR") ? ["NO_COLOR set"] : [],
  ];
  return { name: "terminal", verdict: "ok", text: parts.join(", ") };
}
