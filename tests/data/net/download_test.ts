import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import type { UserError } from "../../../src/base/errors.ts";
import {
  download,
  type DownloadOptions,
  partPath,
  type RemoteFile,
} from "../../../src/data/net/download.ts";
import { downloadAll } from "../../../src/data/net/download_all.ts";
import { filesBelow, TempDir, userError } from "../_helpers.ts";
import {
  type Fault,
  HubServer,
  type ServedRepo,
  sha256,
} from "../_hub_server.ts";

const content = Uint8Array.from({ length: 100_000 }, (_, i) => i * i % 251);
const large: Record<string, ServedRepo> = {
  "o/n": { files: { "a.bin": content, "b.bin": other(1) } },
};

Deno.test("download() gives the bytes, once they are all there", async () => {
  await using server = new HubServer(large);
  await using dir = new TempDir();
  const counts: number[] = [];
  const file = remote(server, dir, { sha256: sha256(content) });
  const got = await download(file, patient({ onBytes: (n) => counts.push(n) }));
  await assertContent(file, content);
  assert.deepEqual(got, {
    sizeBytes: content.length,
    sha256: sha256(content),
    etag: `"${sha256(content)}"`,
  });
  assert.equal(counts.reduce((a, b) => a + b), content.length);
  assert.deepEqual(await filesBelow(dir.path), ["a.bin"]);
});

Deno.test("download() goes on where a connection was cut", async () => {
  await using server = new HubServer(large);
  await using dir = new TempDir();
  const faults: (Fault | null)[] = [
    { cutAfter: 30_000 },
    { cutAfter: 1000 },
    null,
  ];
  server.fault = ({ host }) => host === "cdn" ? faults.shift() ?? null : null;
  const file = remote(server, dir, { sha256: sha256(content) });
  await download(file, patient());
  await assertContent(file, content);
  const ranges = server.downloads.map(({ range }) => range);
  assert.equal(ranges[0], null);
  assert.equal(ranges.length, 3);
  const [first, second] = ranges.slice(1)
    .map((range) => Number(/^bytes=(\d+)-$/.exec(range!)![1]));
  assert.ok(0 < first && first <= 30_000, `resumed at ${first}`);
  assert.ok(first < second && second <= first + 1000, `then at ${second}`);
});

Deno.test("download() leaves a part that the next one goes on from", async () => {
  await using server = new HubServer(large);
  await using dir = new TempDir();
  server.fault = ({ host }) => host === "cdn" ? { cutAfter: 40_000 } : null;
  const file = remote(server, dir, { sha256: sha256(content) });
  const stop = new AbortController();
  let bytes = 0;
  const stopped = download(
    file,
    patient({
      signal: stop.signal,
      onBytes: (n) => (bytes += n) >= 20_000 && stop.abort(new Error("stop")),
    }),
  );
  await assert.rejects(stopped, /^Error: stop$/);
  assert.deepEqual(await filesBelow(dir.path), ["a.bin.part"]);
  const { size } = await Deno.stat(partPath(file.path));
  assert.ok(size >= 20_000);
  server.fault = () => null;
  server.requests.length = 0;
  await download(file, patient());
  await assertContent(file, content);
  assert.deepEqual(server.downloads.map(({ range }) => range), [
    `bytes=${size}-`,
  ]);
});

Deno.test("download() is stopped while it waits for another try", async () => {
  await using server = new HubServer(large);
  await using dir = new TempDir();
  const file = remote(server, dir, { sha256: sha256(content) });
  for (const fault of [{ status: 503 }, { cutAfter: 0 }]) {
    server.fault = () => fault;
    const stop = new AbortController();
    const stopped = download(
      file,
      patient({
        backoffMs: 20_000,
        signal: stop.signal,
        onNotice: () => setTimeout(() => stop.abort(new Error("stop"))),
      }),
    );
    await assert.rejects(stopped, /^Error: stop$/);
  }
});

Deno.test("download() begins anew where a part does not fit", async () => {
  await using server = new HubServer(large);
  await using dir = new TempDir();
  const cases: [string, Uint8Array, Fault | null][] = [
    ["of another file", other(7).subarray(0, 50_000), null],
    ["of its full length", other(7), null],
    ["longer than the file", new Uint8Array(200_000), null],
    ["and a server without ranges", content.subarray(0, 5000), {
      ignoreRange: true,
    }],
  ];
  for (const [what, part, fault] of cases) {
    for (const sizeBytes of [content.length, null]) {
      const file = remote(server, dir, { sha256: sha256(content), sizeBytes });
      await Deno.writeFile(partPath(file.path), part);
      server.fault = ({ host }) => host === "cdn" ? fault : null;
      let bytes = 0;
      await download(file, patient({ onBytes: (n) => bytes += n }));
      await assertContent(file, content, what);
      assert.equal(bytes, content.length, `bytes reported: ${what}`);
      await Deno.remove(file.path);
    }
  }
});

Deno.test("download() does not join versions of a file without a checksum", async () => {
  await using dir = new TempDir();
  await using server = new HubServer(large);
  const file = remote(server, dir, { sizeBytes: null });
  const interrupted = async () => {
    const faults: Fault[] = [{ cutAfter: 50_000 }, { status: 404 }];
    server.fault = ({ host }) => host === "cdn" ? faults.shift()! : null;
    await assert.rejects(download(file, patient()));
    server.fault = () => null;
    assert.ok((await Deno.stat(partPath(file.path))).size > 0);
  };
  await interrupted();
  server.requests.length = 0;
  await download(file, patient());
  assert.match(server.downloads[0].range!, /^bytes=[1-9]/); // the same: resumed
  await assertContent(file, content);

  await interrupted();
  server.requests.length = 0;
  const now = other(3).subarray(0, 70_000);
  large["o/n"].files["a.bin"] = now;
  await download(file, patient());
  await assertContent(file, now);

  // What was noted of the version is damaged: no header could hold it.
  for (const noted of ['"a"\n"b"', "", "\ud83e\udd8a", "a".repeat(100_000)]) {
    await interrupted();
    await Deno.writeTextFile(`${partPath(file.path)}.version`, noted);
    server.requests.length = 0;
    await download(file, patient());
    assert.equal(server.downloads[0].range, null); // all of it again
    await assertContent(file, now);
  }

  // The same from a server that does not know If-Range.
  await interrupted();
  large["o/n"].files["a.bin"] = content;
  server.fault = (seen) => {
    seen.ifRange = null;
    return null;
  };
  await download(file, patient());
  await assertContent(file, content);
  assert.deepEqual(await filesBelow(dir.path), ["a.bin"]);
});

Deno.test("download() tries again while a server is busy", async () => {
  await using server = new HubServer(large);
  await using dir = new TempDir();
  const faults: Fault[] = [
    { status: 500 },
    { status: 429, headers: { "retry-after": "1" } },
    { status: 503 },
    { stallAfter: 20_000 },
  ];
  server.fault = ({ host }) =>
    host === "cdn" || faults.length > 1 ? faults.shift() ?? null : null;
  const notices: string[] = [];
  const file = remote(server, dir, { sha256: sha256(content) });
  const onNotice = (notice: string) => notices.push(notice);
  await download(file, stalledAfter(20_000, { onNotice }));
  await assertContent(file, content);
  const host = new URL(server.endpoint).host;
  assert.deepEqual(notices.map((notice) => notice.replaceAll(/:\d+/g, "")), [
    "127.0.0.1 answers 500; trying again in 0.0s",
    "127.0.0.1 answers 429; trying again in 1.0s",
    "127.0.0.1 answers 503; trying again in 0.0s",
    '127.0.0.1 sends nothing for 0.1s at 20.0 kB of "a.bin"; going on in 0.0s',
  ]);
  assert.ok(notices[0].startsWith(host));
});

Deno.test("download() says in one line what stands in the way", async () => {
  await using server = new HubServer(large);
  await using dir = new TempDir();
  const html = { page: "<!doctype html><h1>Welcome to our hotel</h1>" };
  const cases: [Fault, string, RegExp][] = [
    [
      { status: 500 },
      'Cannot download "a.bin": HOST answers 500',
      /^try again later; what is downloaded so far is kept$/,
    ],
    [
      { status: 429, headers: { "retry-after": "120" } },
      'Cannot download "a.bin": HOST was asked too often',
      /^try again in 2m 00s$/,
    ],
    [{ status: 404 }, 'Cannot download "a.bin": HOST has no such file', /./],
    [{ status: 403 }, 'Cannot download "a.bin": HOST does not allow it', /./],
    [
      html,
      'Cannot download "a.bin": HOST answers with a web page instead',
      /^log in to the network with a browser/,
    ],
    [
      { stallAfter: 10 },
      'Cannot download "a.bin": HOST sends nothing for 0.1s',
      /^check the network; HTTPS_PROXY names a proxy\. What is downloaded/,
    ],
    [
      { cutAfter: 0 },
      'Cannot download "a.bin": HOST cuts the connection',
      /^check the network/,
    ],
    [
      { status: 302, headers: { location: "/around" } },
      'Cannot download "a.bin": HOST redirects in a circle',
      /^check the network/,
    ],
    ...["//", "file:///etc/passwd"].map((location) =>
      [
        { status: 302, headers: { location } },
        'Cannot download "a.bin": HOST redirects to what is no address',
        /^check the network/,
      ] as [Fault, string, RegExp]
    ),
  ];
  for (const [fault, message, hint] of cases) {
    server.fault = () => fault;
    const file = remote(server, dir, { sha256: sha256(content) });
    const options = "stallAfter" in fault
      ? stalledAfter(fault.stallAfter, { tries: 2 })
      : patient({ tries: 2 });
    const error = await userError(() => download(file, options));
    assert.equal(withoutHost(error), message);
    assert.match(error.hint, hint);
    assert.equal(await Deno.stat(file.path).catch(() => null), null);
  }
});

Deno.test("download() refuses content that is not what is known of it", async () => {
  await using server = new HubServer(large);
  await using dir = new TempDir();
  const wrongs: [Partial<RemoteFile>, RegExp][] = [
    [{ sha256: sha256(other(9)) }, /: its checksum is wrong$/],
    [{ gitSha1: "0".repeat(40) }, /: its checksum is wrong$/],
    [{ sizeBytes: 99_999 }, /: it has 100\.000 kB, expected 99\.999 kB$/],
  ];
  for (const [known, reason] of wrongs) {
    const file = remote(server, dir, known);
    const error = await userError(() => download(file, patient()));
    assert.match(error.message, /^Cannot use the download of "a\.bin"/);
    assert.match(error.message, reason);
    assert.equal(await Deno.stat(file.path).catch(() => null), null);
    assert.deepEqual(await filesBelow(dir.path), []);
  }
});

Deno.test("download() names a host that does not answer", async () => {
  await using dir = new TempDir();
  // As long as this listens beside it, nobody else can.
  const held = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const isLinux = Deno.build.os === "linux"; // which has more than one home
  const host = isLinux ? "127.0.0.2" : "127.0.0.1";
  if (!isLinux) held.close();
  const file = {
    ...{ url: `http://${host}:${(held.addr as Deno.NetAddr).port}/a.bin` },
    ...{ headers: {}, name: "a.bin", path: join(dir.path, "a.bin") },
    sizeBytes: content.length,
  };
  const error = await userError(() => download(file, patient({ tries: 2 })));
  if (isLinux) held.close();
  assert.equal(
    withoutHost(error),
    'Cannot download "a.bin": HOST refuses the connection',
  );
});

Deno.test("download() lets only one of two write a file", async () => {
  await using server = new HubServer(large);
  await using dir = new TempDir();
  const waits = Promise.withResolvers<void>();
  server.fault = stallUntil(waits.promise);
  const file = remote(server, dir, { sha256: sha256(content) });
  const notices: string[] = [];
  const onNotice = (notice: string) => {
    notices.push(notice);
    waits.resolve();
  };
  const results = await Promise.all(
    [1, 2].map(() => download(file, patient({ onNotice }))),
  );
  assert.equal(results.filter((result) => result === null).length, 1);
  assert.equal(server.downloads.length, 1);
  assert.deepEqual(notices, [
    'another process downloads "a.bin"; waiting for it',
  ]);
  assert.deepEqual(await filesBelow(dir.path), ["a.bin"]);
});

Deno.test("download() lets the others wait until its file is recorded", async () => {
  await using server = new HubServer(large);
  await using dir = new TempDir();
  const waits = Promise.withResolvers<void>();
  server.fault = stallUntil(waits.promise);
  const file = remote(server, dir, { sha256: sha256(content) });
  const told: string[] = [];
  const record = async () => {
    // More than it takes one to notice that may go on.
    await new Promise((resolve) => setTimeout(resolve, 700));
    told.push("recorded");
  };
  const begun = Promise.withResolvers<unknown>();
  const first = download(
    { ...file, record },
    patient({ onBytes: begun.resolve }),
  );
  await begun.promise;
  const second = download(
    { ...file, record: () => assert.fail("it was not the one") },
    patient({
      onNotice() {
        told.push("waits");
        waits.resolve();
      },
    }),
  );
  assert.equal(await second, null);
  told.push("goes on");
  assert.notEqual(await first, null);
  assert.deepEqual(told, ["waits", "recorded", "goes on"]);
  assert.deepEqual(await filesBelow(dir.path), ["a.bin"]);
});

Deno.test("download() waits for a newer file where an old one is", async () => {
  await using server = new HubServer(large);
  await using dir = new TempDir();
  const waits = Promise.withResolvers<void>();
  server.fault = stallUntil(waits.promise);
  const file = remote(server, dir, { sha256: sha256(content) });
  await dir.write("a.bin", "an old version");
  const results = await Promise.all(
    [1, 2].map(async () => {
      const onNotice = () => waits.resolve();
      const downloaded = await download(file, patient({ onNotice }));
      await assertContent(file, content);
      return downloaded;
    }),
  );
  assert.equal(results.filter((result) => result === null).length, 1);
  assert.equal(server.downloads.length, 1);
  assert.deepEqual(await filesBelow(dir.path), ["a.bin"]);
});

Deno.test("download() takes over from one that gives up", async () => {
  await using server = new HubServer(large);
  await using dir = new TempDir();
  const stalls: Fault[] = [{ stallAfter: 20_000 }];
  server.fault = ({ host }) => host === "cdn" ? stalls.shift() ?? null : null;
  const file = remote(server, dir, { sha256: sha256(content) });
  await dir.write("a.bin", "an old version");
  const stop = new AbortController();
  const begun = Promise.withResolvers<unknown>();
  const first = download(
    file,
    patient({ signal: stop.signal, onBytes: begun.resolve }),
  );
  await begun.promise;
  const second = download(
    file,
    patient({ onNotice: () => stop.abort(new Error("stop")) }),
  );
  await assert.rejects(first, /^Error: stop$/);
  assert.notEqual(await second, null);
  await assertContent(file, content);
  assert.deepEqual(await filesBelow(dir.path), ["a.bin"]);
});

Deno.test("downloadAll() keeps what is done when another file fails", async () => {
  await using server = new HubServer(large);
  await using dir = new TempDir();
  server.fault = ({ path }) => path.endsWith("/b.bin") ? { status: 404 } : null;
  const a = remote(server, dir, { sha256: sha256(content) });
  const b = {
    ...remote(server, dir, { sha256: sha256(other(1)) }, "b.bin"),
  };
  const first = await userError(() => downloadAll([b], dir.path, patient()));
  assert.match(first.message, /^Cannot download "b\.bin"/);
  await downloadAll([a], dir.path, patient());
  server.fault = () => null;
  const progress: number[] = [];
  await downloadAll([b], dir.path, {
    ...patient(),
    onProgress: ({ done, total }) => progress.push(done / total),
  });
  assert.equal(progress.at(-1), 1);
  assert.deepEqual(await filesBelow(dir.path), ["a.bin", "b.bin"]);
});

Deno.test("downloadAll() asks for room before it begins", async () => {
  await using server = new HubServer(large);
  await using dir = new TempDir();
  const file = remote(server, dir, { sizeBytes: 1e18 });
  const error = await userError(() => downloadAll([file], dir.path, patient()));
  assert.match(
    error.message,
    /^No room for the download of "a\.bin" in ".*": it needs 1000\.0 PB, /,
  );
  assert.equal(server.requests.length, 0);
});

function other(seed: number): Uint8Array {
  return Uint8Array.from({ length: 100_000 }, (_, i) => (i * i + seed) % 241);
}

function remote(
  server: HubServer,
  dir: TempDir,
  known: Partial<RemoteFile>,
  name = "a.bin",
): RemoteFile {
  return {
    url: `${server.endpoint}/datasets/o/n/resolve/main/${name}`,
    headers: {},
    name,
    path: join(dir.path, name),
    sizeBytes: content.length,
    ...known,
  };
}

/** Without the difference, which takes minutes to draw. */
async function assertContent(
  { path }: RemoteFile,
  expected: Uint8Array,
  what?: string,
): Promise<void> {
  assert.ok(Buffer.compare(await Deno.readFile(path), expected) === 0, what);
}

/** Sends the end of a large file only after that. */
function stallUntil(until: Promise<unknown>): HubServer["fault"] {
  return ({ host }) => host === "cdn" ? { stallAfter: 20_000, until } : null;
}

/** Does not wait between tries, and for as long as it takes in them. */
function patient(more: Partial<DownloadOptions> = {}): DownloadOptions {
  return { timeoutMs: 60_000, backoffMs: 1, tries: 5, ...more };
}

/** The same, but for what a server sends no more after so many bytes. */
function stalledAfter(
  count: number,
  options: Partial<DownloadOptions> = {},
): DownloadOptions {
  let bytes = 0, isStalled = false;
  return {
    ...patient(options),
    get timeoutMs() {
      return isStalled ? 100 : 60_000;
    },
    onBytes(more) {
      bytes += more;
      isStalled = bytes % count === 0;
    },
    onNotice(notice) {
      isStalled = false;
      options.onNotice?.(notice);
    },
  };
}

function withoutHost({ message }: UserError): string {
  return message.replace(/127\.0\.0\.\d:\d+/, "HOST");
}
