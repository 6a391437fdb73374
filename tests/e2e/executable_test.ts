/**
 * The executable as a stranger gets it: an empty directory, no Deno, no cache,
 * no PATH, no network. HEARTH_EXECUTABLE names one to test; otherwise the
 * portable form is made here.
 */

import assert from "node:assert/strict";
import { bundleProgram, MAIN } from "../../scripts/bundle.ts";
import { compile, includedWorkers } from "../../scripts/compile.ts";

/** What a command came to. */
interface Ended {
  code: number;
  out: string;
  err: string;
}

const IS_WINDOWS = Deno.build.os === "windows";
/** Without these, nothing runs on Windows. */
const SYSTEM_ENV = IS_WINDOWS ? ["SystemRoot", "LOCALAPPDATA", "TEMP"] : [];

/** A new machine, as far as a program can tell. */
class Machine implements AsyncDisposable {
  readonly dir: string;
  readonly #executable: string;
  /** What closes the network, where this system has it. */
  readonly #offline: readonly string[];

  private constructor(
    { dir, executable, offline }: {
      dir: string;
      executable: string;
      offline: readonly string[];
    },
  ) {
    this.dir = dir;
    this.#executable = executable;
    this.#offline = offline;
  }

  /** @param executable Gets copied, so that nothing beside it can help. */
  static async create(executable: string): Promise<Machine> {
    const dir = await Deno.makeTempDir({ prefix: "hearth-e2e-" });
    await Deno.mkdir(`${dir}/home`);
    await Deno.mkdir(`${dir}/work`);
    const copy = `${dir}/hearth${IS_WINDOWS ? ".exe" : ""}`;
    await Deno.copyFile(executable, copy);
    const words = ["unshare", "--user", "--map-root-user", "--net"];
    const works = await new Deno.Command(words[0], {
      args: [...words.slice(1), "true"],
      stderr: "null",
    }).output().then(({ success }) => success, () => false);
    const offline = works ? words : [];
    return new Machine({ dir, executable: copy, offline });
  }

  /** Runs the program in the empty directory. */
  async run(...args: string[]): Promise<Ended> {
    return await this.runWith({}, ...args);
  }

  /** The same with some environment; else HOME is all there is. */
  async runWith(
    env: Record<string, string>,
    ...args: string[]
  ): Promise<Ended> {
    const [command, ...rest] = [...this.#offline, this.#executable, ...args];
    const { code, stdout, stderr } = await new Deno.Command(command, {
      args: rest,
      cwd: `${this.dir}/work`,
      clearEnv: true,
      signal: AbortSignal.timeout(PATIENCE_MS),
      env: {
        ...Object.fromEntries(
          SYSTEM_ENV.map((name) => [name, Deno.env.get(name) ?? ""]),
        ),
        HOME: `${this.dir}/home`,
        ...env,
      },
    }).output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code, out: text(stdout), err: text(stderr) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.run("stop", "--now").catch(() => {}); // a failing test's run
    await Deno.remove(this.dir, { recursive: true });
  }
}

/** A command that hangs must not hang the tests. */
const PATIENCE_MS = 120_000;
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
      assert.match(out, /^hearth \d+\.\d+\.\d+ \(\S+, Deno \d+\.\d+\.\d+\)\n$/);
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
      const words = ["generate", "e2e", "--max-new-tokens", "12"];
      const [one, two] = [
        await machine.run(...words, "--seed", "7"),
        await machine.run(...words, "--seed", "7"),
      ];
      assert.equal(one.code, 0, one.err);
      assert.ok(one.out.length > 12);
      assert.equal(one.out, two.out);
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
      await t.step("says what it needs without a home", async () => {
        const { code, err } = await machine.runWith({ HOME: "" }, "--version");
        assert.equal(code, 1);
        assert.match(err, /hint: set HEARTH_CACHE to a directory/);
      });
    }
    await Deno.remove(out, { recursive: true });
  },
});

Deno.test("deno compile embeds every file of the bundle", async () => {
  const out = await Deno.makeTempDir({ prefix: "hearth-embed-" });
  const files = await bundleProgram(out, { commit: "test" });
  // With Deno itself as the runtime base the result is of no use, but it is
  // put together, and what it holds is printed.
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["compile", "--no-config", "--no-check", "--cached-only", "-A"],
      ...["--output", `${out}/hearth`],
      ...[...includedWorkers(out), `${out}/${MAIN}`],
    ],
    env: { DENORT_BIN: Deno.execPath(), NO_COLOR: "1" },
  }).output();
  const listed = new TextDecoder().decode(stderr);
  assert.ok(success, listed);
  const missing = files.filter((name) => !listed.includes(` ${name} (`));
  assert.deepEqual(missing, []);
  await Deno.remove(out, { recursive: true });
});
