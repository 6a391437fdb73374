/**
 * Which files a repository of the hub has, and what its card says of them.
 *
 * @module
 */

import { z } from "zod";
import { EXIT, UserError } from "../../base/errors.ts";
import { formatDuration } from "../../base/format.ts";
import { isOneName } from "../../base/one_name.ts";
import {
  connectionError,
  ConnectionFailure,
  isPage,
  pageInstead,
} from "../net/failures.ts";
import {
  type Answer,
  type NetworkOptions,
  requestWhole,
  retryAfterMs,
} from "../net/request.ts";
import type { HubName, HubRepo } from "./hub_name.ts";
import type { HubSettings } from "./settings.ts";

/** A file in a repository. */
const hubFileSchema = z.object({
  path: z.string(),
  sizeBytes: z.int().min(0),
  /** Of large files. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/).optional(),
  /** Of small ones: as Git names their content. */
  gitSha1: z.string().regex(/^[0-9a-f]{40}$/).optional(),
});

/** What is kept of a repository at a revision. */
export const hubListingSchema = z.object({
  version: z.literal(1),
  repo: z.string(),
  revision: z.string(),
  /** Where it was asked. */
  endpoint: z.string(),
  listedAtMs: z.number(),
  files: z.array(hubFileSchema),
  /** README.md, whose head names configs and splits; or null. */
  card: z.string().nullable(),
});

/** A file of a repository: its path, size and checksum. */
export type HubFile = z.output<typeof hubFileSchema>;
/** What the hub has of a repository, and when that was asked. */
export type HubListing = z.output<typeof hubListingSchema>;

/** Where the hub has data sets made into Parquet, if their owner has not. */
const CONVERTED = "refs/convert/parquet";
/** What the hub says of an entry, as far as it is used here. */
const entrySchema = z.object({
  type: z.string(),
  path: z.string(),
  size: hubFileSchema.shape.sizeBytes,
  oid: hubFileSchema.shape.gitSha1,
  lfs: z.object({
    size: hubFileSchema.shape.sizeBytes,
    oid: hubFileSchema.shape.sha256.unwrap(),
  }).nullish(),
});

/** Of a README.md; none is longer by far. */
const LONGEST_CARD = 4 << 20;
/** Of a page of a listing: a thousand files at about 300 bytes. */
const LONGEST_PAGE = 32 << 20;
/** Of a listing: more than a million files. */
const MOST_PAGES = 2000;

/**
 * Asks the hub for the files of a data set.
 *
 * @throws {UserError} When it is not there, is not for everybody, or when
 * something else than the hub answers.
 * @throws {ConnectionFailure} When nothing answers.
 */
export async function listOnline(
  { repo, revision }: Pick<HubName, "repo" | "revision">,
  settings: HubSettings,
  network: NetworkOptions,
): Promise<HubListing> {
  const { endpoint } = settings;
  const files = await listTree({ repo, revision }, settings, network);
  const readme = files.find(({ path }) => path === "README.md");
  const card = readme && readme.sizeBytes <= LONGEST_CARD
    ? await readCard({ repo, revision }, settings, network)
    : null;
  const listing: HubListing = {
    version: 1,
    repo,
    revision,
    endpoint,
    listedAtMs: Date.now(),
    files,
    card,
  };
  if (revision !== "main" || files.some(isData)) return listing;
  // A script makes the data; the hub has run it and keeps what came out.
  try {
    const converted = { repo, revision: CONVERTED };
    const files = await listTree(converted, settings, network);
    return { ...listing, revision: CONVERTED, files, card: null };
  } catch (error) {
    if (error instanceof UserError) return listing; // there is no such branch
    throw error;
  }
}

/** Whether a file may hold rows or text, by its name. */
export function isData({ path }: Pick<HubFile, "path">): boolean {
  return /\.(parquet|jsonl|ndjson|json|txt|md)(\.gz|\.zst)?$/i.test(path) &&
    !/(^|\/)(README\.md|dataset_infos?\.json|requirements\.txt|\..*)$/i
      .test(path);
}

/** Address of a file. */
export function fileUrl(
  { repo, revision, isModel }: HubRepo,
  path: string,
  { endpoint }: Pick<HubSettings, "endpoint">,
): string {
  const encoded = path.split("/").map(encodeURIComponent).join("/");
  return `${endpoint}/${isModel ? "" : "datasets/"}${repo}/resolve/` +
    `${encodeURIComponent(revision)}/${encoded}`;
}

/** What the hub wants to see of who asks. */
export function hubHeaders(
  { token }: Pick<HubSettings, "token">,
): Record<string, string> {
  return token === null ? {} : { authorization: `Bearer ${token.value}` };
}

/**
 * All files of a repository.
 *
 * @throws As {@linkcode listOnline}.
 */
export async function listTree(
  name: HubRepo,
  settings: HubSettings,
  network: NetworkOptions,
): Promise<HubFile[]> {
  const { listFiles } = await import("@huggingface/hub");
  const { origin } = new URL(settings.endpoint);
  let pages = 0;
  const what = `list the files of "${name.repo}"`;
  const entries = listFiles({
    repo: { type: name.isModel ? "model" : "dataset", name: name.repo },
    revision: encodeURIComponent(name.revision),
    recursive: true,
    hubUrl: settings.endpoint,
    fetch: async (url) => {
      if (++pages > MOST_PAGES) throw new Nonsense("it never ends");
      // Where the next page is, the answer says: perhaps on another host.
      const isHub = URL.parse(String(url))?.origin === origin;
      const answer = await requestWhole(
        String(url),
        isHub ? hubHeaders(settings) : {},
        { ...network, maxBytes: LONGEST_PAGE },
      );
      throwRefusal(answer, name, settings);
      if (isPage(answer.response)) throw pageInstead(String(url), what);
      const { status, headers } = answer.response;
      return new Response(answer.bytes, { status, headers });
    },
  });
  try {
    const files: HubFile[] = [];
    for await (const entry of entries) {
      const { type, path, size, oid, lfs } = entrySchema.parse(entry);
      // A path that leads elsewhere is none of a repository.
      if (type !== "file" || !path.split("/").every(isOneName)) continue;
      files.push({
        path,
        sizeBytes: lfs?.size ?? size,
        ...lfs ? { sha256: lfs.oid } : oid ? { gitSha1: oid } : {},
      });
    }
    return files;
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw pageInstead(settings.endpoint, what);
    }
    // A TypeError: no list, or the address of a page that is none.
    const isNonsense = error instanceof z.ZodError ||
      error instanceof TypeError || error instanceof Nonsense;
    if (!isNonsense) throw error;
    throw new UserError(
      `Cannot ${what}: ${new URL(settings.endpoint).host} gives no such list`,
      { hint: "check HF_ENDPOINT, or try again later", cause: error },
    );
  }
}

/** An answer that no hub gives. */
class Nonsense extends Error {}

async function readCard(
  name: Pick<HubName, "repo" | "revision">,
  settings: HubSettings,
  network: NetworkOptions,
): Promise<string | null> {
  const url = fileUrl(name, "README.md", settings);
  const answer = await requestWhole(url, hubHeaders(settings), {
    ...network,
    maxBytes: LONGEST_CARD,
  });
  const { response, bytes } = answer;
  if (!response.ok || isPage(response)) return null;
  return new TextDecoder().decode(bytes);
}

function throwRefusal(
  { response, chain }: Answer,
  name: HubRepo,
  settings: HubSettings,
): void {
  if (response.ok) return;
  const refused = chain.find(({ status }) => status >= 400) ?? response;
  throw hubRefusal(refused, name, settings);
}

/** The line for an answer of the hub that is no success. */
export function hubRefusal(
  response: Response,
  { repo, revision, isModel }: HubRepo,
  { endpoint, token }: HubSettings,
): UserError {
  const { status, headers } = response;
  const { host } = new URL(endpoint);
  const code = headers.get("x-error-code");
  const what = `${isModel ? "model" : "dataset"} "${repo}"`;
  const page = `${endpoint}/${isModel ? "" : "datasets/"}${repo}`;
  const usage = { exitCode: EXIT.usage };
  if (code === "GatedRepo" || (status === 403 && code === null)) {
    return new UserError(
      `Cannot download ${what}: its owner lets in only who asked for it`,
      {
        hint: `ask at ${page}, then set HF_TOKEN to a ` +
          `token of ${endpoint}/settings/tokens`,
        ...usage,
      },
    );
  }
  if (code === "RevisionNotFound") {
    return new UserError(`There is no "${revision}" of ${what}`, {
      hint: `${page}/commits/main shows what there is`,
      ...usage,
    });
  }
  if (status === 401 && token !== null && code !== "RepoNotFound") {
    return new UserError(
      `${host} does not accept the token in ${token.from}`,
      { hint: `make another at ${endpoint}/settings/tokens`, ...usage },
    );
  }
  // To whom it does not show a private one, the hub says 401 as well.
  if (status === 401 || status === 404) {
    return new UserError(
      `There is no ${what} on ${host}, or it is private`,
      {
        hint: token === null
          ? "check the name; for a private one set HF_TOKEN"
          : `check the name, and whether the token in ${token.from} may see it`,
        ...usage,
      },
    );
  }
  const waitMs = retryAfterMs(response);
  return new UserError(
    `Cannot download ${what}: ${host} ` +
      (status === 429 ? "was asked too often" : `answers ${status}`),
    {
      hint: waitMs !== null
        ? `try again in ${formatDuration(waitMs)}`
        : "try again later; what is downloaded so far is kept",
    },
  );
}

/** What to say when the hub cannot be reached. */
export function unreachable(
  error: unknown,
  { name }: Pick<HubName, "name">,
): unknown {
  return error instanceof ConnectionFailure
    ? connectionError(error, { what: `download "${name}"`, mirror: true })
    : error;
}
