/**
 * One file from a server to the disk: resumed, checked, whole or not there.
 *
 * Bytes are gathered in `<path>.part`, which stays when anything cuts the
 * download short and is continued from its end the next time. It is renamed to
 * `path` only after size and checksum were compared and the bytes are on disk.
 * The part is locked while it is written, so two processes that want the same
 * file do not write into each other's: one waits and finds it there. The lock
 * goes with the file when it is renamed, until what is known of it is recorded.
 *
 * @module
 */

import { createHash, type Hash } from "node:crypto";
import { dirname } from "node:path";
import { makeDirectories, syncDirectory } from "../../base/atomic_file.ts";
import { UserError } from "../../base/errors.ts";
import {
  formatBytes,
  formatDuration,
  formatUnequalBytes,
} from "../../base/format.ts";
import { readLimitedText } from "../../base/limited_file.ts";
import { unlessGone } from "../../base/unless_gone.ts";
import { isSameFile } from "../disk/same_file.ts";
import { writeFailure } from "../file_errors.ts";
import {
  connectionError,
  ConnectionFailure,
  isPage,
  pageInstead,
} from "./failures.ts";
import {
  type Answer,
  type NetworkOptions,
  request,
  retryAfterMs,
  wait,
} from "./request.ts";

/** A file that is to be had. */
export interface RemoteFile {
  url: string;
  headers: Record<string, string>;
  /** For messages: `wikitext-2/train.parquet`. */
  name: string;
  /** Where it goes. */
  path: string;
  /** Null: the server says it. */
  sizeBytes: number | null;
  /** What is known of its content, in hex. */
  sha256?: string;
  gitSha1?: string;
  /** Explains an answer that is no success; null for the usual words. */
  refusal?: (response: Response) => UserError | null;
  /** Records what came; who waits for the file goes on after that. */
  record?: (downloaded: Downloaded) => Promise<void>;
}

/** What came. */
export interface Downloaded {
  sizeBytes: number;
  sha256: string;
  /** The server's name for this version of the file, or null. */
  etag: string | null;
}

/** Who listens; bytes that are thrown away again count as negative. */
export interface DownloadOptions extends NetworkOptions {
  onBytes?: (count: number) => void;
}

/** A try that brought so much was not in vain: the count begins anew. */
const GETS_ON_BYTES = 1 << 20;
/** Between two looks at a part that another process writes. */
const POLL_MS = 300;

/**
 * Downloads `file` to its path, going on from a part that is there.
 *
 * @returns Null when another process brought it meanwhile: then it is there,
 * and recorded, unless that process was killed right before.
 * @throws {UserError} For everything that goes wrong; the part stays unless
 * its content is wrong.
 */
export async function download(
  file: RemoteFile,
  options: DownloadOptions,
): Promise<Downloaded | null> {
  try {
    await makeDirectories(dirname(file.path));
    await using part = await Part.open(file, options);
    if (part === null) return null;
    const etag = await fetchRest(file, part, options);
    const downloaded = { ...await part.finish(), etag };
    await file.record?.(downloaded);
    return downloaded;
  } catch (error) {
    const what = `download "${file.name}"`;
    throw writeFailure(
      file.path,
      connectionError(error, { what, mirror: file.refusal !== undefined }),
    );
  }
}

/** Brings the part to its full length, and checks it. */
async function fetchRest(
  file: RemoteFile,
  part: Part,
  options: DownloadOptions,
): Promise<string | null> {
  let etag: string | null = null;
  let isFresh = part.bytes === 0;
  for (let attempt = 1;;) {
    const before = part.bytes;
    if (part.bytes !== file.sizeBytes || part.bytes === 0) {
      const range = await rangeHeaders(file, part);
      const headers: Record<string, string> = { ...file.headers, ...range };
      const answer = await request(file.url, headers, options);
      try {
        await checkAnswer(file, part, answer);
        await checkVersion(part, answer.response, headers["if-range"]);
        await keepVersion(file, answer.response);
        etag = answer.response.headers.get("etag") ?? etag;
        for await (const chunk of answer.body) {
          await part.write(chunk);
          if (part.isTooLong()) break; // it may never end
        }
        await part.checkLength();
      } catch (error) {
        options.signal?.throwIfAborted();
        if (!(error instanceof ConnectionFailure)) throw error;
        if (part.bytes - before >= GETS_ON_BYTES) attempt = 1;
        else if (++attempt > options.tries) throw error;
        const waitMs = options.backoffMs * 2 ** (attempt - 1);
        options.onNotice?.(
          `${new URL(error.url).host} ${error.reason} at ` +
            `${formatBytes(part.bytes)} of "${file.name}"; going on in ` +
            formatDuration(waitMs),
        );
        await wait(waitMs, options.signal);
        continue;
      } finally {
        await answer.body.return(undefined);
      }
    }
    const wrong = part.mismatch();
    if (wrong === null) return etag;
    await part.restart();
    // Of an older version, or of a disk that lost power: once more, in whole.
    if (isFresh) throw wrongContent(file, wrong);
    isFresh = true;
  }
}

/** Asks for what is missing, if that can be told to fit what is there. */
async function rangeHeaders(
  file: RemoteFile,
  part: Part,
): Promise<Record<string, string>> {
  if (part.bytes === 0) return {};
  const range = `bytes=${part.bytes}-`;
  if (hasChecksum(file)) return { range };
  const version = await readVersion(versionPath(file.path));
  if (version !== null) return { range, "if-range": version };
  await part.restart();
  return {};
}

/** What {@linkcode keepVersion} noted; null where that is no such thing. */
async function readVersion(path: string): Promise<string | null> {
  const text = await readLimitedText(path).catch(() => "");
  return /^[\x20-\x7e\x80-\xff]{1,1000}$/.test(text) ? text : null;
}

/** Not every server heeds `if-range`. */
async function checkVersion(
  part: Part,
  { status, url, headers }: Response,
  version: string | undefined,
): Promise<void> {
  if (status !== 206 || version === undefined) return;
  const now = version.startsWith('"')
    ? headers.get("etag")
    : headers.get("last-modified");
  if (now === null || now === version) return;
  await part.restart();
  throw new ConnectionFailure(url, "has another version of the file now");
}

/** Keeps what tells this version of a file from others, for a resume. */
async function keepVersion(
  file: RemoteFile,
  { status, headers }: Response,
): Promise<void> {
  if (hasChecksum(file) || status !== 200) return;
  const etag = headers.get("etag");
  const isStrong = etag !== null && !etag.startsWith("W/");
  const version = isStrong ? etag : headers.get("last-modified");
  if (version !== null) {
    await Deno.writeTextFile(versionPath(file.path), version);
  } else await unlessGone(Deno.remove(versionPath(file.path)));
}

function hasChecksum({ sha256, gitSha1 }: RemoteFile): boolean {
  return sha256 !== undefined || gitSha1 !== undefined;
}

/** Makes sure that what follows continues the part, or empties it. */
async function checkAnswer(
  file: RemoteFile,
  part: Part,
  { response, chain }: Answer,
): Promise<void> {
  const { status, headers, url } = response;
  if (status === 416) { // the part is longer than the file
    await part.restart();
    throw new ConnectionFailure(url, "has a shorter file now");
  }
  if (status !== 200 && status !== 206) {
    throw file.refusal?.(chain.find(({ status }) => status >= 400)!) ??
      refused(file, response);
  }
  if (isPage(response) && !/\.html?$/i.test(new URL(file.url).pathname)) {
    throw pageInstead(url || file.url, `download "${file.name}"`);
  }
  let total: number | null = null;
  if (status === 206) {
    const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(
      headers.get("content-range") ?? "",
    );
    if (range === null || Number(range[1]) !== part.bytes) {
      await part.restart();
      throw new ConnectionFailure(url, "sends another part than was asked for");
    }
    if (range[2] !== "*") total = Number(range[2]);
  } else {
    if (part.bytes > 0) await part.restart(); // it knows no parts
    const length = headers.get("content-length");
    if (length !== null) total = Number(length);
  }
  if (total !== null && file.sizeBytes !== null && total !== file.sizeBytes) {
    await part.restart();
    const [has, wanted] = formatUnequalBytes(total, file.sizeBytes);
    throw wrongContent(file, `it has ${has}, expected ${wanted}`);
  }
  part.totalBytes = total ?? file.sizeBytes;
}

function refused(file: RemoteFile, response: Response): UserError {
  const { status } = response;
  const waitMs = retryAfterMs(response);
  const { host } = new URL(response.url || file.url);
  const reasons: Record<number, string> = {
    401: "wants a log-in",
    403: "does not allow it",
    404: "has no such file",
    410: "has no such file any more",
    429: "was asked too often",
  };
  const reason = reasons[status] ?? `answers ${status}`;
  return new UserError(`Cannot download "${file.name}": ${host} ${reason}`, {
    hint: status === 404 || status === 410
      ? "check the address"
      : waitMs !== null
      ? `try again in ${formatDuration(waitMs)}`
      : status >= 500 || status === 429
      ? "try again later; what is downloaded so far is kept"
      : "download it with a browser and give the path of the file",
  });
}

function wrongContent(file: RemoteFile, what: string): UserError {
  return new UserError(`Cannot use the download of "${file.name}": ${what}`, {
    hint: "something on the way changes it; try another network, or download " +
      "it by hand and give its path",
  });
}

/** The bytes so far. */
class Part implements AsyncDisposable {
  /** Length. */
  bytes = 0;
  /** What the length must be, as far as the server has said. */
  totalBytes: number | null = null;
  readonly #file: RemoteFile;
  readonly #out: Deno.FsFile;
  #isDone = false;
  readonly #onBytes: (count: number) => void;
  #sha256: Hash = createHash("sha256");
  #sha1: Hash | null = null;

  private constructor(
    file: RemoteFile,
    out: Deno.FsFile,
    onBytes: (count: number) => void,
  ) {
    this.#file = file;
    this.#out = out;
    this.#onBytes = onBytes;
    this.#startHashes();
  }

  /**
   * Opens and locks the part of a file, and reads what is in it.
   *
   * @returns Null when somebody else has brought the file itself meanwhile.
   */
  static async open(
    file: RemoteFile,
    { onBytes = () => {}, onNotice, signal }: DownloadOptions,
  ): Promise<Part | null> {
    const path = partPath(file.path);
    const before = await versionOf(file.path);
    for (let isWaiting = false;;) {
      const out = await Deno.open(path, {
        read: true,
        write: true,
        create: true,
      });
      // A file system without locks is no reason to stop.
      if (await out.tryLock(true).catch(() => true)) {
        // The one who had the lock may have renamed this very file.
        if (await isSameFile(out, path)) {
          const part = new Part(file, out, onBytes);
          if (isWaiting && await versionOf(file.path) !== before) {
            await using _ = part; // empty: it is not needed
            await untilUnlocked(file.path, signal);
            return null;
          }
          await part.#readExisting(signal);
          return part;
        }
      } else if (!isWaiting) {
        onNotice?.(`another process downloads "${file.name}"; waiting for it`);
      }
      out.close();
      isWaiting = true;
      await wait(POLL_MS, signal);
    }
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#sha256.update(chunk);
    this.#sha1?.update(chunk);
    for (let at = 0; at < chunk.length;) {
      at += await this.#out.write(chunk.subarray(at));
    }
    this.bytes += chunk.length;
    this.#onBytes(chunk.length);
  }

  /** Empties it. */
  async restart(): Promise<void> {
    await this.#out.truncate(0);
    await this.#out.seek(0, Deno.SeekMode.Start);
    this.#onBytes(-this.bytes);
    this.bytes = 0;
    this.#startHashes();
  }

  /** There is more than there can be: the content is wrong. */
  isTooLong(): boolean {
    return this.totalBytes !== null && this.bytes > this.totalBytes;
  }

  /** @throws {ConnectionFailure} When the server stopped too early. */
  checkLength(): void {
    if (this.totalBytes !== null && this.bytes < this.totalBytes) {
      throw new ConnectionFailure(this.#file.url, "cuts the connection");
    }
  }

  /** How the content differs from what is known of it, or null. */
  mismatch(): string | null {
    const { sha256, gitSha1 } = this.#file;
    const sizeBytes = this.totalBytes ?? this.#file.sizeBytes;
    if (sizeBytes !== null && this.bytes !== sizeBytes) {
      return `it has ${this.bytes} bytes, expected ${sizeBytes}`;
    }
    const differs = sha256 !== undefined
      ? this.#sha256.copy().digest("hex") !== sha256
      : this.#sha1 !== null && this.#sha1.copy().digest("hex") !== gitSha1;
    return differs ? "its checksum is wrong" : null;
  }

  /** Makes it the file that was wanted. */
  async finish(): Promise<Omit<Downloaded, "etag">> {
    const { path } = this.#file;
    await this.#out.sync();
    await Deno.rename(partPath(path), path);
    this.#isDone = true;
    await syncDirectory(dirname(path));
    await unlessGone(Deno.remove(versionPath(path)));
    return { sizeBytes: this.bytes, sha256: this.#sha256.digest("hex") };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Nothing to go on from; while the lock is held, it is nobody else's.
    if (!this.#isDone && this.bytes === 0) {
      await Deno.remove(partPath(this.#file.path)).catch(() => {});
    }
    this.#out.close();
  }

  async #readExisting(signal?: AbortSignal): Promise<void> {
    const { size } = await this.#out.stat();
    const { sizeBytes } = this.#file;
    if (sizeBytes !== null && size > sizeBytes) return await this.restart();
    const buffer = new Uint8Array(1 << 20);
    for (let count; (count = await this.#out.read(buffer)) !== null;) {
      signal?.throwIfAborted();
      this.#sha256.update(buffer.subarray(0, count));
      this.#sha1?.update(buffer.subarray(0, count));
      this.bytes += count;
      this.#onBytes(count);
    }
  }

  #startHashes(): void {
    const { gitSha1, sizeBytes } = this.#file;
    this.#sha256 = createHash("sha256");
    // Git hashes the length, too, so it must be known before.
    this.#sha1 = gitSha1 !== undefined && sizeBytes !== null
      ? createHash("sha1").update(`blob ${sizeBytes}\0`)
      : null;
  }
}

/** Beside the part of a file without a known checksum: its version. */
function versionPath(path: string): string {
  return `${path}.part.version`;
}

/** Where the bytes of an unfinished download are. */
export function partPath(path: string): string {
  return `${path}.part`;
}

/** What differs when a file was replaced; null where there is none. */
async function versionOf(path: string): Promise<string | null> {
  const stat = await unlessGone(Deno.stat(path));
  return stat && [stat.ino, stat.size, stat.mtime?.getTime()].join();
}

/** Waits while the process that brought a file still records it. */
async function untilUnlocked(
  path: string,
  signal?: AbortSignal,
): Promise<void> {
  using file = await unlessGone(Deno.open(path));
  while (file && !await file.tryLock().catch(() => true)) {
    await wait(POLL_MS, signal);
  }
}
