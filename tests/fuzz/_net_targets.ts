/** What hubs and other servers answer. @module */

import { createHash } from "node:crypto";
import { join, sep } from "node:path";
import { UserError } from "../../src/base/errors.ts";
import type { PhiloxStream } from "../../src/base/philox.ts";
import { rawPath } from "../../src/data/hub/hub_source.ts";
import { listOnline } from "../../src/data/hub/listing.ts";
import { hubSettings } from "../../src/data/hub/settings.ts";
import { findShared } from "../../src/data/hub/shared_cache.ts";
import { chooseFiles } from "../../src/data/hub/splits.ts";
import { download } from "../../src/data/net/download.ts";
import { ConnectionFailure } from "../../src/data/net/failures.ts";
import { mutateBytes, mutateJson, mutateText } from "./_mutate.ts";
import type { OpenTarget } from "./_targets.ts";

const HUB = "https://hub.example";
/** Patient, but for pauses. */
export const NETWORK = { timeoutMs: 20_000, backoffMs: 0, tries: 3 };
const SHA256 = "ab".repeat(32), SHA1 = "cd".repeat(20);

const isRefusal = (error: unknown) =>
  error instanceof UserError || error instanceof ConnectionFailure;

/** Answers in place of every server, for the time of `work`. */
export async function served<T>(
  answer: (url: URL, headers: Headers) => Response,
  work: () => Promise<T>,
): Promise<T> {
  const { fetch } = globalThis;
  globalThis.fetch = (url, init) =>
    new Promise((resolve) => {
      const response = answer(new URL(String(url)), new Headers(init?.headers));
      Object.defineProperty(response, "url", { value: String(url) });
      resolve(response);
    });
  try {
    return await work();
  } finally {
    globalThis.fetch = fetch;
  }
}

const TREE = JSON.stringify([
  { type: "directory", oid: SHA1, size: 0, path: "data" },
  { type: "file", oid: SHA1, size: 900, path: "README.md" },
  {
    ...{
      type: "file",
      oid: SHA1,
      size: 5,
      path: "data/train-00000-of-00001.parquet",
    },
    lfs: { oid: SHA256, size: 5, pointerSize: 120 },
  },
  { type: "file", oid: SHA1, size: 5, path: "data/validation.parquet" },
]);
const CARD = `---
configs:
- config_name: en
  default: true
  data_dir: data
  data_files:
  - split: train
    path: [train-*, "**/tr?in*.parquet"]
  - split: validation
    path: validation.parquet
---
# Text
`;
const LINKS = [
  ...[`<${HUB}/api/x>; rel="next"`, '<https://other.example/>; rel="next"'],
  ...['<http://[/>; rel="next"', "<>", "x".repeat(5000)],
];

/** Listings of a repository and the head of its README.md. */
export async function openHub(dir: string): Promise<OpenTarget> {
  const env: Record<string, string> = {
    ...{ HF_ENDPOINT: HUB, HF_TOKEN: "hf_secret", HF_HOME: dir },
  };
  const settings = await hubSettings((name) => env[name]);
  const names = [undefined, "en", "text", "constructor"].map((config) => ({
    ...{ name: "hf:o/n", repo: "o/n", revision: "main" },
    ...config ? { config } : {},
  }));
  return {
    async feed(random) {
      const name = names[random.below(names.length)];
      const tree = mutateJson(TREE, random);
      const card = mutateText(CARD, random, [CARD]);
      let pages = 0;
      const listing = await served((url, headers) => {
        if (url.origin !== HUB && headers.has("authorization")) {
          throw new Error(`the token went to ${url}`);
        }
        const status = random.below(20) === 0 ? 401 + random.below(120) : 200;
        if (!url.pathname.includes("/tree/") && url.pathname !== "/api/x") {
          return new Response(card, { status });
        }
        const more = random.below(8) === 0 && pages++ < 3;
        const links = new Headers();
        if (more) links.set("link", LINKS[random.below(LINKS.length)]);
        const init = { status, headers: links };
        const isCut = random.below(20) === 0;
        return new Response(isCut ? tree.slice(0, -3) : tree, init);
      }, () => listOnline(name, settings, NETWORK));
      const { train, val } = chooseFiles(listing, name);
      const raw = join(dir, "raw");
      for (const file of [...train, ...val]) {
        if (!rawPath(raw, file).startsWith(raw + sep)) {
          throw new Error(`${JSON.stringify(file)} leads out`);
        }
        if (await findShared(name, file, settings) !== null) {
          throw new Error(`${JSON.stringify(file)} is in an empty cache`);
        }
      }
    },
    mayThrow: isRefusal,
  };
}

const WHOLE = new TextEncoder().encode("Once upon a time. ".repeat(9));
const HEADERS: Record<string, string[]> = {
  "content-range": [
    ...["bytes 0-1/2", "bytes 5-161/162", "bytes */162", "bytes 0-161/*"],
    ...["bytes 9007199254740993-1/99999999999999999999", "x", "bytes -1-0/0"],
  ],
  "content-length": ["0", "1", "162", "1e9", "-1", "99999999999999999999"],
  etag: ['"a"', 'W/"a"', '"b"', "", '"'.repeat(4000)],
  "last-modified": ["Thu, 01 Jan 2026 00:00:00 GMT", "never", ""],
  "content-type": ["text/html", "application/octet-stream", ""],
  "retry-after": ["0", "-5", "1e99", "Thu, 01 Jan 1970 00:00:00 GMT", "soon"],
  location: ["/x", "https://other.example/", "http://hub.example/", "//", "\\"],
};
const STATUS = [200, 200, 206, 206, 206, 302, 404, 416, 429, 503, 500];

/** A file, by answers that fit neither it nor each other. */
export function openDownload(dir: string): Promise<OpenTarget> {
  const sha256 = createHash("sha256").update(WHOLE).digest("hex");
  const path = join(dir, "file");
  return Promise.resolve({
    async feed(random) {
      await Deno.remove(dir, { recursive: true });
      await Deno.mkdir(dir);
      const have = random.below(3) === 0 ? random.below(200) : 0;
      if (have > 0) await Deno.writeFile(`${path}.part`, partOf(have, random));
      const isKnown = random.below(2) === 0;
      const file = {
        ...{ url: `${HUB}/file`, name: "file", path },
        headers: { authorization: "Bearer hf_secret" },
        sizeBytes: isKnown ? WHOLE.length : null,
        ...isKnown ? { sha256 } : {},
      };
      const done = await served((url, headers) => {
        if (url.origin !== HUB && headers.has("authorization")) {
          throw new Error(`the token went to ${url}`);
        }
        return anyAnswer(random, headers.get("range"));
      }, () => download(file, NETWORK));
      if (done === null) throw new Error("nobody else downloads it");
      const content = await Deno.readFile(path);
      if (content.length !== done.sizeBytes) throw new Error("another length");
      const found = createHash("sha256").update(content).digest("hex");
      if (found !== done.sha256 || isKnown && found !== sha256) {
        throw new Error("another content");
      }
    },
    mayThrow: isRefusal,
  });
}

function partOf(have: number, random: PhiloxStream): Uint8Array {
  const part = WHOLE.subarray(0, have);
  return random.below(4) === 0 ? mutateBytes(part, random, [WHOLE]) : part;
}

/** Often the right one, else one with headers, status and body by chance. */
function anyAnswer(random: PhiloxStream, range: string | null): Response {
  const from = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0);
  if (random.below(3) === 0 && from < WHOLE.length) {
    const end = WHOLE.length;
    return new Response(WHOLE.slice(from), {
      status: range === null ? 200 : 206,
      headers: {
        ...range !== null && {
          "content-range": `bytes ${from}-${end - 1}/${end}`,
        },
        etag: '"a"',
      },
    });
  }
  const headers = new Headers();
  for (const [name, values] of Object.entries(HEADERS)) {
    if (random.below(3) > 0) continue;
    headers.set(name, values[random.below(values.length)]);
  }
  const body = random.below(2) === 0
    ? WHOLE.slice(from)
    : mutateBytes(WHOLE, random, [WHOLE]);
  const status = STATUS[random.below(STATUS.length)];
  return new Response(body, { status, headers });
}
