/**
 * What goes wrong between here and a server, as lines a person can act on.
 *
 * @module
 */

import { errorMessage, UserError } from "../../base/errors.ts";

/** No answer, or half of one. `reason` completes "host …". */
export class ConnectionFailure extends Error {
  readonly url: string;
  readonly reason: string;
  /** Another try may help. */
  readonly isPassing: boolean;

  constructor(
    url: string,
    reason: string,
    { isPassing = true, cause }: { isPassing?: boolean; cause?: unknown } = {},
  ) {
    super(`${url} ${reason}`, { cause });
    this.url = url;
    this.reason = reason;
    this.isPassing = isPassing &&
      !/certificate|name is not|blocked/.test(reason);
  }
}

/** Why a connection failed; null for what is no failure of one. */
export function connectionReason(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  const text = `${errorMessage(error)} ${errorMessage(error.cause ?? "")}`;
  const known: [RegExp, string][] = [
    [/dns error|failed to lookup/i, "is not found: its name is not known here"],
    [
      /certificate|UnknownIssuer|tls/i,
      "shows a certificate that is not trusted",
    ],
    [/port \d+ (is|are) blocked/i, "is asked at a port that is blocked"],
    [/refused/i, "refuses the connection"],
    [/unreachable/i, "cannot be reached from this network"],
    [/reset|closed|eof|incomplete/i, "cuts the connection"],
    [/timed? ?out/i, "does not answer"],
  ];
  const found = known.find(([pattern]) => pattern.test(text));
  if (found) return found[1];
  // What fetch throws when no request could be sent.
  return error instanceof TypeError && /sending request|client error/.test(text)
    ? "cannot be reached"
    : null;
}

/** The line for a {@linkcode ConnectionFailure}; other errors pass. */
export function connectionError(
  error: unknown,
  { what, mirror }: {
    /** What could not be done: `download "a.parquet"`. */
    what: string;
    /** Another address can be set for the host. */
    mirror: boolean;
  },
): unknown {
  if (!(error instanceof ConnectionFailure)) return error;
  const { host } = new URL(error.url);
  return new UserError(`Cannot ${what}: ${host} ${error.reason}`, {
    hint: /certificate/.test(error.reason)
      ? "if your network checks encrypted traffic, name its certificate: " +
        "DENO_CERT=FILE, or DENO_TLS_CA_STORE=system"
      : "check the network; HTTPS_PROXY names a proxy" +
        (mirror ? ", HF_ENDPOINT a mirror" : "") +
        ". What is downloaded so far is kept",
    cause: error,
  });
}

/** The line for a page where data was wanted: a log-in page, as a rule. */
export function pageInstead(url: string, what: string): UserError {
  return new UserError(
    `Cannot ${what}: ${new URL(url).host} answers with a web page instead`,
    {
      hint:
        "log in to the network with a browser, or give the address of the " +
        "file itself, not of a page about it",
    },
  );
}

/** Whether an answer is a web page. */
export function isPage({ headers }: Response): boolean {
  return /^text\/html|^application\/xhtml/i.test(
    headers.get("content-type") ?? "",
  );
}
