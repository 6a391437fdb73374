/** `hearth devices`: what can be trained on. @module */

import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { API_NAMES } from "../../backend/devices/gpu_cards.ts";
import type {
  AdapterListing,
  DeviceListing,
  WayListing,
} from "../../backend/devices/list_devices.ts";
import { formatBytes, formatCount } from "../../base/format.ts";
import type { App } from "../app.ts";
import { examples } from "../flags/examples.ts";
import { type Column, formatTable } from "../output/table.ts";
import { wrapText } from "../output/wrap_text.ts";
import { exitOnStop } from "../stop_signal.ts";

/** Adds the command. */
export function addDevicesCommand(program: CommandUnknownOpts, app: App): void {
  program.command("devices")
    .summary("list what can be trained on")
    .description(
      "List the devices of this machine, what they can do, and what to give " +
        "to --device for them. A matrix product is timed on each. A GPU is " +
        "used through Vulkan or WebGPU; vulkan:N and webgpu:N ask for one.",
    )
    .option("--no-measure", "time nothing: the answer comes at once")
    .addHelpText(
      "after",
      examples("hearth devices", "hearth devices --no-measure --json"),
    )
    .action(async ({ measure }) => {
      using _ = exitOnStop(app);
      const { listDevices } = await import(
        "../../backend/devices/list_devices.ts"
      );
      const { lookAtGpu } = await import("../../run/telemetry/gpu_sampler.ts");
      const devices = await listDevices({
        measure,
        memoryOf: async (info) => (await lookAtGpu(info)).vramTotalBytes,
      });
      if (app.json) return app.printJson(devices);
      app.print(formatDevices(devices, app.tableWidth));
      for (const { id, problem } of devices.flatMap(waysOf)) {
        if (problem !== null) app.note(`${id}: cannot be measured: ${problem}`);
      }
      for (const one of devices) {
        if (one.backend !== "cpu" || one.noNative === null) continue;
        app.note(`${one.id}: no native code: ${one.noNative}`);
      }
      if (!devices.some(isGpu)) {
        app.note("There is no GPU that can be used; hearth doctor says why");
      }
    });
}

/** The table of devices, and what each can do; pure. */
export function formatDevices(
  devices: readonly DeviceListing[],
  columns: number,
): string {
  const isMeasured = devices.some(({ gflops }) => gflops !== null);
  const cells = devices.map((one) => [
    one.id,
    one.name,
    formatBytes(one.memoryBytes),
    ...isMeasured ? [formatCount(one.gflops)] : [],
    one.backend === "cpu" ? "" : API_NAMES[one.backend],
    one.requests.join(", "),
  ]);
  const titles: Column[] = [
    ["device", "left"],
    ["name", "left"],
    ["memory", "right", 0],
    ...isMeasured ? [["GFLOP/s", "right"] as const] : [],
    ["through", "left", 2],
    ["ask for it by", "left", 1],
  ];
  const table = formatTable(titles, cells, columns);
  const [header] = table.split("\n");
  const width = Math.max(...devices.map(({ id }) => id.length));
  const indent = " ".repeat(width + 2);
  const details = devices.map((one) => {
    const [what, ...more] = detailsOf(one);
    // Where the table has no room for it.
    const moved = [
      ...header.includes("memory")
        ? []
        : [`${formatBytes(one.memoryBytes)} of memory`],
      ...header.includes("ask for it by")
        ? []
        : [`ask for it by ${one.requests.join(", ")}`],
    ];
    const text = [what, ...moved, ...more].join("\n");
    return one.id.padEnd(indent.length) +
      wrapText(text, { columns, indent }).slice(indent.length);
  });
  return `${table}\n\n${details.join("\n")}`;
}

function isGpu(device: DeviceListing): boolean {
  return device.backend !== "cpu" && !device.adapter.isSoftware;
}

/** What is measured: the ways to a card, or the CPU. */
function waysOf(
  device: DeviceListing,
): readonly Pick<WayListing, "id" | "problem">[] {
  return device.backend === "cpu" ? [device] : device.ways;
}

/** What does not fit a table: one text for each line. */
function detailsOf(device: DeviceListing): string[] {
  if (device.backend === "cpu") {
    const { cores, hardwareThreads, kernels } = device;
    return [
      `${cores} cores, ${hardwareThreads} hardware threads; ${kernels}`,
    ];
  }
  return adapterDetails(device);
}

function adapterDetails(
  { adapter, pciId, ways, noVulkan }: AdapterListing,
): string[] {
  const { isSoftware, subgroupSizes } = adapter;
  const pciAddress = ways.map((way) => way.adapter.pciAddress).find(Boolean);
  const [least, most] = subgroupSizes ?? [];
  const facts = [
    isSoftware ? "no GPU: computes on the CPU, only if asked for" : "GPU",
    ...pciId ? [pciId + (pciAddress ? ` at ${pciAddress}` : "")] : [],
    ...subgroupSizes
      ? [`subgroups of ${least === most ? least : `${least} to ${most}`}`]
      : [],
  ];
  return [
    facts.join(", "),
    ...ways.flatMap(wayDetails),
    ...noVulkan === null ? [] : [`not through Vulkan: ${noVulkan}`],
  ];
}

function wayDetails(
  { id, backend, isUsual, gflops, problem, adapter }: WayListing,
): string[] {
  const { api, limits, features, vulkan } = adapter;
  const by = vulkan?.driver ?? api;
  const facts = [
    `through ${API_NAMES[backend]} (${id})`,
    // One that fails gives way to the next.
    ...isUsual
      ? [problem === null ? "the default" : "the default if it works"]
      : [],
    ...by ? [vulkan ? `driver ${by}` : `on ${by}`] : [],
    ...gflops === null ? [] : [`${formatCount(gflops)} GFLOP/s`],
  ];
  return [
    facts.join(", "),
    `limits: buffer ${formatBytes(limits.maxBufferSize)}, binding ` +
    `${formatBytes(limits.maxStorageBufferBindingSize)}, workgroup ` +
    `${formatCount(limits.maxComputeInvocationsPerWorkgroup)} threads with ` +
    `${formatBytes(limits.maxComputeWorkgroupStorageSize)}`,
    `features: ${features.filter(isForCompute).join(", ") || "none"}`,
    ...matrixDetails(adapter),
  ];
}

/** What matrix units multiply, by the types of the factors. */
function matrixDetails(
  { matrixUnits = [] }: AdapterListing["adapter"],
): string[] {
  if (matrixUnits.length === 0) return [];
  const byType = Map.groupBy(matrixUnits, ({ scalar }) => scalar);
  const texts = [...byType].map(([scalar, units]) =>
    [scalar, ...units.map(({ M, N, K }) => `${M}x${N}x${K}`)].join(" ")
  );
  return [`matrix units: ${texts.join(", ")}`];
}

/** Most features are about textures and drawing. */
function isForCompute(feature: string): boolean {
  return /^(shader-|subgroups|timestamp-query|mappable|cooperative|bfloat16)/
    .test(feature);
}
