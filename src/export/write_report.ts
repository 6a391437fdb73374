/**
 * Puts a report and the scripts it needs into one file.
 *
 * @module
 */

import { replaceFile } from "../base/atomic_file.ts";
import type { Report } from "./report_data.ts";
import { type PageAssets, reportPage } from "./report_page.ts";

/** Replaces `path` with the page. @returns Its size in bytes. */
export async function writeReport(
  path: string,
  report: Report,
): Promise<number> {
  const page = reportPage(report, await loadAssets(), madeAt(new Date()));
  const bytes = new TextEncoder().encode(page);
  await replaceFile(path, bytes);
  return bytes.length;
}

/** uPlot 1.6.32, MIT licensed: its licence is in the first lines of each. */
async function loadAssets(): Promise<PageAssets> {
  const [plotScript, plotStyle, script, style] = await Promise.all([
    import("uplot/dist/uPlot.iife.min.js", { with: { type: "text" } }),
    import("uplot/dist/uPlot.min.css", { with: { type: "text" } }),
    import("./report_client.js", { with: { type: "text" } }),
    import("./report_page.css", { with: { type: "text" } }),
  ]);
  return {
    scripts: [plotScript.default, script.default],
    styles: [plotStyle.default, style.default],
  };
}

function madeAt(date: Date): string {
  return `${date.toISOString().slice(0, 16).replace("T", " ")} UTC`;
}
