/**
 * The executable as a stranger gets it: an empty directory, no Deno, no cache,
 * no PATH, no network. HEARTH_EXECUTABLE names one to test; otherwise the
 * portable form is made here.
 */

import assert from "node:assert/strict";
import { dirname } from "node:path";
import { sealOf } from "../../src/base/sealed_file.ts";
import { MAIN, ownProgram } from "../../src/export/bundle/own_program.ts";
import { compile, includedWorkers } from "../../scripts/compile.ts";
import { hasTmux } from "../tui/_tmux.ts";
import { IS_WINDOWS, Machine } from "./_machine.ts";

const withTmux = !IS_WINDOWS && await hasTmux();
const given = Deno.env.get("HEARTH_EXECUTABLE");
const MODEL = ["--profile", "tiny", "--set", "model.nLayer=1"];
const SMALL = [...MODEL, "--seq-len", "32", "--batch-size", "2"];

Deno.test({
  name: "an executable does the whole job on a bare machine",
  ignore: given === undefined && IS_WINDOWS,
  async fn(t) {
    const out = await Deno.makeTempDir({ prefix: "hearth-dist-" });
    const made = given ? [] : await compile({
      ...{ targets: [], portable: true, out, note: () => {} },
    });
    const executable = given ?? made[0].path;
    await using machine = await Machine.create(executable);

    await t.step("says what it is", async () => {
      const { code, out, err } = await machine.run("--version");
      assert.deepEqual([code, err], [0, ""]);
      assert.match(
        out,
        /^hearth \d+\.\d+\.\d+ \([^,]+, Deno \d+\.\d+\.\d+\)\n$/,
      );
      assert.doesNotMatch(out, /sources/);
    });

    await t.step("trains and writes in the demo", async () => {
      const { code, out, err } = await machine.run("demo", "--steps", "5");
      assert.equal(code, 0, err);
      assert.match(out, /What the model writes:/);
      assert.match(out, /^ {2}hearth generate demo/m);
    });

    await t.step("trains in the background, stops, resumes", async () => {
      const steps = ["--steps", "100000", "--run-id", "e2e"];
      const started = await machine.run(
        ...["train", ...SMALL, ...steps, "--detach", "--json"],
      );
      assert.equal(started.code, 0, started.err);
      const { pid } = JSON.parse(started.out);
      const status = JSON.parse((await machine.run("status", "--json")).out);
      assert.deepEqual(
        [status.runId, status.status, status.alive, status.pid],
        ["e2e", "running", true, pid],
      );
      // What is stopped before its first step has one step left to go.
      for (let step = 0; step === 0;) {
        const now = JSON.parse((await machine.run("status", "--json")).out);
        assert.ok(now.alive, now.error);
        step = now.step;
      }
      const stopped = await machine.run("stop", "e2e");
      assert.equal(stopped.code, 0, stopped.err);
      const more = await machine.run("resume", "e2e", "--steps", "1", "--json");
      assert.equal(more.code, 2); // it is beyond that: nothing is lost by it
      const resumed = await machine.run("resume", "e2e", "--more-steps", "3");
      assert.equal(resumed.code, 0, resumed.err);
      const last = JSON.parse((await machine.run("status", "--json")).out);
      assert.equal(last.status, "completed");
    });

    await t.step("generates, the same for the same seed", async () => {
      // Of a run that ends at the same step each time, as e2e does not.
      const words = ["generate", "demo", "--max-new-tokens", "12"];
      const prompt = ["--prompt", "Once upon", "--json"];
      const drawn = async () => {
        const run = await machine.run(...words, ...prompt, "--seed", "7");
        assert.equal(run.code, 0, run.err);
        const { text, ids }: { text: string; ids: number[] } = JSON.parse(
          run.out,
        );
        return { text, ids };
      };
      const one = await drawn();
      assert.equal(one.ids.length, 12);
      assert.deepEqual(await drawn(), one);
    });

    await t.step({
      name: "bundles a model that runs by itself, and generates the same",
      ignore: IS_WINDOWS,
      async fn() {
        const words = ["--temperature", "0", "--max-new-tokens", "24"];
        const prompt = ["--prompt", "Once upon", "--json"];
        const greedy = await machine.run("generate", ...words, ...prompt);
        const made = await machine.run(
          ...["export", "e2e", "--format", "bundle", "--output", "poet"],
          "--json",
        );
        assert.deepEqual([made.code, made.err], [0, ""]);
        const { sha256, sizeBytes } = JSON.parse(made.out);
        const path = `${machine.dir}/work/poet`;
        assert.deepEqual(await sealOf(path), { sha256, sizeBytes });
        await using other = await Machine.create(path);
        const env = { HOME: "", TMPDIR: `${other.dir}/home` };
        const { code, out, err } = await other.runWith(
          env,
          ...[...words, ...prompt, "--quiet"],
        );
        assert.deepEqual([code, err], [0, ""]);
        assert.deepEqual(JSON.parse(out).ids, JSON.parse(greedy.out).ids);
        assert.deepEqual(Array.from(Deno.readDirSync(`${other.dir}/work`)), []);
        const help = await other.runWith(env, "train");
        assert.equal(help.code, 2, "it has no commands");
      },
    });

    if (!withTmux) console.log("the step tui is skipped: there is no tmux");
    await t.step({
      name: "shows its runs in a terminal, and leaves it as it was",
      ignore: !withTmux,
      async fn() {
        await using terminal = await machine.terminal("tui");
        await terminal.shows(/e2e .*completed/);
        await terminal.press("Enter");
        await terminal.shows(/completed .*step [\d,]+\/[\d,]+/);
        assert.equal(await terminal.variable("alternate_on"), "1");
        await terminal.press("q");
        await terminal.shows("EXIT=0");
        assert.equal(await terminal.variable("alternate_on"), "0");
      },
    });

    await t.step(
      "doctor finds native kernels and a place to write",
      async () => {
        const { code, out } = await machine.run("doctor");
        assert.equal(code, 0, out);
        assert.match(out, /^ok +root /m);
        assert.match(out, /^ok +cpu kernels /m);
      },
    );

    if (!given) {
      await t.step("lists its checksum", async () => {
        const sums = await Deno.readTextFile(`${out}/SHA256SUMS`);
        const name = executable.slice(out.length + 1);
        assert.equal(sums, `${made[0].sha256}  ${name}\n`);
      });
      await t.step(
        "unpacks once, whole, for many starts at a time",
        async () => {
          const HEARTH_CACHE = `${machine.dir}/fresh cache`;
          const starts = await Promise.all(
            Array.from(
              { length: 4 },
              () => machine.runWith({ HEARTH_CACHE }, "--version"),
            ),
          );
          for (const { code, err } of starts) {
            assert.deepEqual([code, err], [0, ""]);
          }
          const names = Array.from(Deno.readDirSync(HEARTH_CACHE));
          assert.equal(names.length, 1, "one program, nothing half unpacked");
        },
      );
      await t.step("refuses to run when it is damaged", async () => {
        const HEARTH_CACHE = `${machine.dir}/other cache`;
        const path = `${machine.dir}/hearth`;
        const bytes = await Deno.readFile(path);
        bytes[bytes.length >> 1] ^= 0xff;
        await Deno.writeFile(path, bytes);
        const { code, out, err } = await machine.runWith(
          { HEARTH_CACHE },
          "--version",
        );
        assert.deepEqual([code, out], [1, ""]);
        assert.match(err, /^error: Cannot .*\nhint: .*download it again\n$/);
        assert.deepEqual(Array.from(Deno.readDirSync(HEARTH_CACHE)), []);
      });
    }
    await Deno.remove(out, { recursive: true });
  },
});

Deno.test("deno compile embeds every file of the bundle", async () => {
  // As an export from sources makes it.
  const program = await ownProgram();
  const { [program.runtime]: runtime, ...files } = program.files;
  assert.equal(runtime, Deno.execPath());
  assert.ok(program.args.endsWith(`/${MAIN}"`));
  const dir = dirname(files[MAIN]);
  const out = await Deno.makeTempDir({ prefix: "hearth-embed-" });
  // With Deno itself as the runtime base the result is of no use, but it is
  // put together, and what it holds is printed.
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["compile", "--no-config", "--no-check", "--cached-only", "-A"],
      ...["--output", `${out}/hearth`],
      ...[...includedWorkers(dir), `${dir}/${MAIN}`],
    ],
    env: { DENORT_BIN: Deno.execPath(), NO_COLOR: "1" },
  }).output();
  const listed = new TextDecoder().decode(stderr);
  assert.ok(success, listed);
  const missing = Object.keys(files)
    .filter((name) => !listed.includes(` ${name} (`));
  assert.deepEqual(missing, []);
  await Deno.remove(out, { recursive: true });
  await program[Symbol.asyncDispose]();
  await assert.rejects(Deno.stat(dir), Deno.errors.NotFound);
});
