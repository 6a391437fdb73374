/**
 * HTTP requests that outlast what networks do: slow answers, cut connections,
 * servers that are busy for a moment.
 *
 * Redirects are followed here, so that the headers of every answer are seen
 * and a token goes to no other host than the one it is for. Proxies
 * (HTTPS_PROXY, HTTP_PROXY, NO_PROXY) are the runtime's business.
 *
 * @module
 */

import { formatBytes, formatDuration } from "../../base/format.ts";
import { pause } from "../../base/pause.ts";
import { ConnectionFailure, connectionReason } from "./failures.ts";

/** How to behave towards a network. */
export interface NetworkOptions {
  /** Longest silence before a try counts as failed. */
  timeoutMs: number;
  /** Before the second try; doubles with each. */
  backoffMs: number;
  /** How often to try in all. */
  tries: number;
  /** Hears why it takes so long. */
  onNotice?: (message: string) => void;
  signal?: AbortSignal;
}

/** An answer, after all redirects. */
export interface Answer {
  response: Response;
  /** Every answer on the way, the last one included. */
  chain: Response[];
  /** The body in parts. @throws {ConnectionFailure} When it is cut or stalls. */
  body: AsyncGenerator<Uint8Array>;
}

/** Asked too often, or down: worth another try. */
const PASSING = [408, 425, 429, 500, 502, 503, 504];
const MOST_REDIRECTS = 10;
/** A server that wants a longer wait is told to the person instead. */
const LONGEST_WAIT_MS = 30_000;

/**
 * Sends a GET request, again if need be. Answers that no further try would
 * change, such as 404, are returned; so is the last of those that it would.
 *
 * @param headers `authorization` is for the host of `url` alone.
 * @throws {ConnectionFailure} When there is no answer.
 */
export async function request(
  url: string,
  headers: Record<string, string>,
  options: NetworkOptions,
): Promise<Answer> {
  const { tries, backoffMs, signal, onNotice } = options;
  for (let attempt = 1;; attempt++) {
    let waitMs = backoffMs * 2 ** (attempt - 1);
    let reason: string;
    try {
      const answer = await follow(url, headers, options);
      const { response } = answer;
      if (!PASSING.includes(response.status) || attempt >= tries) {
        return answer;
      }
      waitMs = Math.max(waitMs, retryAfterMs(response) ?? 0);
      if (waitMs > LONGEST_WAIT_MS) return answer;
      await answer.body.return(undefined);
      reason = `answers ${response.status}`;
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof ConnectionFailure)) throw error;
      if (attempt >= tries || !error.isPassing) throw error;
      reason = error.reason;
    }
    onNotice?.(
      `${new URL(url).host} ${reason}; trying again in ` +
        formatDuration(waitMs),
    );
    await wait(waitMs, signal);
  }
}

/**
 * As {@linkcode request}, for a body that fits into memory; one that is cut
 * is asked for again.
 *
 * @param options.maxBytes A longer one counts as a failure.
 */
export async function requestWhole(
  url: string,
  headers: Record<string, string>,
  options: NetworkOptions & { maxBytes: number },
): Promise<Answer & { bytes: Uint8Array<ArrayBuffer> }> {
  for (let attempt = 1;; attempt++) {
    const answer = await request(url, headers, options);
    try {
      const parts: Uint8Array[] = [];
      let length = 0;
      for await (const part of answer.body) {
        length += part.length;
        if (length > options.maxBytes) {
          throw new ConnectionFailure(
            url,
            `sends more than ${formatBytes(options.maxBytes)}`,
            { isPassing: false },
          );
        }
        parts.push(part);
      }
      const blob = new Blob(parts as Uint8Array<ArrayBuffer>[]);
      return { ...answer, bytes: await blob.bytes() };
    } catch (error) {
      options.signal?.throwIfAborted();
      const isCut = error instanceof ConnectionFailure && error.isPassing;
      if (!isCut || attempt >= options.tries) throw error;
      await wait(options.backoffMs * 2 ** (attempt - 1), options.signal);
    }
  }
}

/** Waits. @throws The reason of `signal`, at once when it is aborted. */
export async function wait(ms: number, signal?: AbortSignal): Promise<void> {
  await pause(ms, signal);
  signal?.throwIfAborted();
}

/** What the server asks to wait, or null. */
export function retryAfterMs({ headers }: Response): number | null {
  const value = headers.get("retry-after");
  if (value === null) return null;
  const ms = /^\d+$/.test(value)
    ? Number(value) * 1000
    : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : null;
}

async function follow(
  first: string,
  headers: Record<string, string>,
  options: NetworkOptions,
): Promise<Answer> {
  const chain: Response[] = [];
  const { origin } = new URL(first);
  for (let url = first;;) {
    const { authorization: _, ...open } = headers;
    const answer = await send(
      url,
      new URL(url).origin === origin ? headers : open,
      options,
    );
    chain.push(answer.response);
    const { status, headers: got } = answer.response;
    const location = got.get("location");
    if (status < 300 || status > 399 || location === null) {
      return { ...answer, chain };
    }
    await answer.body.return(undefined);
    if (chain.length > MOST_REDIRECTS) {
      throw new ConnectionFailure(url, "redirects in a circle", {
        isPassing: false,
      });
    }
    const next = URL.parse(location, url);
    if (next === null || !/^https?:$/.test(next.protocol)) {
      throw new ConnectionFailure(url, "redirects to what is no address", {
        isPassing: false,
      });
    }
    if (new URL(url).protocol === "https:" && next.protocol !== "https:") {
      throw new ConnectionFailure(
        url,
        `redirects to an address without encryption (${next.host})`,
        { isPassing: false },
      );
    }
    url = next.href;
  }
}

/** One request; the timer runs until its headers are here. */
async function send(
  url: string,
  headers: Record<string, string>,
  options: NetworkOptions,
): Promise<Omit<Answer, "chain">> {
  const { timeoutMs, signal } = options;
  const controller = new AbortController();
  const stop = () => controller.abort(signal?.reason);
  signal?.throwIfAborted();
  signal?.addEventListener("abort", stop, { once: true });
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    controller.abort();
  }, timeoutMs);
  try {
    const response = await fetch(url, {
      // What is hashed and resumed by position must come as it is stored.
      headers: { "accept-encoding": "identity", ...headers },
      redirect: "manual",
      signal: controller.signal,
    });
    return { response, body: readBody(response, url, options) };
  } catch (error) {
    signal?.throwIfAborted();
    const reason = isLate
      ? `does not answer within ${formatDuration(timeoutMs)}`
      : connectionReason(error);
    if (reason === null) throw error;
    throw new ConnectionFailure(url, reason, { cause: error });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
  }
}

async function* readBody(
  { body }: Response,
  url: string,
  options: NetworkOptions,
): AsyncGenerator<Uint8Array> {
  if (body === null) return;
  const reader = body.getReader();
  try {
    for (;;) {
      const { timeoutMs } = options;
      const read = await inTime(reader.read(), options);
      if (read === "late") {
        throw new ConnectionFailure(
          url,
          `sends nothing for ${formatDuration(timeoutMs)}`,
        );
      }
      if (read.done) return;
      yield read.value;
    }
  } catch (error) {
    options.signal?.throwIfAborted();
    if (error instanceof ConnectionFailure) throw error;
    throw new ConnectionFailure(url, "cuts the connection", { cause: error });
  } finally {
    // Not awaited: of a stalled connection nothing may ever come.
    reader.cancel().catch(() => {});
  }
}

/** What `work` gives, or "late"; rejects as soon as `signal` is aborted. */
async function inTime<T>(
  work: Promise<T>,
  { timeoutMs, signal }: Pick<NetworkOptions, "timeoutMs" | "signal">,
): Promise<T | "late"> {
  signal?.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<"late">();
  const timer = setTimeout(() => resolve("late"), timeoutMs);
  const stop = () => reject(signal?.reason);
  signal?.addEventListener("abort", stop, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
  }
}
