/** A server that speaks the hub's routes, on this machine. @module */

import { createHash } from "node:crypto";
import "../base/_no_proxy.ts";

/** A repository of the server: files by path. */
export interface ServedRepo {
  files: Record<string, string | Uint8Array>;
  /** `main`, if not given. */
  revision?: string;
  /** Only who sends this token may see it. */
  token?: string;
  /** It exists for all, and may be read by nobody. */
  gated?: boolean;
}

/** What goes wrong with an answer. */
export type Fault =
  | { status: number; headers?: Record<string, string>; body?: string }
  | { page: string }
  /** Sends the headers, so many bytes, and closes the connection. */
  | { cutAfter: number }
  /** Sends the headers, so many bytes, and the rest only after that. */
  | { stallAfter: number; until?: Promise<unknown> }
  | { ignoreRange: true };

/** A request that came. */
export interface Seen {
  path: string;
  range: string | null;
  ifRange: string | null;
  authorization: string | null;
  /** Which of the two hosts was asked. */
  host: "hub" | "cdn";
}

/** Files of this size and more are kept elsewhere, as large ones are. */
const LARGE_BYTES = 1000;
const PAGE_ENTRIES = 3;

/** The hub and the host that it keeps large files on. */
export class HubServer implements AsyncDisposable {
  readonly requests: Seen[] = [];
  /** Asked for every request; null: all goes well. */
  fault: (seen: Seen) => Fault | null = () => null;
  readonly #repos: Record<string, ServedRepo>;
  readonly #hub: Deno.HttpServer<Deno.NetAddr>;
  readonly #cdn: Deno.HttpServer<Deno.NetAddr>;
  readonly #closing = new AbortController();

  constructor(repos: Record<string, ServedRepo>) {
    this.#repos = repos;
    const serve = (host: Seen["host"]) =>
      Deno.serve({
        hostname: "127.0.0.1",
        port: 0,
        onListen() {},
        onError: () => new Response(null, { status: 500 }),
      }, (request) => this.#answer(request, host));
    this.#hub = serve("hub");
    this.#cdn = serve("cdn");
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.#hub.addr.port}`;
  }

  /** Requests for contents, without listings and redirects. */
  get downloads(): Seen[] {
    return this.requests.filter(({ host }) => host === "cdn");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await Promise.all([this.#hub.shutdown(), this.#cdn.shutdown()]);
  }

  #answer(request: Request, host: Seen["host"]): Response {
    const { pathname } = new URL(request.url);
    const seen = {
      path: pathname,
      range: request.headers.get("range"),
      ifRange: request.headers.get("if-range"),
      authorization: request.headers.get("authorization"),
      host,
    };
    this.requests.push(seen);
    const fault = this.fault(seen);
    if (fault && "status" in fault) {
      return new Response(fault.body ?? null, fault);
    }
    if (fault && "page" in fault) {
      const headers = { "content-type": "text/html; charset=utf-8" };
      return new Response(fault.page, { headers });
    }
    const contents = Object.values(this.#repos)
      .flatMap(({ files }) => Object.values(files)).map(bytesOf);
    if (host === "cdn") {
      const found = contents.find((bytes) => pathname === `/${sha256(bytes)}`);
      return found
        ? this.#send(found, seen, fault)
        : new Response(null, { status: 404 });
    }
    const [, api, owner, name, route, revision, ...rest] =
      /^(\/api)?\/(?:datasets\/|models\/)?([^/]+)\/([^/]+)\/(tree|resolve)\/([^/]+)\/?(.*)$/
        .exec(pathname) ?? [];
    if (route === undefined) return new Response(null, { status: 404 });
    const repo = this.#repos[`${owner}/${name}`];
    const refused = refusal(repo, seen, decodeURIComponent(revision), api);
    if (refused) return refused;
    if (route === "tree") return this.#tree(repo, new URL(request.url));
    const content = repo.files[decodeURIComponent(rest[0])];
    if (content === undefined) return errorAnswer(404, "EntryNotFound");
    const bytes = bytesOf(content);
    if (bytes.length < LARGE_BYTES) return this.#send(bytes, seen, fault);
    return new Response(null, {
      status: 302,
      headers: {
        location: `http://127.0.0.1:${this.#cdn.addr.port}/${sha256(bytes)}`,
        "x-linked-etag": `"${sha256(bytes)}"`,
        "x-linked-size": String(bytes.length),
      },
    });
  }

  #tree({ files }: ServedRepo, url: URL): Response {
    const entries = Object.entries(files).map(([path, content]) => {
      const bytes = bytesOf(content);
      const isLarge = bytes.length >= LARGE_BYTES;
      return {
        type: "file",
        path,
        size: bytes.length,
        oid: gitSha1(bytes),
        ...isLarge && {
          lfs: { oid: sha256(bytes), size: bytes.length, pointerSize: 133 },
        },
      };
    });
    const folders = new Set(
      Object.keys(files).filter((path) => path.includes("/"))
        .map((path) => path.slice(0, path.lastIndexOf("/"))),
    );
    const all = [
      ...[...folders].map((path) => ({ type: "directory", path, size: 0 })),
      ...entries,
    ];
    const from = Number(url.searchParams.get("cursor") ?? 0);
    const next = new URL(url);
    next.searchParams.set("cursor", String(from + PAGE_ENTRIES));
    const isLast = from + PAGE_ENTRIES >= all.length;
    return Response.json(all.slice(from, from + PAGE_ENTRIES), {
      headers: isLast ? {} : { link: `<${next}>; rel="next"` },
    });
  }

  /** The bytes, or the range that was asked for. */
  #send(bytes: Uint8Array, seen: Seen, fault: Fault | null): Response {
    const etag = `"${sha256(bytes)}"`;
    const ignores = fault !== null && "ignoreRange" in fault ||
      seen.ifRange !== null && seen.ifRange !== etag;
    const start = ignores
      ? null
      : /^bytes=(\d+)-$/.exec(seen.range ?? "")?.[1] ?? null;
    const from = Number(start ?? 0);
    if (start !== null && from >= bytes.length) {
      return new Response(null, {
        status: 416,
        headers: { "content-range": `bytes */${bytes.length}` },
      });
    }
    const body = bytes.subarray(from);
    return new Response(this.#stream(body, fault), {
      status: start === null ? 200 : 206,
      headers: {
        "content-type": "application/octet-stream",
        "content-length": String(body.length),
        etag,
        ...start !== null && {
          "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}`,
        },
      },
    });
  }

  #stream(bytes: Uint8Array, fault: Fault | null): ReadableStream<Uint8Array> {
    const closed = Promise.withResolvers<void>();
    this.#closing.signal.addEventListener("abort", () => closed.resolve());
    const stall = fault && "stallAfter" in fault ? fault : null;
    let limit = fault && "cutAfter" in fault
      ? fault.cutAfter
      : stall?.stallAfter ?? Infinity;
    let at = 0;
    return new ReadableStream({
      pull: async (controller) => {
        if (at >= limit && stall) {
          await Promise.race([closed.promise, stall.until ?? closed.promise]);
          if (this.#closing.signal.aborted) {
            return controller.error(new Error("stalled"));
          }
          limit = Infinity;
        }
        if (at >= limit) return controller.error(new Error("cut"));
        const end = Math.min(at + 16_384, limit, bytes.length);
        if (end > at) controller.enqueue(bytes.slice(at, end));
        at = end;
        if (at >= bytes.length) controller.close();
      },
    });
  }
}

function refusal(
  repo: ServedRepo | undefined,
  { authorization }: Seen,
  revision: string,
  api: string | undefined,
): Response | null {
  const isKnown = authorization !== null &&
    authorization === `Bearer ${repo?.token}`;
  if (!repo || (repo.token && !repo.gated && !isKnown)) {
    // The hub tells nobody without a token which private ones there are.
    return authorization === null
      ? errorAnswer(401, null)
      : errorAnswer(404, "RepoNotFound");
  }
  if (revision !== (repo.revision ?? "main")) {
    return errorAnswer(404, "RevisionNotFound");
  }
  // Names of files are for all, contents are not.
  if (repo.gated && !isKnown && !api) return errorAnswer(401, "GatedRepo");
  return null;
}

function errorAnswer(status: number, code: string | null): Response {
  return Response.json({ error: code ?? "Invalid username or password." }, {
    status,
    headers: code === null ? {} : { "x-error-code": code },
  });
}

function bytesOf(content: string | Uint8Array): Uint8Array {
  return typeof content === "string"
    ? new TextEncoder().encode(content)
    : content;
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

export function gitSha1(bytes: Uint8Array): string {
  return createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes)
    .digest("hex");
}
