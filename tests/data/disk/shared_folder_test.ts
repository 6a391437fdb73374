import assert from "node:assert/strict";
import { SharedFolder } from "../../../src/data/disk/shared_folder.ts";
import { inTempDir } from "../../base/_helpers.ts";

/** Names in a directory. */
const namesIn = (path: string) =>
  Array.from(Deno.readDirSync(path), ({ name }) => name).sort();

Deno.test("SharedFolder goes with the last who is done with it", () =>
  inTempDir(async (dir) => {
    const path = `${dir}/models/small`;
    const [one, two] = [
      await SharedFolder.open(path),
      await SharedFolder.open(path),
    ];
    await Deno.mkdir(path);
    one.done();
    await one[Symbol.asyncDispose]();
    assert.deepEqual(namesIn(`${dir}/models`), ["small", "small.lock"]);
    const three = await SharedFolder.open(path);
    two.done();
    await two[Symbol.asyncDispose]();
    assert.deepEqual(namesIn(`${dir}/models`), ["small", "small.lock"]);
    three.done();
    await three[Symbol.asyncDispose]();
    assert.deepEqual(namesIn(`${dir}/models`), []);
  }));

Deno.test("SharedFolder stays for another try of who is not done", () =>
  inTempDir(async (dir) => {
    const path = `${dir}/small`;
    const refused = await SharedFolder.open(path);
    await Deno.mkdir(path);
    await refused[Symbol.asyncDispose]();
    assert.deepEqual(namesIn(dir), ["small"]);
    const taken = await SharedFolder.open(path);
    taken.done();
    await taken[Symbol.asyncDispose]();
    assert.deepEqual(namesIn(dir), []);
  }));

Deno.test("SharedFolder is never removed under one of many", () =>
  inTempDir(async (dir) => {
    const path = `${dir}/small`;
    await Promise.all(Array.from({ length: 40 }, async (_, i) => {
      for (let j = 0; j < 5; j++) {
        await using folder = await SharedFolder.open(path);
        await Deno.mkdir(path, { recursive: true });
        await Deno.writeTextFile(`${path}/${i}`, "mine");
        await new Promise((resolve) => setTimeout(resolve, (i * 7 + j) % 5));
        assert.equal(await Deno.readTextFile(`${path}/${i}`), "mine");
        folder.done();
      }
    }));
    assert.deepEqual(namesIn(dir), []);
  }));
