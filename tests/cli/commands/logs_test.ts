import assert from "node:assert/strict";
import type { RunStatus } from "../../../src/run/files/run_state.ts";
import { runPaths } from "../../../src/run/files/run_paths.ts";
import { FakeRun } from "../../run/_fake_run.ts";
import { runBeside } from "../_beside.ts";
import { Workspace } from "../_workspace.ts";

/** A workspace with the run `owl-1` that has ended, and its log. */
async function logged(
  text: string,
  status: RunStatus = "completed",
): Promise<Workspace> {
  const workspace = await Workspace.create();
  await using run = new FakeRun(workspace.root);
  await run.begin();
  if (text !== "") await run.append("log", text);
  await run.end(status);
  return workspace;
}

const numbered = (count: number) =>
  Array.from({ length: count }, (_, i) => `line ${i + 1}\n`).join("");

Deno.test("hearth logs prints the last lines", async () => {
  await using workspace = await logged(numbered(30));
  const last = (count: number) =>
    numbered(30).split("\n").slice(-1 - count).join("\n");
  for (
    const [argv, count] of [
      [[], 20],
      [["-n", "2"], 2],
      [["--lines", "1000"], 30],
      [["-n", "0"], 0],
      [["-f", "-n", "3"], 3], // the run has ended: there is nothing to wait for
    ] as const
  ) {
    const { code, out } = await workspace.run(["logs", ...argv]);
    assert.deepEqual([code, out], [0, count === 0 ? "" : last(count)]);
  }
  const wrong = await workspace.run(["logs", "-n", "all"]);
  assert.deepEqual([wrong.code, wrong.err], [
    2,
    "error: Cannot use --lines all: expected a whole number of at least 0\n" +
    "hint: put a number after --lines, or leave it out\n",
  ]);
});

Deno.test("hearth logs lets no escapes through, and shows a torn line", async () => {
  await using workspace = await logged("a\x1b[2Jb\x07\ntorn \x9b1m");
  const plain = await workspace.run(["logs"]);
  assert.equal(plain.out, "a\ufffd[2Jb\ufffd\ntorn \ufffd1m\n");
  const followed = await workspace.run(["logs", "-f"]);
  assert.deepEqual([followed.out, followed.err], [
    plain.out,
    "owl-1: completed\n",
  ]);
  const json = await workspace.run(["logs", "--json"]);
  assert.deepEqual(
    json.out.trimEnd().split("\n").map((line) => JSON.parse(line)),
    [{ line: "a\x1b[2Jb\x07" }, { line: "torn \x9b1m" }],
  );
});

Deno.test("hearth logs says that there is no log yet", async () => {
  await using workspace = await logged("", "failed");
  const { code, out, err } = await workspace.run(["logs"]);
  assert.deepEqual([code, out, err], [0, "", "owl-1 has logged nothing yet\n"]);
  const { output } = runPaths(workspace.root, "owl-1");
  await Deno.writeTextFile(output, "out of memory\n");
  assert.equal(
    (await workspace.run(["logs"])).err,
    "owl-1 has logged nothing yet\n" +
      'its process also wrote to "ROOT/runs/owl-1/detached.log"\n',
  );
});

Deno.test("hearth logs -f follows until the run ends", async () => {
  const { code, out, err } = await runBeside(["logs", "-f"], {
    before: (run) => run.append("log", "one\ntw"),
    script: (run) => [
      ["one", () => run.append("log", "o\nthree\n")],
      ["three", async () => {
        await run.append("log", "four\nfi");
        await run.end("failed");
      }],
    ],
  });
  assert.deepEqual([code, out, err], [
    0,
    "one\ntwo\nthree\nfour\nfi\n",
    "owl-1: failed\n",
  ]);
});

Deno.test("hearth logs -f ends at Ctrl+C and leaves the run alone", async () => {
  const { code, out, err } = await runBeside(["logs", "-f", "--quiet"], {
    before: (run) => run.append("log", "one\n"),
    script: () => [["one", (press) => press()]],
  });
  assert.deepEqual([code, out, err], [0, "one\n", ""]);
});

Deno.test("hearth logs -f says in the end that the run goes on", async () => {
  const { err } = await runBeside(["logs", "-f"], {
    before: (run) => run.append("log", "one\n"),
    script: () => [["one", (press) => press()]],
  });
  assert.match(err, /^owl-1 goes on\n\nNext:\n.* status owl-1\n/);
});

Deno.test("hearth logs -f ends when its reader has gone", async () => {
  const { code } = await runBeside(["logs", "-f"], {
    before: (run) => run.append("log", "one\n"),
    script: () => [["one", () => {
      throw new Deno.errors.BrokenPipe("Broken pipe");
    }]],
  });
  assert.equal(code, 0);
});
