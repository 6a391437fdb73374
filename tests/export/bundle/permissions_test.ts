import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { loadKernels } from "../../../src/backend/cpu/kernels.ts";
import { permissionFlags } from "../../../src/export/bundle/permissions.ts";

const READS = {
  linux: "/proc/self/stat",
  darwin: "/etc/hosts",
  windows: "C:\\Windows\\win.ini",
}[Deno.build.os as string];

Deno.test({
  name: "an executable may look at processes, and imports code only if it must",
  ignore: READS === undefined,
  async fn() {
    const flags = permissionFlags(Deno.build.target);
    assert.equal(await reads(flags), true);
    // Where this fails, the flag is no longer needed: see permissions.ts.
    const withoutImport = flags.filter((flag) => flag !== "--allow-import");
    assert.equal(await reads(withoutImport), Deno.build.os !== "linux");
  },
});

/** What each permission is for, as a command that fails without. */
const NEEDED: [flag: string, argv: (dir: string) => string[], err: RegExp][] = [
  ["read", () => ["runs"], /^error: Requires read access/m],
  ["write", (dir) => ["init", `${dir}/a.yaml`, "--yes"], /write access/],
  ["env", () => ["runs"], /Requires env access/],
  ["sys", () => ["devices", "--json"], /Requires sys access/],
  ["net", (dir) => ["data", "prepare", "--dataset", `${dir}/a.txt`], /net acc/],
  ["run", (dir) => train(dir, "--detach"), /^error: Cannot start a detached/m],
];

const train = (dir: string, ...more: string[]) => [
  ...["train", "--dataset", `${dir}/text.txt`, "--tokenizer", "byte"],
  ...["--n-layer", "1", "--n-head", "2", "--n-embd", "8", "--seq-len", "8"],
  ...["--batch-size", "2", "--threads", "1", "--steps", "1", ...more],
];

Deno.test("an executable can do without none of its permissions", async (t) => {
  const dir = await Deno.makeTempDir();
  await Deno.writeTextFile(`${dir}/text.txt`, "the cat sat on it\n".repeat(99));
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    () => new Response("the cat sat on the mat\n".repeat(999)),
  );
  const site = `http://127.0.0.1:${server.addr.port}`;
  for (const [name, argv, err] of NEEDED) {
    await t.step(name, async () => {
      const words = argv(name === "net" ? site : dir);
      const without = await hearth(dir, words, `--allow-${name}`);
      assert.notEqual(without.code, 0);
      assert.match(without.err, err);
      // A detached run is started in tests of the whole program.
      if (name === "run") return;
      const { code, err: text } = await hearth(dir, words);
      assert.equal(code, 0, text);
    });
  }
  await t.step("ffi", async () => {
    const kernels = async (without?: string) => {
      const { out } = await hearth(dir, ["devices", "--json"], without);
      return JSON.parse(out)[0].kernels;
    };
    assert.match(await kernels("--allow-ffi"), /^wasm/); // it goes on
    const isNative = loadKernels().noNative === null;
    if (isNative) assert.doesNotMatch(await kernels(), /^wasm/);
  });
  await server.shutdown();
  await Deno.remove(dir, { recursive: true });
});

/** Runs the program, with one flag left out. */
async function hearth(root: string, argv: string[], without?: string) {
  const flags = permissionFlags(Deno.build.target)
    .filter((flag) => flag !== without);
  const main = fileURLToPath(new URL("../../../mod.ts", import.meta.url));
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", ...flags, main, "--root", root, ...argv],
    env: { no_proxy: "127.0.0.1", NO_COLOR: "1" },
  }).output();
  const [out, err] = [stdout, stderr].map((b) => new TextDecoder().decode(b));
  return { code, out, err };
}

Deno.test("no executable asks questions or has a flag for all", () => {
  for (const target of ["x86_64-unknown-linux-gnu", "aarch64-apple-darwin"]) {
    assert.ok(permissionFlags(target).includes("--no-prompt"));
    assert.ok(!permissionFlags(target).includes("--allow-all"));
  }
  assert.ok(
    !permissionFlags("x86_64-pc-windows-msvc").includes("--allow-import"),
  );
});

async function reads(flags: string[]): Promise<boolean> {
  const code = `await Deno.readTextFile(${JSON.stringify(READS)})`;
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-config",
      "--quiet",
      ...flags,
      "data:text/javascript," + code,
    ],
    stdout: "null",
    stderr: "null",
  }).output();
  return success;
}
