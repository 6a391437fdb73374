import assert from "node:assert/strict";
import { chromium } from "playwright-core";
import { collectReport, type Report } from "../../src/export/report_data.ts";
import { reportPage } from "../../src/export/report_page.ts";
import { writeReport } from "../../src/export/write_report.ts";
import { startRun } from "../../src/run/runner.ts";
import { inTempDir } from "../base/_helpers.ts";
import { collectRun, testEngine, twelveSteps } from "../run/_helpers.ts";

/** Two runs of twelve steps, which differ in their learning rate. */
async function reportOn(root: string): Promise<Report> {
  const common = { root, commandLine: ["hearth", "train"], engine: testEngine };
  for (const lr of [1e-2, 1e-3]) {
    const config = {
      ...twelveSteps,
      train: { ...twelveSteps.train, lr, logEvery: 1 },
    };
    await collectRun(startRun({ ...common, config }));
  }
  const checkpoint = "step-00000012";
  const hostile = "</script><script>document.title = 'taken'</script> & <b>";
  return await collectReport(root, ["owl-1", "fox-1"], {
    "owl-1": [{ checkpoint, prompt: "The ", text: hostile }],
  });
}

Deno.test("collectReport() has curves, settings and samples of each run", () =>
  inTempDir(async (root) => {
    const { comparison, runs } = await reportOn(root);
    assert.deepEqual(comparison.settings, [
      { path: "train.lr", values: [1e-2, 1e-3] },
    ]);
    const [owl, fox] = runs;
    assert.deepEqual(
      owl.steps.step,
      Array.from({ length: 12 }, (_, i) => i + 1),
    );
    assert.deepEqual(owl.evals.step, [0, 4, 8, 12]);
    assert.equal(owl.steps.trainLoss.length, 12);
    assert.equal(owl.steps.gpuUtilPct, undefined); // nobody knows it here
    assert.equal(fox.samples, null);
    assert.equal(owl.rowsPerPoint, 1);
  }));

Deno.test("collectReport() brings a long curve down to means", () =>
  inTempDir(async (root) => {
    await reportOn(root);
    const path = `${root}/runs/owl-1/metrics.jsonl`;
    const row = JSON.parse((await Deno.readTextFile(path)).split("\n")[1]);
    const rows = Array.from(
      { length: 4001 },
      (_, i) => JSON.stringify({ ...row, step: i + 1, trainLoss: i }),
    );
    await Deno.writeTextFile(path, rows.join("\n") + "\n");
    const { runs: [{ steps, rowsPerPoint }] } = await collectReport(root, [
      "owl-1",
    ]);
    assert.equal(rowsPerPoint, 3);
    assert.equal(steps.step.length, 1334);
    assert.deepEqual(steps.trainLoss.slice(0, 2), [1, 4]); // 0 1 2, 3 4 5
    assert.deepEqual(steps.step.at(-1), 4000.5); // of the two that are left
  }));

Deno.test("reportPage() lets no text become markup", () =>
  inTempDir(async (root) => {
    const report = await reportOn(root);
    const assets = { scripts: [], styles: [] };
    const page = reportPage(report, assets, "today");
    assert.equal(page.match(/<script/g)?.length, 1); // the data
    assert.ok(page.includes("&lt;/script&gt;&lt;script&gt;document.title"));
    assert.ok(page.includes("<title>owl-1, fox-1</title>"));
    assert.ok(!/(src|href)=/.test(page), "the page asks for another file");
    assert.ok(page.includes('<span class="run run-1">fox-1</span>'));
    // Samples have a heading where there are any.
    const heading = "<h2>Samples</h2>";
    assert.equal(page.split(heading).length, 2);
    const runs = report.runs.map((run) => ({ ...run, samples: null }));
    const without = reportPage({ ...report, runs }, assets, "today");
    assert.ok(!without.includes(heading));
  }));

Deno.test("writeReport() says when, in whole minutes", () =>
  inTempDir(async (root) => {
    const path = `${root}/report.html`;
    await writeReport(path, await reportOn(root));
    const page = await Deno.readTextFile(path);
    assert.match(page, /, 2\d{3}-[01]\d-[0-3]\d [0-2]\d:[0-5]\d UTC<\/p>/);
  }));

Deno.test("reportPage() allows its own scripts and styles, and no others", () =>
  inTempDir(async (root) => {
    const page = reportPage(await reportOn(root), {
      scripts: ["go();\r\n"],
      styles: ["p{}"],
    }, "today");
    const [, policy] = /Policy" content="([^"]+)"/.exec(page)!;
    // openssl dgst -sha256 -binary | base64, of `go();` with a line feed (as
    // browsers read a line's end) and of `p{}`.
    assert.deepEqual(policy.split("; "), [
      "default-src 'none'",
      "style-src 'sha256-gG2yISYereRMiG2lMXrbiUgi0Ubw9p7QCeWcroOvy9Y='",
      "script-src 'sha256-OvR3EEMs8I9XVI58LjWxLeFL5zeICbjIerCUz7f/mOs='",
      "base-uri 'none'",
      "form-action 'none'",
    ]);
    assert.ok(page.includes("<script>go();\n</script>"));
  }));

/** Where distributions put it, or what CHROMIUM says. */
const BROWSERS = [
  Deno.env.get("CHROMIUM"),
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
];
const browserPath = BROWSERS.find((path) => {
  try {
    return path && Deno.statSync(path).isFile;
  } catch {
    return false;
  }
});

Deno.test({
  name: "a report draws its curves without a network, wide and narrow " +
    `(${browserPath ?? "skipped, no chromium; set CHROMIUM"})`,
  ignore: browserPath === undefined,
  sanitizeOps: false, // the browser's pipes close a moment after it
  sanitizeResources: false,
  fn: () =>
    inTempDir(async (root) => {
      const path = `${root}/report.html`;
      await writeReport(path, await reportOn(root));
      const browser = await chromium.launch({
        executablePath: browserPath,
        args: ["--no-sandbox"],
      });
      try {
        const page = await browser.newPage({
          viewport: { width: 1200, height: 900 },
        });
        const trouble: string[] = [];
        page.on("pageerror", (error) => trouble.push(String(error)));
        page.on("console", (message) => {
          if (message.type() === "error") trouble.push(message.text());
        });
        page.on("request", (request) => {
          const url = request.url();
          if (!url.startsWith("file:") && !url.startsWith("data:")) {
            trouble.push(url);
          }
        });
        await page.goto(`file://${path}`);
        assert.equal(await page.title(), "owl-1, fox-1");
        const titles = await page.locator(".u-title").allTextContents();
        assert.deepEqual(titles.slice(0, 5), [
          "loss",
          "bits per byte",
          "learning rate",
          "gradient norm",
          "tokens per second",
        ]);
        const legend = await page.locator(".chart").first()
          .locator(".u-label").allTextContents();
        assert.deepEqual(legend, [
          "step",
          "owl-1 trainLoss",
          "owl-1 valLoss",
          "fox-1 trainLoss",
          "fox-1 valLoss",
        ]);
        // Something was drawn, in the color of the first run.
        const drawn = await page.evaluate((): boolean => {
          // deno-lint-ignore no-explicit-any
          const canvas = (globalThis as any).document.querySelector("canvas");
          const { data } = canvas.getContext("2d")
            .getImageData(0, 0, canvas.width, canvas.height);
          for (let i = 0; i < data.length; i += 4) {
            const near = (at: number, value: number) =>
              Math.abs(data[at] - value) < 12;
            if (near(i, 0x2f) && near(i + 1, 0x6f) && near(i + 2, 0xde)) {
              return true;
            }
          }
          return false;
        });
        assert.ok(drawn, "no curve in the color of owl-1");
        await page.selectOption("#x", "tokens");
        await page.check("#log");
        const shot = await page.screenshot({ fullPage: true });
        assert.ok(shot.length > 20_000);
        const keep = Deno.env.get("HEARTH_SCREENSHOT");
        if (keep) await Deno.writeFile(keep, shot);

        await page.setViewportSize({ width: 390, height: 800 });
        // It waits for the end of resizing before it draws anew.
        await page.waitForFunction((): boolean => {
          // deno-lint-ignore no-explicit-any
          const { documentElement: root } = (globalThis as any).document;
          return root.scrollWidth <= root.clientWidth;
        });
        assert.deepEqual(trouble, []);

        // Were a script smuggled in all the same, it would not run.
        const markup = await Deno.readTextFile(path);
        const smuggled = "<script>document.title = 'taken'</script></main>";
        await Deno.writeTextFile(path, markup.replace("</main>", smuggled));
        await page.goto(`file://${path}`);
        assert.equal(await page.title(), "owl-1, fox-1");
        assert.equal(await page.locator(".u-title").count(), titles.length);
        assert.match(trouble.join("\n"), /Content Security Policy/);
      } finally {
        await browser.close();
      }
    }),
});
