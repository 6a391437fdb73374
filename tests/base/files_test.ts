import assert from "node:assert/strict";
import {
  makeDirectories,
  replaceFile,
  writeFileSynced,
} from "../../src/base/atomic_file.ts";
import { readJson, writeJson } from "../../src/base/json_file.ts";
import {
  sealOf,
  sizeMismatch,
  writeSealed,
} from "../../src/base/sealed_file.ts";
import { inTempDir } from "./_helpers.ts";

Deno.test("replaceFile() writes a new file and replaces an old one", () =>
  inTempDir(async (dir) => {
    await replaceFile(`${dir}/a`, "first, and longer");
    await replaceFile(`${dir}/a`, Uint8Array.of(104, 105));
    assert.equal(await Deno.readTextFile(`${dir}/a`), "hi");
    assert.deepEqual([...Deno.readDirSync(dir)].map((e) => e.name), ["a"]);
  }));

Deno.test("replaceFile() leaves the old file whole when it fails", () =>
  inTempDir(async (dir) => {
    // A directory in the way stands for a rename that the disk refuses.
    await Deno.mkdir(`${dir}/a/b`, { recursive: true });
    await assert.rejects(replaceFile(`${dir}/a`, "new"));
    assert.deepEqual([...Deno.readDirSync(dir)].map((e) => e.name), ["a"]);
    await assert.rejects(
      replaceFile(`${dir}/missing/a`, "new"),
      Deno.errors.NotFound,
    );
  }));

Deno.test("replaceFile() never shows a reader anything but a whole file", () =>
  inTempDir(async (dir) => {
    const path = `${dir}/a`;
    const texts = ["a", "b"].map((letter) => letter.repeat(200_000));
    await replaceFile(path, texts[0]);
    let done = false;
    const writing = (async () => {
      for (let i = 1; i <= 50; i++) await replaceFile(path, texts[i % 2]);
      done = true;
    })();
    while (!done) {
      const text = await Deno.readTextFile(path);
      assert.ok(texts.includes(text), `read ${text.length} characters`);
    }
    await writing;
  }));

Deno.test("replaceFile() writes parts one after another, or none of them", () =>
  inTempDir(async (dir) => {
    async function* parts(fails = false) {
      yield "first ";
      yield "and ";
      if (fails) throw new Error("no more");
      yield "last";
    }
    await replaceFile(`${dir}/a`, parts());
    assert.equal(await Deno.readTextFile(`${dir}/a`), "first and last");
    await assert.rejects(replaceFile(`${dir}/a`, parts(true)), /no more/);
    assert.equal(await Deno.readTextFile(`${dir}/a`), "first and last");
    assert.deepEqual([...Deno.readDirSync(dir)].map((e) => e.name), ["a"]);
  }));

Deno.test("writeFileSynced() cuts off what was longer", () =>
  inTempDir(async (dir) => {
    await writeFileSynced(`${dir}/a`, "long text");
    await writeFileSynced(`${dir}/a`, "short");
    assert.equal(await Deno.readTextFile(`${dir}/a`), "short");
  }));

Deno.test("writeSealed() and sealOf() agree with the known sha256", () =>
  inTempDir(async (dir) => {
    const parts = ["a", "", "bc"].map((text) => new TextEncoder().encode(text));
    const seal = await writeSealed(`${dir}/a`, parts);
    assert.deepEqual(seal, {
      sizeBytes: 3,
      // FIPS 180-2, appendix B.1: the message "abc".
      sha256:
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    });
    assert.deepEqual(await sealOf(`${dir}/a`), seal);
  }));

Deno.test("sizeMismatch() shows bytes where rounding would hide them", () => {
  assert.equal(sizeMismatch(40e6, 48e6), "is 40.0 MB, expected 48.0 MB");
  assert.equal(
    sizeMismatch(48e6 - 1, 48e6),
    "is 47,999,999 bytes, expected 48,000,000 bytes",
  );
});

Deno.test("readJson() tells a missing file from a damaged one", () =>
  inTempDir(async (dir) => {
    await writeJson(`${dir}/a`, { x: [1, null] });
    assert.deepEqual(await readJson(`${dir}/a`), { x: [1, null] });
    assert.equal(await readJson(`${dir}/b`), undefined);
    await Deno.writeTextFile(`${dir}/a`, '{"x":');
    await assert.rejects(readJson(`${dir}/a`), SyntaxError);
  }));

Deno.test({
  name: "makeDirectories() gives up where nothing can ever be made",
  ignore: Deno.build.os !== "linux",
  fn: () => assert.rejects(makeDirectories("/proc/x/a"), { code: "ENOENT" }),
});

Deno.test("makeDirectories() makes what is missing and says where it began", () =>
  inTempDir(async (dir) => {
    assert.equal(await makeDirectories(`${dir}/a/b/c`), `${dir}/a`);
    assert.equal(await makeDirectories(`${dir}/a/b/d`), `${dir}/a/b/d`);
    assert.equal(await makeDirectories(`${dir}/a/b/d`), undefined);
    assert.ok((await Deno.stat(`${dir}/a/b/c`)).isDirectory);
    await Deno.writeTextFile(`${dir}/file`, "");
    await assert.rejects(
      makeDirectories(`${dir}/file`),
      Deno.errors.AlreadyExists,
    );
    await assert.rejects(makeDirectories(`${dir}/file/a`), { code: "ENOTDIR" });
  }));
