/** Training on a data set of the hub, as whole processes. @module */

import assert from "node:assert/strict";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { filesBelow } from "../data/_helpers.ts";
import { HubServer } from "../data/_hub_server.ts";
import {
  realTexts,
  smallTexts,
  wikitextRepo,
  type WikitextTexts,
} from "../data/_served_wikitext.ts";
import { type Ended, FROM_SOURCES, spawnHearth } from "./_real_process.ts";
import { Workspace } from "./_workspace.ts";

/** The profile of the issue, with a model that needs no time. */
const TRAIN = [
  ...["train", "--dataset", "wikitext-2", "--profile", "tiny"],
  ...["--n-layer", "1", "--n-embd", "16", "--n-head", "2", "--seq-len", "16"],
  ...["--steps", "2", "--eval-batches", "1", "--threads", "1"],
];
const PREPARE = [
  ...["data", "prepare", "--dataset", "wikitext-2", "--profile", "tiny"],
  ...["--vocab-size", "512"],
];

const UNTIL_HALF_WRITTEN = [
  ...FROM_SOURCES.slice(0, -1),
  fileURLToPath(new URL("_until_half_written.ts", import.meta.url)),
];

Deno.test("train --dataset wikitext-2 works from a hub, then without one", async () => {
  const texts = await realTexts() ?? smallTexts();
  if (texts.train.length < 1e6) {
    console.error("no WikiText-2 beside the checkout: a small text stands in");
  }
  await using server = new HubServer(wikitextRepo(texts));
  await using workspace = await Workspace.create();
  const first = await hearth(server, workspace, TRAIN);
  assert.equal(first.code, 0, first.err);
  assert.match(first.err, /^downloading\b/m);
  assert.match(first.err, /^data {4}wikitext-2: /m);
  assert.match(first.err, /^done 2\/2 \| finished/m);
  assert.equal(server.downloads.length, 2);
  const headers = await Array.fromAsync(
    filesEnding(workspace, "header.json"),
    async (path) => JSON.parse(await Deno.readTextFile(path)),
  );
  assert.equal(headers.length, 1);
  const utf8 = (text: string) => new TextEncoder().encode(text).length;
  assert.equal(headers[0].train.bytes, utf8(texts.train));
  assert.equal(headers[0].val.bytes, utf8(texts.val));

  await server[Symbol.asyncDispose]();
  const more = ["resume", "latest", "--more-steps", "1"];
  const resumed = await hearth(server, workspace, more);
  assert.equal(resumed.code, 0, resumed.err);
  assert.match(resumed.err, /^done 3\/3 \| finished/m);
});

Deno.test("data prepare goes on after kill -9 in a download", async () => {
  await using server = new HubServer(wikitextRepo(large()));
  await using workspace = await Workspace.create();
  const size = 50_000;
  server.fault = ({ host }) => host === "cdn" ? { stallAfter: size } : null;
  const killed = start(server, workspace, PREPARE);
  await before(killed.ended, async () => {
    const paths = await Array.fromAsync(filesEnding(workspace, ".part"));
    const stats = await Promise.all(paths.map((path) => Deno.stat(path)));
    return stats.some((stat) => stat.size === size) || null;
  });
  Deno.kill(killed.pid, "SIGKILL");
  assert.notEqual((await killed.ended).code, 0);
  server.fault = () => null;
  server.requests.length = 0;
  const again = await hearth(server, workspace, PREPARE);
  assert.equal(again.code, 0, again.err);
  const ranges = server.downloads.map(({ range }) => range);
  assert.ok(ranges.includes(`bytes=${size}-`), `${size} of ${ranges}`);
  assert.deepEqual(await leftovers(workspace), []);
});

Deno.test("data prepare goes on after kill -9 while it makes tokens", async () => {
  await using server = new HubServer(wikitextRepo(large()));
  await using workspace = await Workspace.create();
  const killed = start(server, workspace, PREPARE, {}, UNTIL_HALF_WRITTEN);
  const half = await before(killed.ended, async () => {
    const [path] = await Array.fromAsync(filesEnding(workspace, "train.bin"));
    if (path === undefined) return null;
    return (await Deno.stat(path)).size > 0 ? path : null;
  });
  assert.match(half, /\.tmp-/);
  Deno.kill(killed.pid, "SIGKILL");
  assert.notEqual((await killed.ended).code, 0);
  server.requests.length = 0;
  const again = await hearth(server, workspace, PREPARE);
  assert.equal(again.code, 0, again.err);
  assert.equal(server.requests.length, 0); // the download was whole
  assert.deepEqual(await leftovers(workspace), []);
  const [header] = await Array.fromAsync(filesEnding(workspace, "header.json"));
  const { train } = JSON.parse(await Deno.readTextFile(header));
  assert.equal(train.bytes, new TextEncoder().encode(large().train).length);
});

Deno.test("data lists, describes and removes downloads", async () => {
  await using server = new HubServer(wikitextRepo(smallTexts()));
  await using workspace = await Workspace.create();
  assert.equal((await hearth(server, workspace, PREPARE)).code, 0);
  const list = await workspace.run(["data", "list"]);
  assert.match(list.out, /^[0-9a-f]{16} +wikitext-2 +bpe 512 /m);
  assert.match(
    list.out,
    /^downloaded from +files +size\nhf:Salesforce\/wikitext +2 +\d+\.\d kB$/m,
  );
  assert.match(list.out, /^tinystories +1\.0 GB +stories in the words/m);
  const { out } = await workspace.run(["data", "list", "--json"]);
  const { prepared, downloads, public: known } = JSON.parse(out);
  assert.equal(prepared[0].source, "wikitext-2");
  assert.equal(downloads[0].files, 2);
  assert.equal(known[1].name, "wikitext-2");
  const info = await workspace.run(["data", "info", "wikitext-2"]);
  assert.match(info.out, /^from +hf:Salesforce\/wikitext:wikitext-2-raw-v1$/m);
  assert.match(info.out, /^validation +3,760 lines$/m);

  // Another vocabulary reads the same files again.
  server.requests.length = 0;
  const smaller = [...PREPARE.slice(0, -1), "300"];
  const again = await hearth(server, workspace, smaller);
  assert.equal(again.code, 0, again.err);
  assert.equal(server.requests.length, 0);

  const clean = await workspace.run(["data", "clean", "--downloads"]);
  assert.match(clean.out, /^removed 2 data sets, .*\nremoved downloads of 1 /);
  assert.deepEqual(await filesBelow(workspace.path("data")), []);
});

Deno.test("data prepare --refresh brings the newest version", async () => {
  const repos = wikitextRepo(smallTexts());
  await using server = new HubServer(repos);
  await using workspace = await Workspace.create();
  await hearth(server, workspace, PREPARE);
  const { train, val } = smallTexts();
  Object.assign(repos, wikitextRepo({ train: train + val, val }));
  const kept = await hearth(server, workspace, PREPARE);
  assert.match(kept.err, /^it was prepared before$/m);
  const newest = await hearth(server, workspace, [...PREPARE, "--refresh"]);
  assert.equal(newest.code, 0, newest.err);
  assert.notEqual(newest.out, kept.out);
  assert.equal(server.downloads.length, 3); // validation has not changed
});

Deno.test("data prepare goes through a proxy", async () => {
  await using server = new HubServer(wikitextRepo(smallTexts()));
  await using workspace = await Workspace.create();
  const asked: string[] = [];
  await using proxy = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) => {
      const url = new URL(request.url);
      asked.push(url.host);
      const to = url.host === "hub.test"
        ? server.endpoint + url.pathname + url.search
        : request.url;
      return fetch(to, { headers: request.headers, redirect: "manual" });
    },
  );
  const got = await hearth(server, workspace, PREPARE, {
    HF_ENDPOINT: "http://hub.test",
    HTTP_PROXY: `http://127.0.0.1:${proxy.addr.port}`,
  });
  assert.equal(got.code, 0, got.err);
  assert.ok(asked.includes("hub.test"), asked.join());
});

/** Some 3 MB: more than a download or a batch of tokens brings at once. */
function large(): WikitextTexts {
  const { train, val } = smallTexts();
  return { train: train.repeat(30), val };
}

function start(
  server: HubServer,
  workspace: Workspace,
  argv: string[],
  env: Record<string, string> = {},
  program = FROM_SOURCES,
) {
  return spawnHearth(workspace, argv, program, {
    HF_ENDPOINT: server.endpoint,
    HF_HOME: workspace.path("hf"),
    HF_TOKEN: "",
    HF_HUB_OFFLINE: "",
    ...env,
  });
}

async function hearth(
  ...args: Parameters<typeof start>
): Promise<Ended> {
  return await start(...args).ended;
}

/** What a finished preparation must not leave behind. */
async function leftovers(workspace: Workspace): Promise<string[]> {
  return (await filesBelow(workspace.path("data")))
    .filter((name) => /\.part|\.tmp-|\.lock$/.test(name));
}

async function* filesEnding(
  workspace: Workspace,
  ending: string,
): AsyncGenerator<string> {
  for (const name of await filesBelow(workspace.path("data"))) {
    if (basename(name).endsWith(ending)) {
      yield join(workspace.path("data"), name);
    }
  }
}

/** Looks every few milliseconds, until there is something or `end` comes. */
async function before<T>(
  end: Promise<Ended>,
  look: () => Promise<T | null>,
): Promise<T> {
  let ended: Ended | null = null;
  end.then((result) => ended = result);
  while (ended === null) {
    const found = await look().catch(() => null); // files come and go
    if (found !== null) return found;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.fail(`it does not happen: ${(ended as Ended).err}`);
}
