import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { fileURLToPath } from "node:url";
import { openDataset } from "../../src/data/open_dataset.ts";
import {
  listPrepared,
  preparedPaths,
} from "../../src/data/tokens/prepared_tokens.ts";
import { filesBelow, options, TempDir } from "./_helpers.ts";

const SCRIPT = fileURLToPath(
  new URL("_prepare_until_killed.ts", import.meta.url),
);

Deno.test("openDataset() goes on after kill -9 with the tokens of one never killed", async () => {
  await using dir = new TempDir(), other = new TempDir();
  // Long enough that threads are at work when it happens.
  const line = (word: string) => (_: unknown, i: number) =>
    `${word} ${i * i}\n`;
  const lines = (word: string) =>
    Array.from({ length: 300_000 }, line(word)).join("");
  const a = await dir.write("a.txt", "The fox. ".repeat(1000));
  const b = await dir.write("b.txt", lines("owl")); // 4.4 MB
  const settings = options(dir, [a, b], { tokenizerType: "bpe" });

  const size = (await Deno.stat(a)).size + (await Deno.stat(b)).size * 0.7;
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-check",
      "-A",
      SCRIPT,
      JSON.stringify({
        settings,
        bytes: size,
      }),
    ],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  child.kill("SIGKILL");
  await reader.cancel();
  await child.status;

  const [first, ...more] = await listPrepared(settings.dataDir);
  assert.deepEqual([first.header.source, more], [a, []]);
  const phases = new Set<string>();
  const resumed = await openDataset({
    ...settings,
    onProgress: ({ phase }) => phases.add(phase),
  });
  resumed.dataset.close();
  assert.ok(!phases.has("tokenizer"));
  const left = await filesBelow(settings.dataDir);
  assert.ok(left.every((name) => !name.includes(".tmp-")), `${left}`);

  const whole = await openDataset({ ...settings, dataDir: other.path });
  whole.dataset.close();
  assert.deepEqual(resumed.dataset.identity, whole.dataset.identity);
  for (const [i, { directory }] of resumed.prepared.entries()) {
    for (const side of ["train", "val"] as const) {
      const expected = preparedPaths(whole.prepared[i].directory)[side];
      const [one, two] = await Promise.all(
        [preparedPaths(directory)[side], expected].map((p) => Deno.readFile(p)),
      );
      assert.ok(Buffer.from(one).equals(Buffer.from(two)));
    }
  }
});
