import assert from "node:assert/strict";

const SIGNALS =
  new URL("../../../src/run/process/signals.ts", import.meta.url).href;

/** Sends signals to a process that listens, and returns what it printed. */
async function talk(
  send: (child: Deno.ChildProcess) => Promise<void>,
): Promise<{ output: string; status: Deno.CommandStatus }> {
  const code = `
    import { onStopSignals } from ${JSON.stringify(SIGNALS)};
    const alive = setInterval(() => {}, 1000);
    const listening = onStopSignals({
      first: (signal) => console.log("first", signal),
      second: (signal) => { console.log("second", signal); clearInterval(alive); listening[Symbol.dispose](); },
    });
    console.log("ready");`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-lock", "--ext=ts", code],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let output = "";
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value } = await reader.read();
  output += value;
  await send(child);
  for (let read; !(read = await reader.read()).done;) output += read.value;
  return { output, status: await child.status };
}

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

Deno.test({
  name: "onStopSignals() takes a second key press, not an echo or a hang-up",
  ignore: Deno.build.os === "windows", // it cannot send signals to a process
  async fn() {
    const { output, status } = await talk(async (child) => {
      child.kill("SIGHUP");
      child.kill("SIGINT"); // passed on by a wrapper
      await wait(300);
      child.kill("SIGHUP"); // the shell repeats the kernel's
      await wait(50);
      child.kill("SIGTERM");
    });
    // Which of two simultaneous signals comes first is up to the system.
    const [first, ...rest] = output.slice("ready\n".length).split("\n");
    assert.match(first, /^first SIG(HUP|INT)$/);
    assert.deepEqual(rest, ["second SIGTERM", ""]);
    assert.equal(status.code, 0);
  },
});
