import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { executableName, TARGETS } from "../../scripts/compile.ts";
import { saySkipped } from "../_skipped.ts";
import { canRun } from "../base/_helpers.ts";

/** The executable of a made-up release. */
const PROGRAM = "#!/bin/sh\necho hearth 9.9.9\n";
const SCRIPT = new URL("../../scripts/install.sh", import.meta.url).pathname;
const ARCH = Deno.build.target.split("-")[0];
const TARGET = Deno.build.os === "darwin"
  ? `${ARCH}-apple-darwin`
  : `${ARCH}-unknown-linux-gnu`;
const NAME = `hearth-9.9.9-${TARGET}`;
const SUM = createHash("sha256").update(PROGRAM).digest("hex");

/** Installs from a server that has `files`, by path. */
async function install(
  files: Record<string, string>,
  env: Record<string, string> = {},
) {
  const home = await Deno.makeTempDir();
  const server = Deno.serve({ port: 0, onListen: () => {} }, ({ url }) => {
    const body = files[new URL(url).pathname];
    return body === undefined
      ? new Response("not here", { status: 404 })
      : new Response(body);
  });
  const { port } = server.addr;
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: [SCRIPT],
    env: {
      HOME: home,
      HEARTH_RELEASES: `http://127.0.0.1:${port}/releases`,
      no_proxy: "127.0.0.1",
      ...env,
    },
  }).output();
  await server.shutdown();
  const text = (bytes: Uint8Array) =>
    new TextDecoder().decode(bytes).replaceAll(home, "HOME");
  const bin = `${home}/.local/bin`;
  const installed = Array.from(Deno.readDirSync(bin)).map(({ name }) => name);
  const content = await Deno.readTextFile(`${bin}/hearth`).catch(() => null);
  await Deno.remove(home, { recursive: true });
  return { code, out: text(stdout), err: text(stderr), installed, content };
}

const canDownload = await canRun("curl", ["--version"]) ||
  await canRun("wget", ["--version"]);
const ignore = Deno.build.os === "windows" || !canDownload;
if (ignore) saySkipped("skipped: no sh, or neither curl nor wget here");

Deno.test({
  name: "install.sh installs the newest release and says how to start it",
  ignore,
  async fn() {
    const { code, out, installed, content } = await install({
      "/releases/latest/download/SHA256SUMS": `${
        "0".repeat(64)
      }  hearth-9.9.9-other\n${SUM}  ${NAME}\n`,
      [`/releases/latest/download/${NAME}`]: PROGRAM,
    });
    assert.equal(code, 0);
    assert.deepEqual([installed, content], [["hearth"], PROGRAM]);
    assert.equal(
      out,
      "installed hearth 9.9.9 as HOME/.local/bin/hearth\n" +
        'Add it to your shell: export PATH="HOME/.local/bin:$PATH"\n' +
        "Try it: HOME/.local/bin/hearth demo\n",
    );
  },
});

Deno.test({
  name: "install.sh installs the release that was asked for",
  ignore,
  async fn() {
    const { code, installed } = await install({
      "/releases/download/v9.9.9/SHA256SUMS": `${SUM}  ${NAME}\n`,
      [`/releases/download/v9.9.9/${NAME}`]: PROGRAM,
    }, { HEARTH_VERSION: "9.9.9" });
    assert.deepEqual([code, installed], [0, ["hearth"]]);
  },
});

/** What `uname` says of the systems that install.sh is for. */
const SYSTEMS: Record<string, string[]> = {
  "x86_64-unknown-linux-gnu": ["Linux x86_64"],
  "aarch64-unknown-linux-gnu": ["Linux aarch64", "Linux arm64"],
  "x86_64-apple-darwin": ["Darwin x86_64"],
  "aarch64-apple-darwin": ["Darwin arm64"],
};

Deno.test({
  name: "install.sh takes the executable of each system from a real list",
  ignore,
  async fn() {
    const targets = TARGETS.filter((target) => !target.includes("windows"));
    assert.deepEqual(Object.keys(SYSTEMS).sort(), targets.toSorted());
    const base = "/releases/latest/download/";
    const files: Record<string, string> = { [`${base}SHA256SUMS`]: "" };
    for (const target of TARGETS) {
      const program = `#!/bin/sh\necho hearth for ${target}\n`;
      const sum = createHash("sha256").update(program).digest("hex");
      files[`${base}SHA256SUMS`] += `${sum}  ${executableName(target)}\n`;
      files[base + executableName(target)] = program;
    }
    const tools = await Deno.makeTempDir();
    for (const [target, systems] of Object.entries(SYSTEMS)) {
      for (const system of systems) {
        const [name, machine] = system.split(" ");
        await Deno.writeTextFile(
          `${tools}/uname`,
          `#!/bin/sh\n[ "$1" = -s ] && echo ${name} || echo ${machine}\n`,
          { mode: 0o755 },
        );
        const PATH = `${tools}:${Deno.env.get("PATH")}`;
        const { code, out, err } = await install(files, { PATH });
        assert.equal(code, 0, err);
        assert.match(out, new RegExp(`^installed hearth for ${target} as `));
      }
    }
    await Deno.remove(tools, { recursive: true });
  },
});

/** What is wrong with a release, and what is said of it. */
const WRONG: Record<string, [files: Record<string, string>, error: RegExp]> = {
  "a download that was changed": [
    { SHA256SUMS: `${SUM}  ${NAME}\n`, [NAME]: `${PROGRAM}rm -rf /\n` },
    /^error: Cannot trust hearth-9\.9\.9-.*: its SHA-256 is [0-9a-f]{64}, expected /m,
  ],
  "a system without a release": [
    { SHA256SUMS: `${SUM}  hearth-9.9.9-m68k-amiga\n` },
    /^error: Cannot find an executable for /m,
  ],
  "a name that leads elsewhere": [
    { SHA256SUMS: `${SUM}  ../../x-${TARGET}\n` },
    /^error: Cannot use the name /m,
  ],
  "a release that is not there": [{}, /^error: Cannot download .*SHA256SUMS/m],
};

for (const [what, [files, error]] of Object.entries(WRONG)) {
  Deno.test({
    name: `install.sh leaves nothing behind after ${what}`,
    ignore,
    async fn() {
      const served = Object.fromEntries(
        Object.entries(files).map((
          [name, body],
        ) => [`/releases/latest/download/${name}`, body]),
      );
      const { code, err, installed } = await install(served);
      assert.deepEqual([code, installed], [1, []]);
      assert.match(err, error);
      assert.match(err, /^hint: /m);
    },
  });
}
