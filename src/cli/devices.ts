/** `hearth devices`: what can be trained on. @module */

import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import type { DeviceListing } from "../backend/devices.ts";
import { formatBytes, formatCount } from "../base/format.ts";
import type { App } from "./app.ts";
import { examples } from "./examples.ts";
import { formatTable } from "./table.ts";

/** Adds the command. */
export function addDevicesCommand(program: CommandUnknownOpts, app: App): void {
  program.command("devices")
    .summary("list what can be trained on")
    .description("List the devices of this machine, for --device.")
    .option("--measure", "time a matrix product on each, a few seconds")
    .addHelpText(
      "after",
      examples("hearth devices", "hearth devices --measure --json"),
    )
    .action(async ({ measure }) => {
      const { listDevices } = await import("../backend/devices.ts");
      const devices = await listDevices({ measure });
      if (app.json) app.printJson(devices);
      else app.print(formatDevices(devices));
      for (const { id, noNative } of devices) {
        if (noNative !== null) app.note(`${id}: no native code: ${noNative}`);
      }
    });
}

/** The table of devices; pure. */
export function formatDevices(devices: readonly DeviceListing[]): string {
  const isMeasured = devices.some(({ gflops }) => gflops !== null);
  return formatTable(
    [
      ["device", "left"],
      ["name", "left"],
      ["cores", "right"],
      ["memory", "right"],
      ...isMeasured ? [["GFLOP/s", "right"] as const] : [],
      ["kernels", "left"],
    ],
    devices.map((one) => [
      one.id,
      one.name,
      `${one.cores}`,
      formatBytes(one.memoryBytes),
      ...isMeasured ? [formatCount(one.gflops)] : [],
      one.kernels,
    ]),
  );
}
