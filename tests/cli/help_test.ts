import assert from "node:assert/strict";
import { run } from "./_fake_io.ts";

const COMMANDS = [
  "",
  "train",
  "resume",
  "stop",
  "rm",
  "status",
  "runs",
  "tui",
  "logs",
  "attach",
  "compare",
  "report",
  "generate",
  "eval",
  "export",
  "import",
  "data",
  "data list",
  "data prepare",
  "data info",
  "data clean",
  "tokenizer",
  "tokenizer train",
  "tokenizer inspect",
  "tokenizer encode",
  "tokenizer decode",
  "devices",
  "doctor",
  "init",
  "completions",
  "demo",
  "bench",
  "bench gemm",
  "bench ops",
  "bench train",
  "bench generate",
];

for (const command of COMMANDS) {
  Deno.test(`hearth ${command} --help`.replace("  ", " "), async (t) => {
    const argv = [...command.split(" ").filter(Boolean), "--help"];
    const { code, out, err } = await run(argv);
    assert.deepEqual([code, err], [0, ""]);
    const wide = out.split("\n").filter((line) => line.length > 80);
    assert.deepEqual(wide, []);
    assert.equal(out.match(/^Examples:\n {2}\$ .+\n {2}\$ .+\n$/m)?.length, 1);
    await t.assertSnapshot(out);
  });
}
