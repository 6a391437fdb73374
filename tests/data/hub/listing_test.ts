import assert from "node:assert/strict";
import "../../base/_no_proxy.ts";
import { UserError } from "../../../src/base/errors.ts";
import {
  hubListingSchema,
  listOnline,
  listTree,
} from "../../../src/data/hub/listing.ts";
import { hubSettings } from "../../../src/data/hub/settings.ts";
import { ConnectionFailure } from "../../../src/data/net/failures.ts";
import { userError } from "../_helpers.ts";

const NAME = { repo: "o/n", revision: "main" };
const NETWORK = { timeoutMs: 5000, backoffMs: 1, tries: 1 };

/** A hub that gives `answer`, and the tokens that it was asked with. */
async function hub(answer: (url: URL, self: string) => Response) {
  const tokens: (string | null)[] = [];
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    (request) => {
      tokens.push(request.headers.get("authorization"));
      const url = new URL(request.url);
      return answer(url, url.origin);
    },
  );
  const endpoint = `http://127.0.0.1:${server.addr.port}`;
  const env: Record<string, string> = {
    HF_ENDPOINT: endpoint,
    HF_TOKEN: "hf_secret",
    HF_HOME: "/nonexistent",
  };
  const settings = await hubSettings((name) => env[name]);
  return { tokens, settings, [Symbol.asyncDispose]: () => server.shutdown() };
}

const file = (path: string) => ({ type: "file", path, size: 1 });

Deno.test("listTree() refuses what is no listing", async () => {
  const wrong: unknown[] = [
    null,
    5,
    {},
    [null],
    [{ type: "file", size: 1 }],
    [{ ...file("a"), size: -1 }],
    [{ ...file("a"), size: 1e300 }],
    // Would be read from wherever it leads, were it a name.
    [{ ...file("a"), lfs: { size: 1, oid: "../../../../etc/passwd" } }],
    [{ ...file("a"), oid: "../../../../etc/passwd" }],
  ];
  for (const value of wrong) {
    await using server = await hub(() => Response.json(value));
    const error = await userError(() =>
      listTree(NAME, server.settings, NETWORK)
    );
    assert.match(
      error.message,
      /^Cannot list the files of "o\/n": 127.0.0.1:\d+ gives no such list$/,
    );
  }
  const record = {
    ...{ version: 1, repo: "o/n", revision: "main", endpoint: "" },
    ...{ listedAtMs: 0, card: null },
  };
  const read = (sha256: string) =>
    hubListingSchema.safeParse({
      ...record,
      files: [{ path: "a", sizeBytes: 1, sha256 }],
    }).success;
  assert.deepEqual([read("ab".repeat(32)), read("../../a")], [true, false]);
});

Deno.test("listTree() sends the token to the hub alone", async () => {
  await using other = await hub(() => Response.json([file("b")]));
  await using server = await hub(() =>
    Response.json([file("a")], {
      headers: { link: `<${other.settings.endpoint}/x>; rel="next"` },
    })
  );
  const files = await listTree(NAME, server.settings, NETWORK);
  assert.deepEqual(files.map(({ path }) => path), ["a", "b"]);
  assert.deepEqual(
    [server.tokens, other.tokens],
    [["Bearer hf_secret"], [null]],
  );
});

Deno.test("listTree() gives up on a listing without end", async () => {
  await using server = await hub((url, self) =>
    Response.json([], {
      headers: { link: `<${self}${url.pathname}>; rel="next"` },
    })
  );
  const error = await userError(() => listTree(NAME, server.settings, NETWORK));
  assert.match(error.message, /gives no such list$/);
});

Deno.test("listTree() does not follow an address that is none", async () => {
  await using server = await hub(() =>
    Response.json([], { headers: { link: '<http://[/>; rel="next"' } })
  );
  const error = await userError(() => listTree(NAME, server.settings, NETWORK));
  assert.match(error.message, /gives no such list$/);
});

Deno.test("listOnline() does not read an answer without end", async () => {
  const chunk = new Uint8Array(1 << 20).fill(0x20);
  let sent = 0;
  await using server = await hub((url) => {
    if (url.pathname.includes("/tree/")) {
      return Response.json([file("README.md"), file("a.txt")]);
    }
    const body = new ReadableStream({
      pull: (controller) => (sent++, controller.enqueue(chunk)),
    });
    return new Response(body);
  });
  await assert.rejects(
    listOnline(NAME, server.settings, NETWORK),
    (error) =>
      error instanceof ConnectionFailure && /more than 4/.test(error.reason),
  );
  assert.ok(sent < 100, `${sent} MB were sent`);
});

Deno.test("hubSettings() never repeats a token that cannot be one", async () => {
  for (const token of ["hf_se\ncret", "hf_secret\u2603", "hf_s\0ecret"]) {
    const error = await userError(() =>
      hubSettings((name) => name === "HF_TOKEN" ? token : undefined)
    );
    assert.ok(error instanceof UserError);
    assert.equal(
      error.message,
      "Cannot use the token in HF_TOKEN: it has characters that no token has",
    );
    assert.ok(!`${error.message} ${error.hint}`.includes("cret"));
  }
});
