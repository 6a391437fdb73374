import assert from "node:assert/strict";
import {
  isLater,
  LaterVersion,
  refuseLater,
} from "../../src/base/later_version.ts";
import { VERSION } from "../../src/base/version.ts";

Deno.test("refuseLater() refuses a format above the one that is known", () => {
  const refused = (value: unknown, writer?: unknown) => {
    try {
      refuseLater(value, "a/meta.json", { known: 1, writer });
    } catch (error) {
      assert.ok(error instanceof LaterVersion);
      return [error.message, error.hint];
    }
    return null;
  };
  assert.deepEqual(refused({ version: 2 }), [
    'Cannot read "a/meta.json": a later version of Hearth wrote it (format ' +
    "2, this one reads 1)",
    `update Hearth; this is ${VERSION}`,
  ]);
  assert.deepEqual(
    refused({ version: 2 }, "99.0.0")?.[1],
    `update Hearth to 99.0.0; this is ${VERSION}`,
  );
  for (const value of [{ version: 1 }, { version: "2" }, {}, null, 2, "x"]) {
    assert.equal(refused(value), null);
  }
});

Deno.test("isLater() compares versions part by part", () => {
  const [major, minor, patch] = VERSION.split(".").map(Number);
  assert.ok(isLater(`${major}.${minor}.${patch + 1}`));
  assert.ok(isLater(`${major}.${minor + 10}.0`));
  assert.ok(isLater(`${major + 1}.0.0`));
  assert.ok(!isLater(VERSION));
  assert.ok(!isLater("0.0.999"));
  for (const word of [undefined, null, 9, "", "9", "9.9", "v9.9.9", "9.9.9x"]) {
    assert.ok(!isLater(word), String(word));
  }
});
