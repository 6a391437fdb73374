/**
 * A report as one HTML page that needs nothing else: no network, no other
 * file. Tables and samples are plain HTML; the curves are drawn by uPlot in
 * the page (report_client.js). Pure.
 *
 * @module
 */

import { createHash } from "node:crypto";
import {
  formatApprox,
  formatCount,
  formatDuration,
  UNKNOWN,
} from "../base/format.ts";
import { VERSION } from "../base/version.ts";
import type { RunSummary } from "../run/watch/comparison.ts";
import type { Report, ReportRun } from "./report_data.ts";

/** Text that goes into the page as it is. */
export interface PageAssets {
  /** uPlot's script, style and ours. */
  scripts: readonly string[];
  styles: readonly string[];
}

/** The page. @param madeAt Any text, such as a date. */
export function reportPage(
  report: Report,
  assets: PageAssets,
  madeAt: string,
): string {
  const scripts = assets.scripts.map(withLineFeeds);
  const styles = assets.styles.map(withLineFeeds);
  const { comparison, runs } = report;
  const ids = runs.map(({ runId }) => runId);
  const data = runs.map(({ runId, steps, evals }) => ({ runId, steps, evals }));
  const settings = comparison.settings.map(({ path, values }) =>
    [
      path,
      values.map(valueText),
    ] as const
  );
  const thinned = runs.filter(({ rowsPerPoint }) => rowsPerPoint > 1);
  // What is inside of a script element must not end it.
  const json = JSON.stringify(data).replaceAll("<", "\\u003c");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src ${
    hashes(styles)
  }; script-src ${hashes(scripts)}; base-uri 'none'; form-action 'none'">
<title>${escape(ids.join(", "))}</title>
${styles.map((style) => `<style>${style}</style>`).join("\n")}
</head>
<body>
<header>
<h1>${
    ids.map((id, i) => `<span class="run run-${i % 8}">${escape(id)}</span>`)
      .join(" ")
  }</h1>
<p>Hearth ${escape(VERSION)}, ${escape(madeAt)}</p>
</header>
<main>
<h2>Results</h2>
${table(ids, RESULTS.map(([name, cell]) => [name, comparison.runs.map(cell)]))}
${
    comparison.notes.length === 0
      ? ""
      : `<ul>${
        comparison.notes.map((note) => `<li>${escape(note)}</li>`).join("")
      }</ul>`
  }
<h2>Curves</h2>
<noscript><p>The curves need JavaScript.</p></noscript>
<p class="controls">
<label>by <select id="x"><option value="step">step</option><option value="tokens">tokens</option><option value="seconds">time</option></select></label>
<label><input id="log" type="checkbox"> logarithmic loss</label>
</p>
${
    thinned.map(({ runId, rowsPerPoint }) =>
      `<p>${
        escape(runId)
      }: each point is the mean of up to ${rowsPerPoint} rows.</p>`
    ).join("\n")
  }
<div id="charts"></div>
${
    settings.length === 0
      ? ""
      : `<h2>Settings that differ</h2>\n${table(ids, settings)}`
  }
${runs.some(({ samples }) => samples !== null) ? SAMPLES_HEAD : ""}
${runs.map(samples).join("\n")}
<h2>Configuration</h2>
${runs.map(configuration).join("\n")}
</main>
<script type="application/json" id="data">${json}</script>
${scripts.map((script) => `<script>${script}</script>`).join("\n")}
</body>
</html>
`;
}

/** As browsers read it, which is what they hash. */
function withLineFeeds(text: string): string {
  return text.replace(/\r\n?/g, "\n");
}

/**
 * What a content security policy allows, and nothing besides: elements with
 * just these texts (https://www.w3.org/TR/CSP3/#match-element-to-source-list).
 */
function hashes(texts: readonly string[]): string {
  if (texts.length === 0) return "'none'";
  return texts.map((text) =>
    `'sha256-${createHash("sha256").update(text).digest("base64")}'`
  ).join(" ");
}

const SAMPLES_HEAD = `<h2>Samples</h2>
<p>Written when this page was made, by checkpoints that were kept until then.</p>`;

/** What is shown of each run. */
const RESULTS: [name: string, cell: (run: RunSummary) => string][] = [
  ["status", (run) => run.status ?? UNKNOWN],
  ["device", (run) => run.device ?? UNKNOWN],
  [
    "parameters",
    ({ parameterCount: n }) => n === null ? UNKNOWN : formatApprox(n),
  ],
  [
    "steps",
    (run) => `${formatCount(run.step)} of ${formatCount(run.totalSteps)}`,
  ],
  ["tokens", (run) => formatCount(run.tokens)],
  ["time", (run) => formatDuration(run.elapsedMs)],
  ["tokens per second", (run) => formatCount(run.tokensPerSec)],
  ["training loss", (run) => fixed(run.trainLoss)],
  ["validation loss", (run) => fixed(run.valLoss)],
  ["best validation loss", (run) => fixed(run.bestValLoss)],
  ["bits per byte", (run) => fixed(run.valBpb)],
];

function table(
  ids: readonly string[],
  rows: readonly (readonly [name: string, cells: readonly string[]])[],
): string {
  const head = ids.map((id) => `<th scope="col">${escape(id)}</th>`).join("");
  const body = rows.map(([name, cells]) =>
    `<tr><th scope="row">${escape(name)}</th>${
      cells.map((cell) => `<td>${escape(cell)}</td>`).join("")
    }</tr>`
  ).join("\n");
  return `<div class="wide"><table><thead><tr><td></td>${head}</tr></thead><tbody>
${body}
</tbody></table></div>`;
}

function samples({ runId, samples }: ReportRun): string {
  if (samples === null) return "";
  const texts = samples.map((sample) => {
    const shown = "problem" in sample
      ? `<p class="none">No sample: ${escape(sample.problem)}.</p>`
      : `<blockquote><b>${escape(sample.prompt)}</b>${
        escape(sample.text)
      }</blockquote>`;
    const { checkpoint } = sample;
    return `<figure><figcaption>${
      escape(checkpoint)
    }</figcaption>${shown}</figure>`;
  });
  if (texts.length === 0) {
    texts.push(`<p class="none">The run keeps no checkpoint.</p>`);
  }
  return `<h3>${escape(runId)}</h3>\n${texts.join("\n")}`;
}

function configuration({ runId, config, commandLine, startedAt }: ReportRun) {
  const text = config === null
    ? "meta.json cannot be read"
    : JSON.stringify(config, null, 2);
  return `<details><summary>${escape(runId)}</summary>
<p>${escape(startedAt ?? "")} <code>${escape(commandLine.join(" "))}</code></p>
<pre>${escape(text)}</pre></details>`;
}

function valueText(value: unknown): string {
  if (value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

function fixed(value: number | null): string {
  return value === null ? UNKNOWN : value.toFixed(4);
}

/** For text between tags; whatever a model or a person wrote stays text. */
function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
