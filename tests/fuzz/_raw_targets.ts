/**
 * What lies in `data/raw/` and in the cache that programs of the hub share:
 * records, files, parts of files and what was noted of them.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { basename, dirname, join, sep } from "node:path";
import { UserError } from "../../src/base/errors.ts";
import type { PhiloxStream } from "../../src/base/philox.ts";
import { textSha256 } from "../../src/base/sha256.ts";
import type { FetchOptions } from "../../src/data/sources/fetch_options.ts";
import type { TextFile } from "../../src/data/text/file_bytes.ts";
import { fetchHubFiles } from "../../src/data/hub/hub_source.ts";
import { listRaw } from "../../src/data/sources/raw_files.ts";
import { fetchUrl } from "../../src/data/sources/url_source.ts";
import { mutateBytes, mutateJson, mutateText } from "./_mutate.ts";
import { NETWORK, served } from "./_net_targets.ts";
import type { OpenTarget } from "./_targets.ts";

const URL_NAME = "https://texts.example/a.txt";
const REPO = { name: "hf:o/n", repo: "o/n", revision: "main" };
const WHOLE = new TextEncoder().encode("Once upon a time. ".repeat(9));
const SHA256 = createHash("sha256").update(WHOLE).digest("hex");
const COMMIT = "cd".repeat(20);
const CARD = "---\nconfigs:\n- config_name: en\n  data_files: train.txt\n---\n";
const LISTING = JSON.stringify({
  ...{ version: 1, repo: "o/n", revision: "main", listedAtMs: 1, card: CARD },
  endpoint: "https://hub.example",
  files: [
    { path: "train.txt", sizeBytes: WHOLE.length, sha256: SHA256 },
    { path: "README.md", sizeBytes: CARD.length, gitSha1: COMMIT },
  ],
});
const RECORD = JSON.stringify({
  ...{ version: 1, url: URL_NAME, file: "a.txt", fetchedAtMs: 1 },
  ...{ sizeBytes: WHOLE.length, sha256: SHA256 },
});

/** Downloads of before, with and without a network. */
export function openRaw(dir: string): Promise<OpenTarget> {
  const data = join(dir, "data"), cache = join(dir, "hub");
  const raw = join(data, "raw");
  const ofUrl = join(
    raw,
    `texts.example-${textSha256(URL_NAME).slice(0, 12)}`,
  );
  const ofHub = join(raw, "o--n");
  const shared = join(cache, "datasets--o--n");
  const snapshot = join(shared, "snapshots", COMMIT);
  // By where it lies. A part and its note are there only sometimes.
  const urlFiles: Record<string, Uint8Array | string> = {
    [join(ofUrl, "source.json")]: RECORD,
    [join(ofUrl, "a.txt")]: WHOLE,
    [join(ofUrl, "a.txt.part")]: WHOLE.subarray(0, 60),
    [join(ofUrl, "a.txt.part.version")]: '"a"',
  };
  const hubFiles: Record<string, Uint8Array | string> = {
    [join(ofHub, "source.json")]: LISTING,
    [join(ofHub, SHA256.slice(0, 12), "train.txt")]: WHOLE,
    [join(shared, "refs", "main")]: COMMIT,
    [join(snapshot, "README.md")]: CARD,
    [join(snapshot, "train.txt")]: WHOLE,
  };
  const env: Record<string, string> = {
    ...{ HF_ENDPOINT: "https://hub.example", HF_TOKEN: "hf_secret" },
    ...{ HF_HOME: dir, HF_HUB_CACHE: cache },
  };
  return Promise.resolve({
    async feed(random) {
      const isHub = random.below(2) === 0;
      await Deno.remove(dir, { recursive: true });
      await Deno.mkdir(dir);
      await lay(isHub ? hubFiles : urlFiles, random);
      const isOffline = random.below(3) === 0;
      const options: FetchOptions = {
        dataDir: data,
        network: NETWORK,
        env: (name) =>
          name === "HF_HUB_OFFLINE" ? isOffline ? "1" : undefined : env[name],
      };
      await listRaw(data);
      const files = await served(
        (url, headers) => {
          if (url.host !== "hub.example" && headers.has("authorization")) {
            throw new Error(`the token went to ${url}`);
          }
          return answer(url, headers, random);
        },
        () =>
          isHub
            ? fetchHubFiles(REPO, options)
            : fetchUrl(URL_NAME, {}, options),
      );
      for (const file of files) await check(file, [ofUrl, ofHub, shared]);
    },
    mayThrow: (error) => error instanceof UserError,
  });
}

/** Writes the files, of which most are as they should be. */
async function lay(
  files: Record<string, Uint8Array | string>,
  random: PhiloxStream,
): Promise<void> {
  for (const [path, whole] of Object.entries(files)) {
    const what = random.below(8);
    if (what === 0) continue; // it is not there
    await Deno.mkdir(dirname(path), { recursive: true });
    if (what > 2) {
      if (typeof whole === "string") await Deno.writeTextFile(path, whole);
      else await Deno.writeFile(path, whole);
    } else if (typeof whole !== "string") {
      await Deno.writeFile(path, mutateBytes(whole, random, [WHOLE]));
    } else {
      const isJson = basename(path) === "source.json";
      await Deno.writeTextFile(
        path,
        isJson && random.below(4) > 0
          ? mutateJson(whole, random)
          : mutateText(whole, random, [whole, CARD]),
      );
    }
  }
}

/** What the servers have, unless they are out of order. */
function answer(url: URL, headers: Headers, random: PhiloxStream): Response {
  if (random.below(8) === 0) return new Response("", { status: 404 });
  if (url.pathname.includes("/tree/")) {
    const entry = { type: "file", path: "train.txt", size: WHOLE.length };
    const lfs = { oid: SHA256, size: WHOLE.length, pointerSize: 1 };
    return Response.json([{ ...entry, oid: COMMIT, lfs }]);
  }
  const from = Number(/^bytes=(\d+)-$/.exec(headers.get("range") ?? "")?.[1]);
  if (!(from > 0)) return new Response(WHOLE, { headers: { etag: '"a"' } });
  if (from >= WHOLE.length) return new Response("", { status: 416 });
  const range = `bytes ${from}-${WHOLE.length - 1}/${WHOLE.length}`;
  return new Response(WHOLE.subarray(from), {
    status: 206,
    headers: { "content-range": range, etag: '"a"' },
  });
}

/** A file is where it may be, and as long as is said of it. */
async function check(
  { path, sizeBytes }: TextFile,
  places: readonly string[],
): Promise<void> {
  if (!places.some((place) => path.startsWith(place + sep))) {
    throw new Error(`${JSON.stringify(path)} leads out`);
  }
  const { size } = await Deno.stat(path);
  if (size !== sizeBytes) throw new Error(`${path} has ${size}, ${sizeBytes}`);
}
