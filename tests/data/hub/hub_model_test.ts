import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { Workspace } from "../../cli/_workspace.ts";
import { HubServer } from "../_hub_server.ts";

const MODELS = fileURLToPath(
  new URL("../../fixtures/models/", import.meta.url),
);

/** The files of a fixture. */
function fixture(name: string): Record<string, Uint8Array | string> {
  const names = Array.from(Deno.readDirSync(`${MODELS}${name}`), (e) => e.name);
  return Object.fromEntries(
    names.map((file) => [file, Deno.readFileSync(`${MODELS}${name}/${file}`)]),
  );
}

/** `hearth import` with the server as hub. */
async function importFrom(
  server: HubServer,
  workspace: Workspace,
  argv: string[],
) {
  const before = Deno.env.get("HF_ENDPOINT");
  Deno.env.set("HF_ENDPOINT", server.endpoint);
  try {
    return await workspace.run(["import", ...argv]);
  } finally {
    if (before === undefined) Deno.env.delete("HF_ENDPOINT");
    else Deno.env.set("HF_ENDPOINT", before);
  }
}

Deno.test("hearth import brings a sharded model from the hub, and keeps no copy", async () => {
  const files = {
    ...fixture("llama_bf16"),
    "pytorch_model.bin": "x".repeat(2000),
    "original/model-1.safetensors": "x".repeat(2000),
  };
  await using server = new HubServer({ "owner/small": { files } });
  await using workspace = await Workspace.create();
  const { code, out, err } = await importFrom(server, workspace, [
    "hf:owner/small",
    "--as",
    "small",
  ]);
  assert.equal(code, 0, err);
  assert.match(out, /^run +small\/step-00000000\nmodel +llama, /);
  const meta = JSON.parse(
    await Deno.readTextFile(workspace.path("runs/small/meta.json")),
  );
  assert.deepEqual(meta.imported, { source: "hf:owner/small" });
  const asked = server.requests.map(({ path }) => path);
  assert.ok(
    !asked.some((path) => /pytorch_model|original/.test(path)),
    asked
      .join(),
  );
  const left = await Array.fromAsync(
    Deno.readDir(workspace.path("data/models")),
  );
  assert.deepEqual(left, []);
  const text = await workspace.run(["generate", "--max-new-tokens", "2"]);
  assert.equal(text.code, 0, text.err);
});

Deno.test("two imports of one model at once both have it", async () => {
  const files = fixture("llama_bf16");
  await using server = new HubServer({ "owner/small": { files } });
  const { promise: until, resolve } = Promise.withResolvers<void>();
  server.fault = ({ host }) =>
    host === "cdn" ? { stallAfter: 100, until } : null;
  await using workspace = await Workspace.create();
  Deno.env.set("HF_ENDPOINT", server.endpoint);
  try {
    const ended = await Promise.all(
      ["a", "b", "c"].map((id) =>
        workspace.run(["import", "hf:owner/small", "--as", id], {
          onStderr: (text) =>
            /another process downloads/.test(text) && resolve(),
        })
      ),
    );
    for (const { code, err } of ended) assert.equal(code, 0, err);
  } finally {
    Deno.env.delete("HF_ENDPOINT");
  }
  assert.deepEqual(
    await Array.fromAsync(Deno.readDir(workspace.path("data/models"))),
    [],
  );
});

Deno.test("hearth import refuses a model before its weights are downloaded", async () => {
  const files = fixture("llama_bf16");
  const config = JSON.parse(new TextDecoder().decode(
    files["config.json"] as Uint8Array,
  ));
  files["config.json"] = JSON.stringify({ ...config, model_type: "mamba" });
  await using server = new HubServer({ "owner/small": { files } });
  await using workspace = await Workspace.create();
  const { code, err } = await importFrom(server, workspace, ["hf:owner/small"]);
  assert.equal(code, 2);
  assert.match(err, /model_type is "mamba", expected gpt2 or llama\nhint: /);
  const asked = server.requests.map(({ path }) => path);
  assert.ok(!asked.some((path) => path.endsWith(".safetensors")), asked.join());
});

Deno.test("hearth import says what a repository lacks, or that there is none", async () => {
  const { "model.safetensors": _, ...files } = fixture("gpt2_f16");
  await using server = new HubServer({ "owner/small": { files } });
  await using workspace = await Workspace.create();
  const lacking = await importFrom(server, workspace, ["hf:owner/small"]);
  assert.equal(lacking.code, 2);
  assert.match(
    lacking.err,
    /^error: Cannot import "hf:owner\/small": it has no model\.safetensors\n/m,
  );
  const none = await importFrom(server, workspace, ["hf:owner/other"]);
  assert.equal(none.code, 2);
  assert.match(none.err, /^error: There is no model "owner\/other" on 127/m);
  const half = await importFrom(server, workspace, ["hf:owner/"]);
  assert.equal(half.code, 2);
  assert.match(half.err, /expected hf:OWNER\/NAME\[@REVISION\]\nhint: /);
});
