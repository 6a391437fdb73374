import assert from "node:assert/strict";
import { dirname } from "node:path";
import { canRun } from "../../base/_helpers.ts";
import { sealOf, writeSealed } from "../../../src/base/sealed_file.ts";
import { writeSelfExtracting } from "../../../src/export/bundle/self_extracting.ts";

/** Stands in for Hearth: tells how it was started. */
const RUNTIME = `#!/bin/sh
echo "model: \${HEARTH_BUNDLED_MODEL-none}"
echo "PATH: \${PATH-none}"
for word in "$@"; do echo "word: $word"; done
`;
const MODEL = new TextEncoder().encode("the model".repeat(50));

/** A file that unpacks itself, and a place to start it in. */
class Extracting implements AsyncDisposable {
  readonly path: string;

  private constructor(readonly dir: string) {
    this.path = `${dir}/model`;
  }

  static async create({ withModel = true } = {}): Promise<Extracting> {
    const made = new Extracting(await Deno.makeTempDir());
    await Deno.writeTextFile(`${made.dir}/runtime`, RUNTIME);
    await Deno.chmod(`${made.dir}/runtime`, 0o755);
    await Deno.writeTextFile(`${made.dir}/beside`, "a file of the program");
    await writeSelfExtracting(made.path, {
      program: {
        files: { run: `${made.dir}/runtime`, beside: `${made.dir}/beside` },
        runtime: "run",
        args: `first "$program/beside"`,
      },
      title: "A test",
      ...withModel && {
        appendModel: (path) => writeSealed(path, [MODEL], { append: true }),
      },
    });
    return made;
  }

  /** Starts it, or another file, without any environment but this. */
  async run(
    env: Record<string, string>,
    { path = this.path, args = [] as string[] } = {},
  ) {
    const { code, stdout, stderr } = await new Deno.Command(path, {
      args,
      cwd: this.dir,
      clearEnv: true,
      env,
      stdin: "null",
    }).output();
    const [out, err] = [stdout, stderr].map((bytes) =>
      new TextDecoder().decode(bytes).replaceAll(this.dir, "DIR")
    );
    return { code, out, err };
  }

  /** Writes a changed copy. */
  async copy(name: string, bytes: Uint8Array): Promise<string> {
    await Deno.writeFile(`${this.dir}/${name}`, bytes, { mode: 0o755 });
    return `${this.dir}/${name}`;
  }

  names(dir: string): string[] {
    return Array.from(Deno.readDirSync(`${this.dir}/${dir}`), (e) => e.name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.dir, { recursive: true });
  }
}

const options = { ignore: Deno.build.os === "windows" };

/** Whether files can be given to another user: by root, in most containers. */
async function canGiveAway(): Promise<boolean> {
  const file = await Deno.makeTempFile();
  const given = Deno.chown(file, 65534, 65534);
  const isGiven = await given.then(() => true, () => false);
  await Deno.remove(file).catch(() => {}); // as it may be another's in /tmp
  return isGiven;
}

Deno.test(
  "a file that unpacks itself starts the program with what it was given",
  options,
  async () => {
    await using made = await Extracting.create();
    const from = (await Deno.stat(made.path)).size - MODEL.length;
    const { sha256 } = await sealOf(made.path, { from });
    const env = { HEARTH_CACHE: `${made.dir}/a cache`, PATH: "/nowhere" };
    const args = ["two words", "", "$HOME `x` \"'", "--flag"];
    const first = await made.run(env, { args });
    const program = /word: (DIR\/a cache\/.*)\/beside$/m.exec(first.out)?.[1];
    assert.deepEqual(first, {
      code: 0,
      out: [
        `model: ${`${from}`.padEnd(12)} ${sha256} DIR/model`,
        "PATH: /nowhere",
        ...["first", `${program}/beside`, ...args].map((w) => `word: ${w}`),
      ].join("\n") + "\n",
      err: "",
    });
    assert.deepEqual(await made.run(env, { args }), first);
    assert.equal(made.names("a cache").length, 1);
  },
);

Deno.test(
  "a file that unpacks itself takes any place it can write to",
  options,
  async () => {
    await using made = await Extracting.create({ withModel: false });
    const usual = Deno.build.os === "darwin"
      ? "home/Library/Caches/hearth"
      : "home/.cache/hearth";
    await Deno.mkdir(`${made.dir}/home`);
    await Deno.mkdir(`${made.dir}/temp`);
    await Deno.writeTextFile(`${made.dir}/file`, "");
    const [dir, TMPDIR] = [made.dir, `${made.dir}/temp`];
    const places: [env: Record<string, string>, place: string][] = [
      [{ HOME: `${dir}/home`, PATH: "" }, usual],
      [{ HOME: `${dir}/home`, XDG_CACHE_HOME: `${dir}/xdg` }, "xdg/hearth"],
      [{ TMPDIR }, `temp/hearth-${Deno.uid()}`],
      [{ TMPDIR, HOME: `${dir}/file` }, `temp/hearth-${Deno.uid()}`],
      [
        { TMPDIR, XDG_CACHE_HOME: `${dir}/file` },
        `temp/hearth-${Deno.uid()}`,
      ],
    ];
    for (const [env, place] of places) {
      const { code, out, err } = await made.run(env);
      assert.deepEqual([code, err], [0, ""]);
      assert.ok(out.includes(`word: DIR/${place}/`), out);
      assert.ok(out.startsWith("model: none\n"));
    }
    const mode = (await Deno.stat(`${TMPDIR}/hearth-${Deno.uid()}`)).mode!;
    assert.equal(mode & 0o777, 0o700);
  },
);

Deno.test(
  "a file that unpacks itself refuses places that are not the user's",
  options,
  async () => {
    await using made = await Extracting.create();
    const TMPDIR = `${made.dir}/temp`;
    await Deno.mkdir(TMPDIR);
    await Deno.symlink(made.dir, `${TMPDIR}/hearth-${Deno.uid()}`);
    assert.deepEqual(await made.run({ TMPDIR }), {
      code: 1,
      out: "",
      err: "error: Cannot find a place to unpack to: no " +
        `DIR/temp/hearth-${Deno.uid()} can be made\n` +
        "hint: set HEARTH_CACHE to a directory of yours\n",
    });
    assert.deepEqual(await made.run({ HEARTH_CACHE: `${made.dir}/runtime` }), {
      code: 1,
      out: "",
      err: "error: Cannot make DIR/runtime\n" +
        "hint: set HEARTH_CACHE to a directory that can be written\n",
    });
  },
);

Deno.test(
  "a file that unpacks itself starts no program of another user",
  { ignore: options.ignore || !await canGiveAway() },
  async () => {
    await using made = await Extracting.create();
    const env = { HEARTH_CACHE: `${made.dir}/shared`, PATH: "" };
    assert.equal((await made.run(env)).code, 0);
    const [name] = made.names("shared");
    const program = `${made.dir}/shared/${name}`;
    for (const path of [program, `${program}/run`]) {
      await Deno.chown(path, 65534, 65534);
      assert.deepEqual(await made.run(env), {
        code: 1,
        out: "",
        err: `error: Cannot use DIR/shared/${name}: it belongs to another ` +
          "user\nhint: set HEARTH_CACHE to a directory of yours\n",
      });
      await Deno.chown(path, 0, 0);
    }
    // One of the administrator's is as good as an own one.
    await Deno.chmod(made.dir, 0o755);
    const { success } = await new Deno.Command(made.path, {
      ...{ cwd: made.dir, clearEnv: true, env, uid: 65534, stdin: "null" },
      ...{ stdout: "null", stderr: "null" },
    }).output();
    assert.ok(success);
  },
);

Deno.test(
  "a file that unpacks itself takes odd names of directories for names",
  options,
  async () => {
    await using made = await Extracting.create();
    const odd = ["$(touch x)", "`touch x`", "a\nb", "-rf", "*", "'\" ;&|"];
    for (const name of odd) {
      const path = `${made.dir}/home/${name}`;
      await Deno.mkdir(path, { recursive: true });
      const envs: Record<string, string>[] = [
        { HOME: path },
        { XDG_CACHE_HOME: path },
        { TMPDIR: path },
        { HEARTH_CACHE: path },
      ];
      for (const env of envs) {
        const { code, out, err } = await made.run(env);
        assert.deepEqual([code, err], [0, ""], JSON.stringify(env));
        const place = path.replace(made.dir, "DIR");
        assert.ok(out.includes(`word: ${place}`), out);
      }
    }
    await assert.rejects(Deno.lstat(`${made.dir}/x`));
  },
);

Deno.test(
  "a file that unpacks itself is whole after many starts and losses",
  options,
  async () => {
    await using made = await Extracting.create();
    const env = { HEARTH_CACHE: `${made.dir}/cache` };
    const starts = await Promise.all(
      Array.from({ length: 6 }, () => made.run(env)),
    );
    for (const { code, err } of starts) assert.deepEqual([code, err], [0, ""]);
    const [name, ...others] = made.names("cache");
    assert.deepEqual(others, []);
    await Deno.remove(`${made.dir}/cache/${name}/beside`);
    assert.equal((await made.run(env)).code, 0);
    assert.deepEqual(made.names(`cache/${name}`).sort(), ["beside", "run"]);
    await Deno.remove(`${made.dir}/cache/${name}/run`);
    assert.equal((await made.run(env)).code, 0);
    assert.deepEqual(made.names("cache"), [name]);
  },
);

Deno.test(
  "a file that unpacks itself says when it is damaged",
  options,
  async () => {
    await using made = await Extracting.create();
    const whole = await Deno.readFile(made.path);
    const end = whole.length - MODEL.length;
    const text = new TextDecoder("latin1").decode(whole);
    const start = text.indexOf("\n", text.indexOf("# The shell never")) + 1;
    const middle = (start + end) >> 1;
    const HEARTH_CACHE = `${made.dir}/cache`;
    for (const at of [start, start + 12, middle, end - 6, end - 1]) {
      const bytes = whole.slice();
      bytes[at] ^= 0x10;
      await expectRefused(await made.copy("flipped", bytes));
    }
    for (const length of [start, start + 1, middle, end - 1]) {
      await expectRefused(await made.copy("cut", whole.subarray(0, length)));
    }

    async function expectRefused(path: string) {
      const { code, out, err } = await made.run({ HEARTH_CACHE }, { path });
      assert.deepEqual([code, out], [1, ""]);
      assert.match(
        err,
        /^error: Cannot (use|unpack) DIR\/\w+: .+\nhint: .*copy or download it again\n$/,
      );
      assert.deepEqual(made.names("cache"), []);
    }
  },
);

Deno.test(
  "a file that unpacks itself is found by its name in PATH",
  options,
  async () => {
    await using made = await Extracting.create();
    const { code, out } = await made.run(
      { PATH: `/nowhere:${dirname(made.path)}`, HEARTH_CACHE: `${made.dir}/c` },
      { path: "model", args: [] },
    );
    assert.equal(code, 0);
    assert.match(out, /^model: .* DIR\/model$/m);
    assert.match(out, /^PATH: \/nowhere:DIR$/m);
  },
);

const canUnshare = Deno.build.os === "linux" && Deno.uid() === 0 &&
  await canRun("unshare", ["--mount", "true"]);

Deno.test(
  "a file that unpacks itself says so where there is no /proc",
  { ignore: !canUnshare },
  async () => {
    await using made = await Extracting.create();
    const hidden = 'mount -t tmpfs tmpfs /proc && exec "$0"';
    const { code, stderr } = await new Deno.Command("unshare", {
      args: ["--mount", "sh", "-c", hidden, made.path],
      env: { HEARTH_CACHE: `${made.dir}/cache` },
    }).output();
    assert.equal(code, 1);
    assert.equal(
      new TextDecoder().decode(stderr),
      "error: Cannot start: there is no /proc\n" +
        "hint: mount it first: mount -t proc proc /proc\n",
    );
  },
);
