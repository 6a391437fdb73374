import assert from "node:assert/strict";
import { join } from "node:path";
import { readLimitedText, readShortText } from "../../src/base/limited_file.ts";
import { inTempDir } from "./_helpers.ts";

Deno.test("readLimitedText() refuses what is far too large before it reads it", () =>
  inTempDir(async (dir) => {
    const path = join(dir, "state.json");
    await Deno.writeTextFile(path, "{}");
    assert.equal(await readLimitedText(path), "{}");
    await Deno.truncate(path, 2 ** 40); // a terabyte of nothing
    await assert.rejects(readLimitedText(path), {
      name: "UnexpectedFile",
      message: "it is 1.1 TB, expected at most 16.8 MB",
    });
    await assert.rejects(readLimitedText(join(dir, "none")), {
      name: "NotFound",
    });
  }));

Deno.test({
  name: "readShortText() reads a pipe, up to a limit",
  ignore: Deno.build.os === "windows",
  fn: () =>
    inTempDir(async (dir) => {
      const path = join(dir, "pipe");
      const { success } = await new Deno.Command("mkfifo", { args: [path] })
        .output();
      assert.ok(success);
      for (const [text, limit] of [["a: ö\n", 6], ["a: ö\n", 5]] as const) {
        const written = Deno.writeTextFile(path, text);
        const read = readShortText(path, limit);
        if (limit === 6) assert.equal(await read, text);
        else {
          await assert.rejects(read, {
            name: "UnexpectedFile",
            message: "it has more than 5 B, the most that is read",
          });
        }
        await written;
      }
    }),
});

Deno.test({
  name: "readLimitedText() does not wait for a pipe",
  ignore: Deno.build.os === "windows",
  fn: () =>
    inTempDir(async (dir) => {
      const path = join(dir, "latest");
      const { success } = await new Deno.Command("mkfifo", { args: [path] })
        .output();
      assert.ok(success);
      await assert.rejects(readLimitedText(path), {
        message: "it is not a regular file",
      });
    }),
});
