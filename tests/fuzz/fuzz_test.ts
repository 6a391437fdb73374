import assert from "node:assert/strict";
import { Fuzzer } from "./_fuzz.ts";
import { type TargetName, TARGETS } from "./_targets.ts";

const INPUTS = 200;

Deno.test("damaged inputs are refused, and nothing else happens", async (t) => {
  using fuzzer = new Fuzzer();
  for (const target of Object.keys(TARGETS) as TargetName[]) {
    await t.step(target, async () => {
      const count = Math.ceil(INPUTS / TARGETS[target].rarer);
      const result = await fuzzer.feed({ target, seed: 8, count });
      assert.deepEqual(result.failures, []);
      // A target that refuses nothing, or everything, tests nothing.
      assert.ok(result.refused > 0, `${result.refused} of ${count} refused`);
      assert.ok(result.refused < count || count < 10, "all are refused");
    });
  }
});

Deno.test("docs/security.md names every target", async () => {
  const text = await Deno.readTextFile(
    new URL("../../docs/security.md", import.meta.url),
  );
  const [, behind] = text.split("| targets ");
  const [table] = behind.split("\n\n");
  const named = [...table.matchAll(/`([a-z-]+)`/g)].map(([, name]) => name);
  assert.deepEqual(named.toSorted(), Object.keys(TARGETS).toSorted());
});
