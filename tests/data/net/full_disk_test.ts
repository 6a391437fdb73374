import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { download } from "../../../src/data/net/download.ts";
import { openSmallDisk } from "../../run/_disks.ts";
import { filesBelow, userError } from "../_helpers.ts";
import { HubServer, sha256 } from "../_hub_server.ts";

const content = Uint8Array.from({ length: 1_200_000 }, (_, i) => i * i % 251);

Deno.test({
  name: "download() on a full disk keeps its part and goes on from it",
  ignore: openSmallDisk === null,
  async fn() {
    await using disk = await openSmallDisk!();
    await using server = new HubServer({ "o/n": { files: { a: content } } });
    const file = {
      url: `${server.endpoint}/datasets/o/n/resolve/main/a`,
      headers: {},
      name: "a",
      path: join(disk.root, "raw", "a"),
      sizeBytes: content.length,
      sha256: sha256(content),
    };
    const network = { timeoutMs: 5000, backoffMs: 1, tries: 3 };
    let bytes = 0;
    const error = await userError(() =>
      download(file, {
        ...network,
        onBytes(count) {
          if (bytes < 300_000 && bytes + count >= 300_000) disk.fill();
          bytes += count;
        },
      })
    );
    assert.equal(
      error.message,
      `Cannot write "${file.path}": the disk is full`,
    );
    assert.match(error.hint, /^free some space \(hearth data clean removes /);
    assert.deepEqual(await filesBelow(join(disk.root, "raw")), ["a.part"]);

    disk.empty();
    server.requests.length = 0;
    await download(file, network);
    assert.match(server.downloads[0].range!, /^bytes=[3-9]\d{5}-$/);
    assert.ok(Buffer.compare(await Deno.readFile(file.path), content) === 0);
    assert.deepEqual(await filesBelow(join(disk.root, "raw")), ["a"]);
  },
});
