import assert from "node:assert/strict";
import { AppendFile } from "../../../src/run/files/append_file.ts";
import { inTempDir } from "../_helpers.ts";

Deno.test("AppendFile goes on where another process was killed", () =>
  inTempDir(async (dir) => {
    const path = `${dir}/log`;
    await Deno.writeTextFile(path, "whole\nto");
    for (const text of ["a\n", "b\n"]) {
      const file = new AppendFile(path);
      await file.append(text);
      file.close();
    }
    assert.equal(await Deno.readTextFile(path), "whole\nto\na\nb\n");
  }));

Deno.test({
  name: "AppendFile keeps what the disk refuses until there is room",
  ignore: Deno.build.os !== "linux", // it has a device that is always full
  fn: () =>
    inTempDir(async (dir) => {
      const path = `${dir}/log`;
      const file = new AppendFile(path);
      await Deno.symlink("/dev/full", path);
      await assert.rejects(file.append("first\n"), { code: "ENOSPC" });
      const long = "x".repeat(5 << 20) + "\n"; // more than is kept
      await assert.rejects(file.append(long), { code: "ENOSPC" });
      await assert.rejects(file.sync(), { code: "ENOSPC" });
      file.close();
      await Deno.remove(path);
      await file.append("second\n");
      await file.sync();
      file.close();
      assert.equal(await Deno.readTextFile(path), "first\nsecond\n");
    }),
});

Deno.test("AppendFile writes no byte twice when a write breaks off", () =>
  inTempDir(async (dir) => {
    const path = `${dir}/log`;
    const file = new AppendFile(path);
    await file.append("first\n");
    const { write } = Deno.FsFile.prototype;
    let room = 3;
    Deno.FsFile.prototype.write = async function (bytes) {
      if (room === 0) throw Object.assign(new Error(), { code: "ENOSPC" });
      const n = await write.call(this, bytes.subarray(0, room));
      room -= n;
      return n;
    };
    try {
      await assert.rejects(file.append("second\n"), { code: "ENOSPC" });
    } finally {
      Deno.FsFile.prototype.write = write;
    }
    assert.equal(await Deno.readTextFile(path), "first\nsec");
    await file.append("third\n");
    file.close();
    assert.equal(await Deno.readTextFile(path), "first\nsecond\nthird\n");
  }));
