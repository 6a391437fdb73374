/** What the documents say, held against the program they speak of. */

import assert from "node:assert/strict";
import { CommanderError } from "commander";
import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { UserError } from "../src/base/errors.ts";
import { setLayer } from "../src/config/parse.ts";
import { App } from "../src/cli/app.ts";
import { processIo } from "../src/cli/process_io.ts";
import { createProgram } from "../src/cli/program.ts";

const root = new URL("../", import.meta.url);

/** Every document of the repository, by its path. */
const documents = new Map<string, string>();
for (const folder of ["", "docs/"]) {
  for await (const { name } of Deno.readDir(new URL(folder, root))) {
    if (!name.endsWith(".md")) continue;
    const path = folder + name;
    documents.set(path, await Deno.readTextFile(new URL(path, root)));
  }
}

Deno.test("the library's types and functions are all documented", async () => {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--lint", "mod.ts", "src/graph/mod.ts"],
    cwd: root,
    env: { NO_COLOR: "1" },
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
});

Deno.test("documents link to files and headings that exist", async () => {
  const dead: string[] = [];
  let links = 0;
  for (const [path, text] of documents) {
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue; // elsewhere
      links++;
      const [file, anchor] = target.split("#");
      const url = file === "" ? new URL(path, root) : new URL(
        file,
        new URL(path, root),
      );
      const isThere = await Deno.stat(url).then(() => true, () => false);
      const found = isThere && anchor !== undefined
        ? anchors(await Deno.readTextFile(url)).has(anchor)
        : isThere;
      if (!found) dead.push(`${path}: ${target}`);
    }
  }
  assert.deepEqual(dead, []);
  assert.ok(links > 50, `${links} links`);
});

Deno.test("documents show commands, flags and settings that exist", () => {
  const wrong: string[] = [];
  let commands = 0;
  for (const [path, text] of documents) {
    if (path === "CHANGELOG.md" || path === "LOG.md") continue; // of their time
    for (const { line, isWhole } of commandLines(text)) {
      commands++;
      const problem = problemOf(wordsOf(line), isWhole);
      if (problem !== null) wrong.push(`${path}: ${line}: ${problem}`);
    }
  }
  assert.deepEqual(wrong, []);
  assert.ok(commands > 100, `${commands} commands`);
});

Deno.test("documents name files of the sources and tasks that exist", async () => {
  const { tasks } = JSON.parse(
    await Deno.readTextFile(new URL("deno.json", root)),
  );
  const wrong: string[] = [];
  let names = 0;
  for (const [path, text] of documents) {
    if (path === "CHANGELOG.md" || path === "LOG.md") continue; // of their time
    const files = text.matchAll(
      /(?<![\w./-])(?:src|tests|bench|scripts|examples|docs|configs)\/[\w./-]*\w/g,
    );
    for (const [file] of files) {
      names++;
      const isThere = await Deno.stat(new URL(file, root))
        .then(() => true, () => false);
      if (!isThere) wrong.push(`${path}: ${file}`);
    }
    for (const [, task] of text.matchAll(/deno(?:@[\d.]+)? task ([\w:]+)/g)) {
      names++;
      if (!(task in tasks)) wrong.push(`${path}: deno task ${task}`);
    }
  }
  assert.deepEqual(wrong, []);
  assert.ok(names > 60, `${names} names`);
});

/** The names that headings have in links, as GitHub makes them. */
function anchors(text: string): Set<string> {
  return new Set(
    [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
      heading.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-")
    ),
  );
}

/** Commands in blocks of code, and those named in sentences. */
function commandLines(text: string): { line: string; isWhole: boolean }[] {
  const find = (pattern: RegExp, isWhole: boolean) =>
    [...text.matchAll(pattern)].map(([, line]) => ({
      line: line.replace(/(?: {2,}| #| \| | > ).*$/, "").trim(),
      isWhole,
    }));
  return [
    ...find(/^(?: {4}|\$ )(?:deno task )?(hearth .+)$/gm, true),
    ...find(/`(?:deno task )?(hearth [^`]+)`/g, false),
  ];
}

/** What a shell makes of a line. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g)]
    .map(([word]) => word.replaceAll(/["']/g, ""))
    .map((word) => word === "N" ? "1" : word); // any number
}

/** Why the program would refuse the words, or null. */
function problemOf(
  [, ...words]: string[],
  isWhole: boolean,
): string | null {
  const program = createProgram(new App(processIo()));
  program.hook("preAction", () => {});
  neverAct(program);
  program.configureOutput({ writeOut() {}, writeErr() {}, outputError() {} });
  try {
    const settings = words.filter((_, i) => words[i - 1] === "--set");
    setLayer(settings); // or throws
    program.parse(words, { from: "user" });
    return null;
  } catch (error) {
    if (error instanceof CommanderError) {
      const isNamed = !isWhole && error.code === "commander.missingArgument";
      return isNamed || error.exitCode === 0 ? null : error.message;
    }
    return error instanceof UserError ? error.message : String(error);
  }
}

function neverAct(command: CommandUnknownOpts): void {
  for (const child of command.commands) {
    if (child.commands.length === 0) child.action(() => {});
    neverAct(child);
  }
}
