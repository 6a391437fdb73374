import assert from "node:assert/strict";
import { basename, join } from "node:path";
import { parseHubName } from "../../../src/data/hub/hub_name.ts";
import { fetchHubFiles } from "../../../src/data/hub/hub_source.ts";
import type { FetchOptions } from "../../../src/data/sources/fetch_options.ts";
import { readDocuments } from "../../../src/data/text/documents.ts";
import type { TextFile } from "../../../src/data/text/file_bytes.ts";
import { filesBelow, TempDir, userError } from "../_helpers.ts";
import { type Fault, gitSha1, HubServer, sha256 } from "../_hub_server.ts";
import { rowsFile, smallTexts, wikitextRepo } from "../_served_wikitext.ts";

const WIKITEXT = "hf:Salesforce/wikitext:wikitext-2-raw-v1";
const texts = smallTexts();

Deno.test("fetchHubFiles() brings both splits of the config, checked", async () => {
  await using server = new HubServer(wikitextRepo(texts));
  await using dir = new TempDir();
  const files = await fetchFiles(server, dir, WIKITEXT);
  assert.deepEqual(files.map(({ name, side }) => [basename(name), side]), [
    ["train-00000-of-00001.parquet", undefined],
    ["validation-00000-of-00001.parquet", "val"],
  ]);
  assert.ok(await textOf(files[0]) === texts.train);
  assert.ok(await textOf(files[1]) === texts.val);
  assert.equal(files[0].sha256, sha256(rowsFile(texts.train)));
  assert.equal(server.downloads.length, 2); // the test split stays there
});

Deno.test("fetchHubFiles() asks nobody for what is here", async () => {
  await using server = new HubServer(wikitextRepo(texts));
  await using dir = new TempDir();
  const first = await fetchFiles(server, dir, WIKITEXT);
  server.requests.length = 0;
  assert.deepEqual(await fetchFiles(server, dir, WIKITEXT), first);
  assert.equal(server.requests.length, 0);

  // One that vanished is brought again, and nothing else.
  await Deno.remove(first[1].path);
  assert.equal((await fetchFiles(server, dir, WIKITEXT)).length, 2);
  assert.equal(server.downloads.length, 1);
});

Deno.test("fetchHubFiles() brings the newest when asked to", async () => {
  const repos = wikitextRepo(texts);
  await using server = new HubServer(repos);
  await using dir = new TempDir();
  const [before] = await fetchFiles(server, dir, WIKITEXT);
  const path = "wikitext-2-raw-v1/train-00000-of-00001.parquet";
  const more = texts.train + texts.val;
  repos["Salesforce/wikitext"].files[path] = rowsFile(more);
  const [kept] = await fetchFiles(server, dir, WIKITEXT);
  assert.deepEqual(kept, before);
  const [now] = await fetchFiles(server, dir, WIKITEXT, { refresh: true });
  assert.ok(await textOf(now) === more);
  // Who reads the old one is not disturbed.
  assert.ok(await textOf(before) === texts.train);
  server.requests.length = 0;
  assert.deepEqual((await fetchFiles(server, dir, WIKITEXT))[0], now);
});

Deno.test("fetchHubFiles() uses the cache that others share", async () => {
  await using server = new HubServer(wikitextRepo(texts));
  await using dir = new TempDir();
  await shareCache(dir, { withRefs: true });

  // Online, contents are found by their checksums.
  const online = await fetchFiles(server, dir, WIKITEXT);
  assert.equal(server.downloads.length, 0);
  assert.ok(online[0].path.includes(join("blobs", online[0].sha256!)));
  assert.ok(await textOf(online[0]) === texts.train);

  // Without a network, by their names.
  await Deno.remove(join(dir.path, "data"), { recursive: true });
  server.requests.length = 0;
  const offline = await fetchFiles(server, dir, WIKITEXT, {
    env: { HF_HUB_OFFLINE: "1" },
  });
  assert.deepEqual(offline, online);
  assert.equal(server.requests.length, 0);

  // The hub is down: a word, and on it goes.
  const notices: string[] = [];
  server.fault = () => ({ cutAfter: 0 });
  const down = await fetchFiles(server, dir, WIKITEXT, {
    onNotice: (notice) => notices.push(notice),
  });
  assert.deepEqual(down, online);
  assert.match(notices.at(-1)!, /cuts the connection; using what .* has of/);
});

Deno.test("fetchHubFiles() shows a token to the hub and to no other host", async () => {
  const repos = wikitextRepo(texts);
  repos["Salesforce/wikitext"].token = "hf_secret";
  await using server = new HubServer(repos);
  await using dir = new TempDir();
  await fetchFiles(server, dir, WIKITEXT, { env: { HF_TOKEN: "hf_secret" } });
  const tokens = (host: string) =>
    new Set(
      server.requests.filter((seen) => seen.host === host)
        .map(({ authorization }) => authorization),
    );
  assert.deepEqual(tokens("hub"), new Set(["Bearer hf_secret"]));
  assert.deepEqual(tokens("cdn"), new Set([null]));

  // Where "hf auth login" leaves it.
  await using other = new TempDir();
  await other.write("hf/token", "hf_secret\n");
  assert.equal((await fetchFiles(server, other, WIKITEXT)).length, 2);
});

Deno.test("fetchHubFiles() says in one line why it cannot", async () => {
  const repos = wikitextRepo(texts);
  repos["o/private"] = { files: {}, token: "hf_right" };
  repos["o/gated"] = { ...repos["Salesforce/wikitext"], gated: true };
  repos["o/code"] = { files: { "run.py": "print()", "README.md": "# Code" } };
  await using server = new HubServer(repos);
  const hotel = { page: "<!doctype html><h1>Welcome to our hotel</h1>" };
  type Case = [
    name: string,
    message: string,
    hint: RegExp,
    more?: { fault?: Fault; env?: Record<string, string> },
  ];
  const cases: Case[] = [
    [
      "hf:o/missing",
      'There is no dataset "o/missing" on HOST, or it is private',
      /^check the name; for a private one set HF_TOKEN$/,
    ],
    [
      "hf:o/private",
      'There is no dataset "o/private" on HOST, or it is private',
      /^check the name, and whether the token in HF_TOKEN may see it$/,
      { env: { HF_TOKEN: "hf_wrong" } },
    ],
    [
      "hf:o/gated:wikitext-2-raw-v1",
      'Cannot download dataset "o/gated": its owner lets in only who asked ' +
      "for it",
      /^ask at http:\/\/HOST\/datasets\/o\/gated, then set HF_TOKEN to a/,
    ],
    [
      "hf:o/private",
      "HOST does not accept the token in HF_TOKEN",
      /^make another at /,
      { fault: { status: 401 }, env: { HF_TOKEN: "hf_old" } },
    ],
    [
      "hf:Salesforce/wikitext@v9",
      'There is no "v9" of dataset "Salesforce/wikitext"',
      /commits\/main shows what there is$/,
    ],
    [
      "hf:Salesforce/wikitext",
      'Cannot tell which part of "hf:Salesforce/wikitext" is meant: it has ' +
      "wikitext-2-raw-v1, wikitext-2-v1",
      /^name one: hf:Salesforce\/wikitext:wikitext-2-raw-v1$/,
    ],
    [
      "hf:Salesforce/wikitext:wikitext-3:text",
      'There is no "wikitext-3" in dataset "Salesforce/wikitext": it has ' +
      "wikitext-2-raw-v1, wikitext-2-v1",
      /^name one: /,
    ],
    [
      "hf:o/code",
      'Cannot use dataset "hf:o/code": it has no files that can be read',
      /Parquet, JSON Lines and plain text can be read$/,
    ],
    [
      WIKITEXT,
      'Cannot download dataset "Salesforce/wikitext": HOST answers 500',
      /^try again later/,
      { fault: { status: 500 } },
    ],
    [
      WIKITEXT,
      'Cannot download dataset "Salesforce/wikitext": HOST was asked too often',
      /^try again in 2m 00s$/,
      { fault: { status: 429, headers: { "retry-after": "120" } } },
    ],
    [
      WIKITEXT,
      'Cannot list the files of "Salesforce/wikitext": HOST answers with a ' +
      "web page instead",
      /^log in to the network with a browser/,
      { fault: hotel },
    ],
    [
      WIKITEXT,
      'Cannot list the files of "Salesforce/wikitext": HOST answers with a ' +
      "web page instead",
      /^log in to the network with a browser/,
      { fault: { status: 200, body: "no JSON" } },
    ],
    [
      WIKITEXT,
      `Cannot download "${WIKITEXT}": HOST cuts the connection`,
      /^check the network; HTTPS_PROXY names a proxy, HF_ENDPOINT a mirror/,
      { fault: { cutAfter: 0 } },
    ],
    [
      WIKITEXT,
      `Cannot use dataset "${WIKITEXT}": it is not downloaded, and ` +
      "HF_HUB_OFFLINE is set",
      /^unset it, or run hearth data prepare where there is a network$/,
      { env: { HF_HUB_OFFLINE: "1" } },
    ],
    [
      WIKITEXT,
      'Cannot use HF_ENDPOINT "huggingface.co": it is not an address',
      /^set it to one such as https:\/\/huggingface\.co$/,
      { env: { HF_ENDPOINT: "huggingface.co" } },
    ],
  ];
  for (const [name, message, hint, { fault, env } = {}] of cases) {
    await using dir = new TempDir();
    server.fault = () => fault ?? null;
    const error = await userError(() =>
      fetchFiles(server, dir, name, { env, network: { tries: 2 } })
    );
    const host = new URL(server.endpoint).host;
    assert.equal(error.message.replaceAll(host, "HOST"), message);
    assert.match(error.hint.replaceAll(host, "HOST"), hint);
    // Nothing is left behind that the next try could stumble over.
    server.fault = () => null;
    const left = await filesBelow(join(dir.path, "data"));
    assert.deepEqual(left.filter((file) => !file.endsWith("source.json")), []);
  }
});

Deno.test("fetchHubFiles() offline says how much is missing", async () => {
  await using server = new HubServer(wikitextRepo(texts));
  await using dir = new TempDir();
  const [train] = await fetchFiles(server, dir, WIKITEXT);
  await Deno.remove(train.path);
  const error = await userError(() =>
    fetchFiles(server, dir, WIKITEXT, { env: { HF_HUB_OFFLINE: "true" } })
  );
  assert.match(
    error.message,
    /^Cannot use dataset ".*": 1 of 2 files \(\d+\.\d kB\) are not downloaded,/,
  );
});

Deno.test("fetchHubFiles() finds what the hub made of a script's data", async () => {
  const rows = rowsFile(texts.val);
  const repos = {
    "o/script": { files: { "script.py": "x" } },
  };
  await using server = new HubServer(repos);
  await using converted = new HubServer({
    "o/script": {
      revision: "refs/convert/parquet",
      files: {
        "plain/train/0000.parquet": rows,
        "plain/partial-test/0000.parquet": rowsFile("no \n".repeat(500)),
      },
    },
  });
  await using dir = new TempDir();
  // One endpoint for both branches.
  await using both = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) => {
      const { pathname, search } = new URL(request.url);
      const to = pathname.includes("/main") ? server : converted;
      const { headers } = request;
      const address = to.endpoint + pathname + search;
      return fetch(address, { headers, redirect: "manual" });
    },
  );
  const [file] = await fetchFiles(server, dir, "hf:o/script", {
    env: { HF_ENDPOINT: `http://127.0.0.1:${both.addr.port}` },
  });
  assert.equal(file.sha256, sha256(rows));
});

/** A cache as the hub's Python library leaves it. */
async function shareCache(
  dir: TempDir,
  { withRefs }: { withRefs: boolean },
): Promise<void> {
  const repo = "hf/hub/datasets--Salesforce--wikitext";
  const commit = "b".repeat(40);
  const { files } = wikitextRepo(texts)["Salesforce/wikitext"];
  for (const [path, content] of Object.entries(files)) {
    if (path.includes("wikitext-2-v1") || path.includes("test-")) continue;
    const isText = typeof content === "string";
    const bytes = isText ? new TextEncoder().encode(content) : content;
    const blob = isText ? gitSha1(bytes) : sha256(bytes);
    const target = await dir.write(`${repo}/blobs/${blob}`, bytes);
    const link = join(dir.path, repo, "snapshots", commit, path);
    await Deno.mkdir(join(link, ".."), { recursive: true });
    await Deno.symlink(target, link);
  }
  if (withRefs) await dir.write(`${repo}/refs/main`, commit);
}

async function fetchFiles(
  server: HubServer,
  dir: TempDir,
  name: string,
  { env = {}, network, ...more }:
    & Omit<Partial<FetchOptions>, "env">
    & { env?: Record<string, string> } = {},
): Promise<TextFile[]> {
  const all: Record<string, string> = {
    HF_ENDPOINT: server.endpoint,
    HF_HOME: join(dir.path, "hf"),
    ...env,
  };
  return await fetchHubFiles(parseHubName(name)!, {
    dataDir: join(dir.path, "data"),
    env: (name) => all[name],
    network: { backoffMs: 1, ...network },
    ...more,
  });
}

async function textOf(file: TextFile): Promise<string> {
  return (await Array.fromAsync(readDocuments(file))).join("");
}
