import assert from "node:assert/strict";
import { UserError } from "../../../src/base/errors.ts";
import { startDetached } from "../../../src/run/background/detached_process.ts";
import { canRun, inTempDir } from "../../base/_helpers.ts";

function start(output: string, code: string, env = {}) {
  const args = ["eval", code];
  return startDetached({ command: Deno.execPath(), args, env, output });
}

Deno.test("startDetached() gives a process its variables and a file", () =>
  inTempDir(async (dir) => {
    const output = `${dir}/detached.log`;
    await Deno.writeTextFile(output, "of the process before\n");
    const { pid, ended } = await start(
      output,
      `console.log(Deno.env.get("HEARTH_X") + " " + Deno.pid);
       console.error(String(await Deno.stdin.read(new Uint8Array(1))));
       Deno.exit(7);`,
      { HEARTH_X: "set" },
    );
    assert.deepEqual(await ended, {
      code: 7,
      signal: null,
      output: `set ${pid}\nnull\n`,
    });
    assert.equal(await Deno.readTextFile(output), `set ${pid}\nnull\n`);
  }));

Deno.test("startDetached() says where it cannot write", () =>
  inTempDir(async (dir) => {
    const run = `${dir}/owl-1`;
    await Deno.writeTextFile(run, "no directory");
    await assert.rejects(start(`${run}/detached.log`, ""), {
      name: "UserError",
      message: `Cannot write to "${run}": a part of the path is a file`,
    });
  }));

Deno.test("startDetached() tells what was printed to a file that is gone", () =>
  inTempDir(async (dir) => {
    const output = `${dir}/detached.log`;
    const { ended } = await start(
      output,
      `console.log("last words");
       await Deno.remove(${JSON.stringify(output)});`,
    );
    assert.equal((await ended).output, "last words\n");
  }));

const hasPs = Deno.build.os !== "windows" &&
  await canRun("ps", ["-p", `${Deno.pid}`]);
if (!hasPs) console.warn("skipped: no ps here");

Deno.test({
  name: "startDetached() makes the process lead a session without a terminal",
  ignore: !hasPs, // nor has Windows sessions of this kind
  async fn() {
    await inTempDir(async (dir) => {
      const { pid, ended } = await start(
        `${dir}/detached.log`,
        "await new Promise((resolve) => setTimeout(resolve, 60_000));",
      );
      const { stdout } = await new Deno.Command("ps", {
        args: ["-o", "pgid=,tty=", "-p", `${pid}`],
      }).output();
      const [group, terminal] = new TextDecoder().decode(stdout).trim()
        .split(/\s+/);
      assert.equal(group, `${pid}`);
      assert.match(terminal, /^\?+$/);
      Deno.kill(pid, "SIGKILL");
      const { code, signal } = await ended;
      assert.deepEqual([code, signal], [null, "SIGKILL"]);
    });
  },
});

Deno.test("startDetached() says when a program cannot be started", () =>
  inTempDir((dir) =>
    assert.rejects(
      startDetached({
        command: `${dir}/nothing`,
        args: [],
        env: {},
        output: `${dir}/detached.log`,
      }),
      (error) =>
        error instanceof UserError &&
        error.message.startsWith("Cannot start a detached process: "),
    )
  ));
