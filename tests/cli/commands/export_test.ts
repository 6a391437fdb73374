import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Workspace } from "../_workspace.ts";

/** A workspace with the run `owl-1` of four steps. */
async function trained(): Promise<Workspace> {
  const workspace = await Workspace.create();
  const { code, err } = await workspace.train(["--steps", "4", "--quiet"]);
  assert.equal(code, 0, err);
  return workspace;
}

Deno.test("hearth export writes a folder that can be loaded elsewhere", async () => {
  await using workspace = await trained();
  const output = workspace.path("out");
  const { code, out, err } = await workspace.run(
    ["export", "--checkpoint", "best", "--output", `${output}/`],
  );
  assert.equal(code, 0, err);
  assert.equal(
    out,
    `checkpoint  owl-1/step-00000004
written     ROOT/out
size        ${/size +(.*) in f32/.exec(out)?.[1]} in f32
`,
  );
  assert.equal(
    err,
    '\nLoad it with: transformers.AutoModelForCausalLM.from_pretrained("ROOT/out")\n',
  );
  const names = await Array.fromAsync(Deno.readDir(output), (e) => e.name);
  assert.deepEqual(names.sort(), [
    "README.md",
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
  ]);
  const card = await Deno.readTextFile(`${output}/README.md`);
  assert.match(card, /^# owl-1$/m);
  assert.match(card, /^\| Steps \| 4 \|$/m);
  assert.match(card, /^hearth .*train --dataset /m);
});

Deno.test("hearth export leaves what is there, unless told to", async () => {
  await using workspace = await trained();
  const output = await workspace.write("model.gguf", "mine");
  const argv = ["export", "--format", "gguf", "--output", output];
  const refused = await workspace.run(argv);
  assert.deepEqual(refused, {
    code: 2,
    out: "",
    err: 'error: Cannot write "ROOT/model.gguf": it is there already\n' +
      "hint: add --force to replace it, or choose another --output PATH\n",
  });
  assert.equal(await Deno.readTextFile(output), "mine");
  const { code, out, err } = await workspace.run([
    ...argv,
    "--force",
    "--json",
  ]);
  assert.equal(code, 0, err);
  const { sizeBytes, sha256, ...rest } = JSON.parse(out);
  assert.deepEqual(rest, {
    checkpoint: "owl-1/step-00000004",
    format: "gguf",
    dtype: "f32",
    output: "ROOT/model.gguf",
  });
  const bytes = await Deno.readFile(output);
  assert.equal(bytes.length, sizeBytes);
  assert.equal(createHash("sha256").update(bytes).digest("hex"), sha256);
  assert.equal(new TextDecoder().decode(bytes.subarray(0, 4)), "GGUF");
  assert.deepEqual(await workspace.names(), [
    "checkpoints",
    "data",
    "model.gguf",
    "runs",
  ]);
});

Deno.test("hearth export replaces no folder of other things", async () => {
  await using workspace = await trained();
  await Deno.mkdir(workspace.path("mine"));
  const notes = await workspace.write("mine/notes.txt", "mine");
  const output = workspace.path("mine");
  for (const format of ["gguf", "hf"]) {
    const argv = ["export", "--format", format, "--output", output, "--force"];
    assert.deepEqual(await workspace.run(argv), {
      code: 2,
      out: "",
      err: 'error: Cannot replace "ROOT/mine": it is a folder with ' +
        '"notes.txt" in it, which is not of such an export\n' +
        "hint: choose another --output PATH\n",
    });
    assert.equal(await Deno.readTextFile(notes), "mine");
  }
  await Deno.remove(notes);
  for (const _ of ["an empty one", "an export"]) {
    const argv = ["export", "--output", output, "--force"];
    const { code, err } = await workspace.run(argv);
    assert.equal(code, 0, err);
  }
  const gguf = ["export", "--format", "gguf", "--output", output, "--force"];
  assert.equal((await workspace.run(gguf)).code, 2);
  assert.deepEqual(await workspace.names(), [
    "checkpoints",
    "data",
    "mine",
    "runs",
  ]);
});

Deno.test("hearth export refuses blocks outside of gguf", async () => {
  await using workspace = await trained();
  const { code, err } = await workspace.run(["export", "--dtype", "q8_0"]);
  assert.equal(code, 2);
  assert.equal(
    err,
    "error: Cannot export as hf in q8_0: expected f32, f16 or bf16\n" +
      "hint: use --format gguf for q8_0, or another --dtype\n",
  );
});

Deno.test("hearth export leaves nothing behind at Ctrl+C", async () => {
  await using workspace = await trained();
  const argv = ["export", "--format", "gguf", "--output", workspace.path("a")];
  const { code, err } = await workspace.run(argv, {
    onListening: (press) => press(),
  });
  assert.equal(code, 3);
  assert.equal(err, "stopped, nothing was kept\n");
  assert.deepEqual(await workspace.names(), ["checkpoints", "data", "runs"]);
});

Deno.test("hearth export removes what a killed export left, and nothing else", async () => {
  await using workspace = await trained();
  const output = workspace.path("model.gguf");
  // No process has so high an id: the kernel's limit is 2^22.
  await using other = new Deno.Command(Deno.execPath(), {
    args: ["eval", "await new Response(Deno.stdin.readable).text()"],
    stdin: "piped",
  }).spawn();
  const dead = "4999999", alive = `${other.pid}`;
  const left = ["tmp-" + dead, "old-" + dead, `tmp-${Deno.pid}`];
  const others = ["tmp-" + alive, "tmp-x", "bak", "tmp-1.bin"];
  for (const end of [...left, ...others]) {
    await Deno.writeTextFile(`${output}.${end}`, end);
  }
  const folder = workspace.path(`model.gguf.tmp-${dead}1`);
  await Deno.mkdir(`${folder}/deep`, { recursive: true });
  const argv = ["export", "--format", "gguf", "--output", output, "--quiet"];
  // What had stepped aside for a successor that never came is back again.
  const refused = await workspace.run(argv);
  assert.match(refused.err, /model\.gguf": it is there already\n/);
  assert.equal(await Deno.readTextFile(output), "old-" + dead);
  const { code, err } = await workspace.run([...argv, "--force"]);
  assert.equal(code, 0, err);
  assert.notEqual(await Deno.readTextFile(output), "old-" + dead);
  const names = await Array.fromAsync(Deno.readDir(workspace.root));
  assert.deepEqual(
    names.map(({ name }) => name).filter((name) => name.startsWith("model"))
      .sort(),
    ["model.gguf", ...others.map((end) => `model.gguf.${end}`)].sort(),
  );
});
