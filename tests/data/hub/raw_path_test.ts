import assert from "node:assert/strict";
import { join } from "node:path";
import { rawPath } from "../../../src/data/hub/hub_source.ts";

Deno.test("rawPath() stays inside, whatever a hub says", () => {
  const sha256 = "ab".repeat(32);
  const path = (file: { path: string; sha256?: string; gitSha1?: string }) =>
    rawPath("raw", { sizeBytes: 1, ...file });
  assert.equal(
    path({ path: "data/a.parquet", sha256 }),
    join("raw", "abababababab", "a.parquet"),
  );
  assert.match(path({ path: "a.txt" }), /^raw[/\\][0-9a-f]{12}[/\\]a\.txt$/);
  for (
    const file of [
      { path: "a.txt", sha256: "../../../../../" },
      { path: "a.txt", gitSha1: "C:\\" },
      { path: "..", sha256 },
      { path: "x\\..\\..\\a.txt", sha256 },
      { path: "C:a.txt", sha256 },
    ]
  ) {
    assert.throws(() => path(file), { name: "UserError" });
  }
});
