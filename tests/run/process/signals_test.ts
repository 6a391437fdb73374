import assert from "node:assert/strict";

const SIGNALS =
  new URL("../../../src/run/process/signals.ts", import.meta.url).href;

/**
 * What a process prints that listens, and gets signals at times of its clock.
 * Each is waited for before the next one is sent, however busy the machine.
 */
async function hear(sent: [atMs: number, signal: Deno.Signal][]) {
  const code = `
    import { onStopSignals } from ${JSON.stringify(SIGNALS)};
    let nowMs = 0;
    using listening = onStopSignals({
      first: (signal) => console.log("first", signal),
      second: (signal) => console.log("second", signal),
    }, { now: () => nowMs });
    const alive = setInterval(() => {}, 1000);
    for (const [atMs, signal] of ${JSON.stringify(sent)}) {
      nowMs = atMs;
      const { promise: heard, resolve } = Promise.withResolvers();
      Deno.addSignalListener(signal, resolve); // after those that are tested
      Deno.kill(Deno.pid, signal);
      await heard;
      Deno.removeSignalListener(signal, resolve);
    }
    clearInterval(alive);`;
  const { stdout, code: exitCode } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-lock", "--ext=ts", code],
    stderr: "inherit",
  }).output();
  return { output: new TextDecoder().decode(stdout), exitCode };
}

Deno.test({
  name: "onStopSignals() takes a second key press, not an echo or a hang-up",
  ignore: Deno.build.os === "windows", // it cannot send signals to a process
  async fn() {
    const { output, exitCode } = await hear([
      [1000, "SIGHUP"],
      [1100, "SIGINT"], // passed on by a wrapper
      [1300, "SIGHUP"], // the shell repeats the kernel's
      [1101, "SIGTERM"],
    ]);
    assert.equal(output, "first SIGHUP\nsecond SIGTERM\n");
    assert.equal(exitCode, 0);
  },
});
