/**
 * What files of strangers look like on a terminal, in the dashboard and in a
 * report: none of it may drive a terminal or become a part of a page.
 *
 * @module
 */

import { join } from "node:path";
import { UserError } from "../../src/base/errors.ts";
import type { PhiloxStream } from "../../src/base/philox.ts";
import { collectReport } from "../../src/export/report_data.ts";
import { reportPage } from "../../src/export/report_page.ts";
import { configSchema } from "../../src/config/schema.ts";
import { initialMeta } from "../../src/run/files/meta.ts";
import { metricLine, readMetrics } from "../../src/run/files/metrics.ts";
import { runPaths } from "../../src/run/files/run_paths.ts";
import { initialRunState } from "../../src/run/files/run_state.ts";
import { readRun } from "../../src/run/files/runs.ts";
import { TailFile } from "../../src/run/files/tail_file.ts";
import { WHOLE_CHART } from "../../src/tui/charts/loss_chart.ts";
import {
  logLines,
  overviewPage,
  settingsLines,
} from "../../src/tui/screens/detail_pages.ts";
import { problemLines } from "../../src/tui/screens/problem_lines.ts";
import { runsLines } from "../../src/tui/screens/runs_screen.ts";
import { CurveStore } from "../../src/tui/state/curves.ts";
import { emptyRecord } from "../../src/tui/state/run_feed.ts";
import type { Line } from "../../src/tui/text/line.ts";
import { run } from "../cli/_fake_io.ts";
import { stepMetric } from "../run/_fake_run.ts";
import { lineText } from "../tui/_line_text.ts";
import { mutateBytes, mutateJson, mutateText } from "./_mutate.ts";
import type { OpenTarget } from "./_targets.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");
/** What would be more than text. */
const HOSTILE = [
  ...["\x1b[2J", "\x1b]0;owned\x07", "\x9b31m", "\x1bP", "\r", "\x08", "\t"],
  ...["</script><script>x()</script>", "<img src=x onerror=x()>", "<!--"],
  ...['" onload="x()', "&lt;", "]]>", "\u2028", "line\nline", "'`${x}"],
];
const encoder = new TextEncoder();

/** The files of a run by name, as they are when nothing is wrong. */
function seedsOf(runId: string): Record<string, string> {
  const meta = initialMeta({
    ...{ runId, config: configSchema.parse({}), commandLine: ["hearth"] },
    order: 1,
  });
  const state = {
    ...initialRunState(runId, "completed"),
    ...{ device: "cpu", warnings: ["a", "b"], step: 2, trainLoss: 2 },
    ...{ error: "e", lastCheckpoint: "step-00000002", valLoss: 2 },
    ...{ updatedAt: "2026-01-01T00:00:00Z" },
  };
  return {
    "meta.json": JSON.stringify(meta),
    "state.json": JSON.stringify(state),
    "metrics.jsonl": [1, 2].map((n) => metricLine(stepMetric(n))).join(""),
    "train.log": "step 1/2 | loss 3\nstep 2/2 | loss 3\n",
  };
}

/** Damages one of the files, often with something of the above in its texts. */
async function damageRun(
  dir: string,
  seeds: Record<string, string>,
  random: PhiloxStream,
): Promise<void> {
  const names = Object.keys(seeds);
  const at = names[random.below(names.length)];
  for (const name of names) {
    const path = join(dir, name);
    const seed = seeds[name];
    if (name !== at) await Deno.writeTextFile(path, seed);
    else await Deno.writeFile(path, damaged(name, seed, random));
  }
}

function damaged(name: string, seed: string, random: PhiloxStream): Uint8Array {
  const evil = HOSTILE[random.below(HOSTILE.length)];
  if (random.below(4) === 0) {
    return mutateBytes(encoder.encode(seed), random, [encoder.encode(evil)]);
  }
  if (!name.endsWith(".json")) {
    return encoder.encode(mutateText(seed, random, [...HOSTILE, seed]));
  }
  // Into a text, a key, or anything else.
  const texts = [...seed.matchAll(/"[^"]*"/g)];
  const { index } = texts[random.below(texts.length)];
  const escaped = JSON.stringify(evil).slice(1, -1);
  return encoder.encode(
    random.below(3) === 0
      ? mutateJson(seed, random)
      : `${seed.slice(0, index + 1)}${escaped}${seed.slice(index + 1)}`,
  );
}

const COMMANDS = [
  ["runs"],
  ["runs", "--json"],
  ["status", "owl-1"],
  ["status", "owl-1", "--json"],
  ["logs", "owl-1", "-n", "5"],
  ["logs", "owl-1", "-n", "5", "--json"],
  ["compare", "owl-1"],
  ["compare", "owl-1", "--json"],
];

/** Commands and the dashboard, on a terminal. */
export async function openShown(root: string): Promise<OpenTarget> {
  const paths = runPaths(root, "owl-1");
  await Deno.mkdir(paths.dir, { recursive: true });
  const seeds = seedsOf("owl-1");
  return {
    async feed(random) {
      await damageRun(paths.dir, seeds, random);
      const command = COMMANDS[random.below(COMMANDS.length)];
      const { code, out, err } = await run(["--root", root, ...command], {
        tty: true,
      });
      // deno-lint-ignore no-control-regex -- colors are the program's own
      const text = (out + err).replaceAll(/\x1b\[\d+m/g, "");
      checkHarmless(text, command.join(" "));
      if (/went wrong that should not/.test(err)) {
        throw new Error(`${command.join(" ")}: ${err}`);
      }
      await showDashboard(root);
      if (code !== 0) throw new Refused();
    },
    mayThrow: (error) => error instanceof Refused,
  };
}

/** The command line said no, or the page tells what is damaged. */
class Refused extends Error {}

/** @throws {Error} If a text drives a terminal. */
export function checkHarmless(text: string, where: string): void {
  // deno-lint-ignore no-control-regex -- these are what is looked for
  const found = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/.exec(text);
  if (found === null) return;
  const around = text.slice(Math.max(0, found.index - 60), found.index + 20);
  throw new Error(`${where} drives the terminal: ${JSON.stringify(around)}`);
}

async function showDashboard(root: string): Promise<void> {
  const info = await readRun(root, "owl-1");
  const paths = runPaths(root, "owl-1");
  const store = new CurveStore();
  for await (const row of readMetrics(paths.metrics)) {
    if (row !== null) store.add([row]);
  }
  const { curves, extent } = store;
  const record = {
    ...emptyRecord("owl-1"),
    ...{ loaded: true, state: info.state, curves, extent },
  };
  const tail = new TailFile(paths.log, { lastLines: 20 });
  record.log = (await tail.read())?.lines ?? [];
  record.problems = info.broken === null ? [] : [info.broken];
  const size = { columns: 100, rows: 30 };
  const order = { by: "started", descending: true, filter: "" } as never;
  const pages: Record<string, Line[]> = {
    overview: overviewPage(record, { size, chart: WHOLE_CHART, now: NOW }),
    log: logLines(record.log, size.columns),
    problems: problemLines(record, size.columns),
    settings: settingsLines(info.meta, size.columns),
    runs: runsLines({
      ...{ runs: [info], total: 1, at: 0, top: 0, order, isFiltering: false },
      ...{ root, now: NOW, preview: record },
    }, size),
  };
  for (const [name, lines] of Object.entries(pages)) {
    for (const line of lines) {
      const text = lineText(line);
      checkHarmless(text, `page ${name}`);
      if (/[\t\n]/.test(text)) throw new Error(`page ${name} has two in one`);
    }
  }
}

const NAMES = ["owl-1", "<img src=x onerror=x()>", "</script><b>", "a&b\"c'"];
const TAG =
  /<\/?[a-z][a-z0-9]*(?: (?:lang|charset|name|content|http-equiv|class|id|scope|value|type)="[^"<>]*")*>|<!doctype html>/g;

/** The page of `hearth report`. */
export async function openReport(root: string): Promise<OpenTarget> {
  for (const name of NAMES) {
    await Deno.mkdir(join(root, "runs", name.replaceAll("/", "\u2215")), {
      recursive: true,
    });
  }
  return {
    async feed(random) {
      const runId = NAMES[random.below(NAMES.length)]
        .replaceAll("/", "\u2215");
      const { dir } = runPaths(root, runId);
      await damageRun(dir, seedsOf(runId), random);
      const evil = HOSTILE[random.below(HOSTILE.length)];
      const sample = { checkpoint: "5", prompt: evil, text: evil.repeat(3) };
      const report = await collectReport(root, [runId], { [runId]: [sample] });
      const assets = { scripts: [], styles: [] };
      checkPage(reportPage(report, assets, "now"));
      if (report.comparison.notes.length > 0) throw new Refused();
    },
    mayThrow: (error) => error instanceof UserError || error instanceof Refused,
  };
}

/** Nothing but the tags of the page's own, and data that ends where it ends. */
function checkPage(page: string): void {
  const [, json, rest] =
    /<script type="application\/json" id="data">(.*)<\/script>([^]*)$/.exec(
      page,
    ) ?? [];
  if (json === undefined || rest.includes("script")) {
    throw new Error(`the data ends elsewhere: ${page.slice(-500)}`);
  }
  JSON.parse(json);
  const html = page.replace(json, "");
  const left = html.replaceAll(TAG, "");
  const at = left.search(/[<>]/);
  if (at >= 0) throw new Error(`the page has ${left.slice(at, at + 80)}`);
  const opened = html.match(/<script/g)?.length;
  if (opened !== 1) throw new Error(`the page has ${opened} scripts`);
}
