import assert from "node:assert/strict";
import { join } from "node:path";
import { canRun, inTempDir } from "../base/_helpers.ts";
import { run } from "./_fake_io.ts";
import { Workspace } from "./_workspace.ts";

Deno.test("hearth without arguments, and hearth help, print the help", async () => {
  const { out } = await run(["--help"]);
  assert.deepEqual(await run([]), { code: 0, out, err: "" });
  const train = await run(["train", "--help"]);
  assert.deepEqual(await run(["help", "train"]), train);
});

Deno.test("hearth tui says that it needs a terminal", async () => {
  assert.deepEqual(await run(["tui"]), {
    code: 2,
    out: "",
    err: "error: Cannot open the dashboard: this is not a terminal\n" +
      "hint: hearth runs lists the runs, hearth status shows one\n",
  });
});

Deno.test("hearth tui says that a dumb terminal has no screen", async () => {
  const dumb = { tty: true, env: { TERM: "dumb" } };
  const { code, err } = await run(["tui"], dumb);
  assert.equal(code, 2);
  assert.match(
    err,
    /TERM is dumb: the terminal has no screen to draw on\nhint/,
  );
  // Without a command, there is help in place of the dashboard.
  const alone = await run([], dumb);
  assert.match(alone.out, /^Usage: hearth/);
});

Deno.test("--root comes before HEARTH_ROOT, which comes before the folder", async () => {
  await using workspace = await Workspace.create();
  await workspace.train(["--steps", "1", "--quiet"]);
  const runs = async (argv: string[], root: string) => {
    const { out } = await run(["runs", "--json", ...argv], {
      env: { HEARTH_ROOT: root },
    });
    return JSON.parse(out).length;
  };
  assert.equal(await runs([], workspace.root), 1);
  assert.equal(
    await runs(["--root", workspace.path("none")], workspace.root),
    0,
  );
  assert.equal(await runs(["--root", workspace.root], "/nowhere"), 1);
});

Deno.test("errors are colored in a terminal, unless that is not wanted", async () => {
  const argv = ["status", "owl-1", "--root", "/nowhere"];
  const first = async (words: string[], env: Record<string, string> = {}) => {
    const { err } = await run([...argv, ...words], { tty: true, env });
    return err.split(" ")[0];
  };
  assert.equal(await first([]), "\x1b[31merror:\x1b[0m");
  assert.equal(await first(["--no-color"]), "error:");
  assert.equal(await first([], { NO_COLOR: "1" }), "error:");
  assert.equal(await first([], { TERM: "dumb" }), "error:");
  const { err } = await run(argv);
  assert.ok(err.startsWith("error:"));
});

Deno.test("a hint can be pasted where the program is called otherwise", async () => {
  const settings = { program: "deno task hearth" };
  const hint = async (argv: string[]) => {
    const { err } = await run(argv, settings);
    return /^hint: (.*)$/m.exec(err)?.[1];
  };
  assert.equal(
    await hint(["status", "owl-1", "--root", "/nowhere"]),
    "start one with deno task hearth train",
  );
  assert.equal(
    await hint(["trian"]),
    "did you mean hearth train?".replace("hearth", settings.program),
  );
  // A path is none, and neither is a word of a text.
  assert.equal(
    await hint(["generate", "/x/hearth train it", "--root", "/nowhere"]),
    "start one with deno task hearth train",
  );
  assert.equal(
    await hint(["generate", "my hearth burns", "--root", "/nowhere"]),
    'did you mean --prompt "my hearth burns"?',
  );
});

Deno.test("HEARTH_DEBUG shows where an error comes from", async () => {
  const argv = ["status", "owl-1", "--root", "/nowhere"];
  const { code, err } = await run(argv, { env: { HEARTH_DEBUG: "1" } });
  assert.equal(code, 2);
  assert.match(err, /\nhint: .+\nUserError: .+\n +at /);
});

Deno.test("a shell can read its completion script", async () => {
  const { code, out } = await run(["completions", "bash"]);
  assert.equal(code, 0);
  assert.ok(out.includes("hearth complete --"));
  // Not on every Windows; the text was checked.
  if (!await canRun("bash", ["--version"])) return;
  const bash = new Deno.Command("bash", {
    args: ["-n"],
    stdin: "piped",
    stderr: "piped",
  }).spawn();
  const writer = bash.stdin.getWriter();
  await writer.write(new TextEncoder().encode(out));
  await writer.close();
  const { success, stderr } = await bash.output();
  assert.ok(success, new TextDecoder().decode(stderr));
});

Deno.test("completions --install puts the script where the shell looks", () =>
  inTempDir(async (home) => {
    const { out: script } = await run(["completions", "bash"]);
    const words = ["completions", "bash", "--install"];
    for (const _again of [1, 2]) {
      const { code, out, err } = await run(words, { env: { HOME: home } });
      const path = join(
        home,
        ".local/share/bash-completion/completions/hearth",
      );
      assert.deepEqual([code, out], [0, `${path}\n`]);
      assert.match(err, /^A new shell completes hearth/);
      assert.equal(await Deno.readTextFile(path), script);
    }
    const env = { HOME: home, XDG_CONFIG_HOME: join(home, "config") };
    const fish = await run(["completions", "fish", "--install"], { env });
    const path = join(home, "config/fish/completions/hearth.fish");
    assert.equal(fish.out, `${path}\n`);
    assert.ok((await Deno.stat(path)).size > 0);

    const file = join(home, "file");
    await Deno.writeTextFile(file, "");
    const refused = await run(words, { env: { XDG_DATA_HOME: file } });
    assert.equal(refused.code, 1);
    assert.match(
      refused.err,
      /^error: Cannot write .*\nhint: hearth comp.*\n$/,
    );
  }));
