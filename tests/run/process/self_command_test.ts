import assert from "node:assert/strict";
import {
  type Permission,
  selfCommand,
  selfCommandOf,
  type SelfFacts,
} from "../../../src/run/process/self_command.ts";

const ALL: Permission[] = [
  "read",
  "write",
  "net",
  "env",
  "run",
  "sys",
  "ffi",
  "import",
];

const SOURCES: SelfFacts = {
  execPath: "/usr/bin/deno",
  standalone: false,
  mainModule: "file:///home/ann/hearth/mod.ts",
  commandLine: ["deno", "run", "-A", "mod.ts", "train", "--detach"],
  args: ["train", "--detach"],
  granted: ALL,
  bundled: false,
};

Deno.test("selfCommandOf() keeps what Deno was started with", () => {
  const command = "/usr/bin/deno";
  assert.deepEqual(selfCommandOf(SOURCES), {
    command,
    prefix: ["run", "-A", "mod.ts"],
  });
  const flags = ["--v8-flags=--stack-size=2000", "--allow-read=.", "-E"];
  assert.deepEqual(
    selfCommandOf({
      ...SOURCES,
      commandLine: ["deno", "run", ...flags, "hearth.js", "a b", "", "--", "é"],
      args: ["a b", "", "--", "é"],
      granted: ["read"],
    }),
    { command, prefix: ["run", ...flags, "hearth.js"] },
  );
  assert.deepEqual(
    selfCommandOf({ ...SOURCES, commandLine: ["deno", "mod.ts"], args: [] }),
    { command, prefix: ["mod.ts"] },
  );
});

Deno.test("selfCommandOf() of a compiled program is the program", () => {
  const compiled = {
    ...SOURCES,
    execPath: "/usr/local/bin/hearth",
    standalone: true,
    mainModule: "file:///tmp/deno-compile-hearth/mod.ts",
    commandLine: ["hearth", "train", "--detach"],
  };
  assert.deepEqual(selfCommandOf(compiled), {
    command: "/usr/local/bin/hearth",
    prefix: [],
  });
});

Deno.test("selfCommandOf() goes by permissions where the system tells nothing", () => {
  const untold = { ...SOURCES, commandLine: null };
  const { mainModule } = SOURCES;
  assert.deepEqual(selfCommandOf(untold).prefix, [
    ...["run", "--allow-all", mainModule],
  ]);
  assert.deepEqual(
    selfCommandOf({ ...untold, granted: ["read", "ffi"] }).prefix,
    ["run", "--allow-read", "--allow-ffi", mainModule],
  );
  const bundle = { ...untold, bundled: true, granted: ALL.slice(0, -1) };
  assert.deepEqual(selfCommandOf(bundle).prefix, [
    ...["run", "--quiet", "--no-config", "--no-lock", "--cached-only"],
    ...["--no-prompt", "--allow-read", "--allow-write", "--allow-net"],
    ...["--allow-env", "--allow-run", "--allow-sys", "--allow-ffi"],
    mainModule,
  ]);
  // A command line that does not end with the arguments is not understood.
  const other = ["deno", "run", "mod.ts", "train", "--quiet"];
  assert.deepEqual(
    selfCommandOf({ ...SOURCES, commandLine: other }).prefix,
    ["run", "--allow-all", mainModule],
  );
});

Deno.test("selfCommand() starts this very program", async () => {
  const { command, prefix } = await selfCommand(Deno.args);
  assert.equal(command, Deno.execPath());
  if (Deno.build.os === "linux") {
    const ends = Deno.args.length > 0 ? -Deno.args.length : undefined;
    const words = (await Deno.readTextFile("/proc/self/cmdline"))
      .split("\0").slice(1, -1);
    assert.deepEqual(prefix, words.slice(0, ends));
  } else {
    assert.equal(prefix.at(-1), Deno.mainModule);
  }
});
