import assert from "node:assert/strict";
import { join } from "node:path";
import { zipSync } from "fflate";
import type { FetchOptions } from "../../../src/data/sources/fetch_options.ts";
import { fetchUrl } from "../../../src/data/sources/url_source.ts";
import { readText } from "../../../src/data/text/text_file.ts";
import { TempDir, userError } from "../_helpers.ts";
import { HubServer, sha256 } from "../_hub_server.ts";

const poems = new TextEncoder().encode("A poem of the sea.\n".repeat(200));
const archive = zipSync({ "a.txt": poems, "b.md": poems });

Deno.test("fetchUrl() downloads a file once", async () => {
  await using server = served();
  await using dir = new TempDir();
  const address = addressOf(server, "poems.txt");
  const [file] = await fetchUrl(address, {}, options(dir));
  assert.equal(file.name, address);
  assert.equal(file.sha256, sha256(poems));
  const [{ text }] = await Array.fromAsync(readText(file));
  assert.equal(text, new TextDecoder().decode(poems));
  server.requests.length = 0;
  assert.deepEqual(await fetchUrl(address, {}, options(dir)), [file]);
  assert.equal(server.requests.length, 0);
  const fresh = { ...options(dir), refresh: true };
  const [again] = await fetchUrl(address, {}, fresh);
  assert.equal(again.sha256, file.sha256);
  assert.notEqual(server.requests.length, 0);
});

Deno.test("fetchUrl() gives two at a time the same newest file", async () => {
  const files: Record<string, Uint8Array> = { "poems.txt": poems };
  await using server = new HubServer({ "o/n": { files } });
  await using dir = new TempDir();
  const address = addressOf(server, "poems.txt");
  const both = async (more: Partial<FetchOptions>) => {
    server.requests.length = 0;
    // The one sends the end of it when the other waits.
    const { promise: until, resolve: onNotice } = Promise.withResolvers();
    server.fault = ({ host }) =>
      host === "cdn" ? { stallAfter: 100, until } : null;
    const settings = { ...options(dir), onNotice, ...more };
    const found = await Promise.all(
      [1, 2].map(() => fetchUrl(address, {}, settings)),
    );
    assert.equal(server.downloads.length, 1);
    return found.map(([{ sha256, sizeBytes }]) => ({ sha256, sizeBytes }));
  };
  const first = { sha256: sha256(poems), sizeBytes: poems.length };
  assert.deepEqual(await both({}), [first, first]);
  const newer = new TextEncoder().encode("A poem of the hills.\n".repeat(200));
  files["poems.txt"] = newer;
  const second = { sha256: sha256(newer), sizeBytes: newer.length };
  assert.deepEqual(await both({ refresh: true }), [second, second]);
});

Deno.test("fetchUrl() downloads again what nobody recorded", async () => {
  await using server = served();
  await using dir = new TempDir();
  const address = addressOf(server, "poems.txt");
  const [file] = await fetchUrl(address, {}, options(dir));
  const record = join(file.path, "../source.json");
  await Deno.remove(record); // as if killed right before it was written
  const [again] = await fetchUrl(address, {}, options(dir));
  assert.equal(again.sha256, file.sha256);
  await Deno.stat(record);
});

Deno.test("fetchUrl() lists what is in an archive", async () => {
  await using server = served();
  await using dir = new TempDir();
  const address = addressOf(server, "poems.zip");
  const files = await fetchUrl(address, {}, options(dir));
  assert.deepEqual(files.map(({ name }) => name), [
    `${address}/a.txt`,
    `${address}/b.md`,
  ]);
});

Deno.test("fetchUrl() refuses pages, other content and no network", async () => {
  await using server = served();
  await using dir = new TempDir();
  const address = addressOf(server, "poems.txt");
  server.fault = () => ({ page: "<html>" });
  assert.match(
    (await userError(() => fetchUrl(address, {}, options(dir)))).message,
    /answers with a web page instead$/,
  );
  server.fault = () => null;
  const other = { sha256: "0".repeat(64) };
  assert.match(
    (await userError(() => fetchUrl(address, other, options(dir)))).message,
    /^Cannot use the download of ".*": its checksum is wrong$/,
  );
  const offline = options(dir, { HF_HUB_OFFLINE: "1" });
  assert.match(
    (await userError(() => fetchUrl(address, {}, offline))).message,
    /: it is not downloaded, and HF_HUB_OFFLINE is set$/,
  );
});

function served(): HubServer {
  return new HubServer({
    "o/n": { files: { "poems.txt": poems, "poems.zip": archive } },
  });
}

function addressOf({ endpoint }: HubServer, name: string): string {
  return `${endpoint}/datasets/o/n/resolve/main/${name}`;
}

function options(
  dir: TempDir,
  env: Record<string, string> = {},
): FetchOptions {
  const all: Record<string, string> = { HF_HOME: dir.path, ...env };
  return {
    dataDir: join(dir.path, "data"),
    env: (name) => all[name],
    network: { backoffMs: 1 },
  };
}
