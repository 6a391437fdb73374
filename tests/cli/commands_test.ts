import assert from "node:assert/strict";
import { join } from "node:path";
import { readCpuInfo } from "../../src/backend/cpu/cores.ts";
import { USUAL_WARNINGS } from "../backend/_usual_warnings.ts";
import { Workspace } from "./_workspace.ts";

/** A workspace with the run `owl-1` of four steps. */
async function trained(): Promise<Workspace> {
  const workspace = await Workspace.create();
  const { code, err } = await workspace.train(["--steps", "4", "--quiet"]);
  assert.equal(code, 0, err);
  return workspace;
}

Deno.test("hearth generate writes the prompt and as many tokens as asked for", async () => {
  await using workspace = await trained();
  const argv = ["generate", "--prompt", "the cat", "--max-new-tokens", "9"];
  const { code, out, err } = await workspace.run(argv);
  assert.equal(code, 0, err);
  assert.ok(out.startsWith("the cat") && out.endsWith("\n"));
  assert.match(err, /^owl-1\/step-00000004 on .+\n9 tokens in .+ tok\/s\n$/);

  const again = await workspace.run([...argv, "--quiet"]);
  assert.deepEqual(again, { code: 0, out, err: "" });
  const other = await workspace.run([...argv, "--seed", "7"]);
  assert.notEqual(other.out, out);
});

Deno.test("hearth generate reads a prompt, and writes several samples", async () => {
  await using workspace = await trained();
  const { code, out } = await workspace.run([
    ...["generate", "best", "--prompt", "-", "--num-samples", "2"],
    ...["--max-new-tokens", "3", "--json"],
  ], { stdin: "mat 1\n" });
  assert.equal(code, 0);
  const samples = out.trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(
    samples.map(({ sample, seed, prompt, ids }) => [
      sample,
      seed,
      prompt,
      ids.length,
    ]),
    [[0, 1337, "mat 1", 3], [1, 1338, "mat 1", 3]],
  );
});

Deno.test("hearth generate warns of characters the model does not know", async () => {
  await using workspace = await Workspace.create();
  await workspace.train(["--steps", "1", "--tokenizer", "char", "--quiet"]);
  const { code, err } = await workspace.run(
    ["generate", "--prompt", "mat 😀", "--max-new-tokens", "1"],
  );
  assert.equal(code, 0);
  const warning =
    "warning: Characters of the prompt that the model does not know: 1\n";
  assert.ok(err.includes(warning), err);
});

Deno.test("hearth generate stops well at Ctrl+C", async () => {
  await using workspace = await trained();
  let pieces = 0;
  const { code, out } = await workspace.run(
    ["generate", "--max-new-tokens", "100000"],
    { onStdout: (_, press) => void (++pieces === 20 && press()) },
  );
  assert.equal(code, 3);
  assert.ok(out.endsWith("\n"));
});

Deno.test("hearth eval measures the run's own text, or another", async () => {
  await using workspace = await trained();
  const own = await workspace.run(["eval", "--json"]);
  assert.equal(own.code, 0, own.err);
  const result = JSON.parse(own.out);
  const state = await workspace.run(["status", "--json"]);
  // The same validation text and weights as the run's last evaluation.
  assert.equal(result.valLoss, JSON.parse(state.out).valLoss);
  assert.equal(result.perplexity, Math.exp(result.valLoss));

  const other = await workspace.write("other.txt", "zzz ".repeat(100));
  const tokens = workspace.path("data/tokens");
  const before = [...Deno.readDirSync(tokens)].length;
  const { code, out, err } = await workspace.run(["eval", "--dataset", other]);
  assert.equal(code, 0, err);
  // It is turned into tokens once, as text to validate on.
  assert.equal([...Deno.readDirSync(tokens)].length, before + 1);
  assert.match(
    out,
    /^checkpoint {2}owl-1\/step-00000004\ntext {8}ROOT\/other\.txt\n/,
  );
  // 400 bytes and the end of the text; all but the first are predicted.
  assert.match(out, /\ntokens {6}400\n$/);
});

Deno.test("hearth generate, eval and bench tell how the device was decided", async () => {
  await using workspace = await trained();
  const { name } = readCpuInfo();
  const note = `Device "${name}" is the CPU (${name}): no GPU is called so`;
  const device = ["--device", name, "--threads", "1"];
  const shape = ["4x4x4", "--seconds", "0"];
  for (
    const argv of [
      ["generate", "--max-new-tokens", "1"],
      ["eval", "--batches", "1"],
      ["bench", "gemm", ...shape],
    ]
  ) {
    const { code, err } = await workspace.run([...argv, ...device]);
    assert.equal(code, 0, err);
    assert.equal(err.split(note).length - 1, 1, err);
    const quiet = await workspace.run([...argv, ...device, "--quiet"]);
    assert.equal(quiet.err, "");
  }
  const { out } = await workspace.run(["eval", "--json", ...device]);
  const result = JSON.parse(out);
  assert.equal(result.device, `cpu: ${name}, 1 thread`);
  const told = [USUAL_WARNINGS, [note]];
  assert.deepEqual([result.warnings, result.notes], told);
  const bench = ["bench", "gemm", ...shape, ...device, "--json"];
  const { warnings, notes } = JSON.parse((await workspace.run(bench)).out);
  assert.deepEqual([warnings, notes], told);
});

Deno.test("hearth generate and eval take another device, unless --strict-device", async () => {
  await using workspace = await trained();
  for (const command of ["generate", "eval"]) {
    const argv = [command, "--device", "no such device", "--threads", "1"];
    const most = command === "eval" ? "--batches" : "--max-new-tokens";
    const taken = await workspace.run([...argv, most, "1"]);
    assert.equal(taken.code, 0, taken.err);
    assert.match(taken.err, /^warning: Cannot use device "no such device", /m);
    const strict = await workspace.run([...argv, "--strict-device"]);
    assert.equal(strict.code, 2);
    assert.match(strict.err, /^error: Cannot use device "no such device", /);
    const empty = await workspace.run([command, "--device", ""]);
    assert.equal(empty.code, 2);
    assert.match(empty.err, /^error: Cannot use an empty text as device\n/);
  }
});

Deno.test("hearth eval takes a text too short to train on", async () => {
  await using workspace = await trained();
  // One sequence, and not the batch that training would need.
  const one = await workspace.write("one.txt", "z".repeat(8));
  const { code, out, err } = await workspace.run(["eval", "--dataset", one]);
  assert.equal(code, 0, err);
  assert.match(out, /\ntokens {6}8\n$/);
  const none = await workspace.write("none.txt", "z");
  const refused = await workspace.run(["eval", "--dataset", none]);
  assert.equal(refused.code, 2);
  assert.match(
    refused.err,
    /^error: Cannot validate on "ROOT\/none\.txt": it has 1 bytes of text, one sequence needs 9 tokens\nhint: give more text, or use --dataset sample\n$/,
  );
  const short = await workspace.write("short.txt", "z".repeat(7));
  assert.equal(
    (await workspace.run(["eval", "--dataset", short])).err,
    'error: Cannot validate on "ROOT/short.txt": it has 8 tokens, one ' +
      "sequence needs 9\nhint: give more text\n",
  );
});

Deno.test("hearth eval takes the checkpoint that is named", async () => {
  await using workspace = await Workspace.create();
  await workspace.train(["--steps", "4", "--checkpoint-every", "1"]);
  const folder = workspace.path("checkpoints/owl-1");
  await Deno.writeTextFile(join(folder, "best"), "step-00000003\n");
  const named = async (ref: string) => {
    const { out, err } = await workspace.run(["eval", ref, "--json"]);
    return out === "" ? err : JSON.parse(out).checkpoint;
  };
  assert.equal(await named("owl-1"), "step-00000004");
  assert.equal(await named("latest"), "step-00000004");
  assert.equal(await named("best"), "step-00000003");
  assert.equal(await named("owl-1/best"), "step-00000003");
  assert.equal(await named("owl-1/2"), "step-00000002");
  assert.equal(await named("owl-1/step-00000002"), "step-00000002");
  assert.equal(await named(join(folder, "step-00000002")), "step-00000002");
  assert.match(await named("owl-1/9"), /^error: Cannot find checkpoint "9" of/);
});

Deno.test("hearth status and runs show the same run", async () => {
  await using workspace = await trained();
  const { code, out } = await workspace.run(["status"]);
  assert.equal(code, 0);
  assert.match(out, /^run {9}owl-1\nstatus {6}completed\ndevice {6}cpu: /);
  assert.match(out, /\nprogress {4}step 4 of 4, epoch 0\.01 of 0\.01\n/);
  const runs = await workspace.run(["runs"]);
  assert.match(
    runs.out,
    /^run +status +epoch +step +loss .* started\nowl-1 +completed +0\.01 +4\/4 /,
  );
  const [one] = JSON.parse((await workspace.run(["runs", "--json"])).out);
  assert.equal(one.runId, "owl-1");
  assert.equal(one.config.model.nEmbd, 8);
});

Deno.test("hearth runs says so when there are none", async () => {
  await using workspace = await Workspace.create();
  assert.deepEqual(await workspace.run(["runs"]), {
    code: 0,
    out: "",
    err: 'no runs in "ROOT" yet; start one with hearth train\n',
  });
});

Deno.test("hearth data prepares, lists, describes and removes", async () => {
  await using workspace = await Workspace.create();
  const text = workspace.path("text.txt");
  const prepare = ["data", "prepare", "--dataset", text, "--vocab-size", "270"];
  const first = await workspace.run([...prepare, "--json"]);
  assert.equal(first.code, 0, first.err);
  const { sources: [{ id, tokenizer }], reused } = JSON.parse(first.out);
  assert.deepEqual([reused, tokenizer.vocabSize], [false, 270]);
  const second = await workspace.run(prepare);
  assert.ok(second.err.endsWith("it was prepared before\n"), second.err);

  const list = await workspace.run(["data", "list"]);
  assert.match(list.out, new RegExp(`\n${id} +ROOT/text.txt +bpe 270 `));
  const info = await workspace.run(["data", "info", id.slice(0, 6)]);
  assert.match(info.out, /\nvalidation {2}10\.0 % of the text\n/);
  const none = await workspace.run(["data", "info", "xyz"]);
  assert.deepEqual([none.code, none.err], [
    2,
    'error: There is no prepared data set "xyz"\n' +
    "hint: hearth data list shows their ids\n",
  ]);

  const clean = await workspace.run(["data", "clean"]);
  assert.match(clean.out, /^removed 1 data set, /);
  const empty = await workspace.run(["data", "list"]);
  assert.match(
    empty.out,
    /^name +download +what it is\nsample +none .*\nwikitext-2 +7\.0 MB/,
  );
  assert.equal(empty.err, "no data is prepared yet\n");
});

/** Said of a million threads. */
const MANY_THREADS =
  /^warning: Cannot run 1,000,000 threads at a time: this machine runs \d+, /;

Deno.test("hearth tokenizer trains, encodes and decodes", async () => {
  await using workspace = await Workspace.create();
  const output = workspace.path("tokenizer.json");
  const train = ["tokenizer", "train", workspace.path("text.txt")];
  const flags = ["--type", "char", "--output", output];
  const first = await workspace.run([...train, ...flags]);
  assert.deepEqual([first.code, first.out], [0, "ROOT/tokenizer.json\n"]);
  const again = await workspace.run([...train, ...flags]);
  assert.deepEqual([again.code, again.err], [
    2,
    'error: Cannot write "ROOT/tokenizer.json": it exists\n' +
    "hint: add --force to replace it, or --output to name another file\n",
  ]);

  const encode = ["tokenizer", "encode", output];
  const { out } = await workspace.run([...encode, "the cat"]);
  assert.equal(out.trim().split(" ").length, 7);
  const piped = await workspace.run([...encode, "-"], { stdin: "the cat" });
  assert.equal(piped.out, out);
  const ids = out.trim().split(" ");
  const decoded = await workspace.run(["tokenizer", "decode", output, ...ids]);
  assert.equal(decoded.out, "the cat\n");
  const wrong = await workspace.run(["tokenizer", "decode", output, "9999"]);
  assert.equal(wrong.code, 2);
  assert.match(wrong.err, /^error: Cannot decode id 9999: expected 0 to \d+\n/);
  const word = await workspace.run(["tokenizer", "decode", output, "cat"]);
  assert.equal(word.code, 2);
  assert.match(word.err, /^error: Cannot decode id cat: expected 0 to \d+\n/);

  const inspect = await workspace.run(["tokenizer", "inspect", output]);
  assert.match(inspect.out, /^type {9}char\nvocabulary {3}\d+ ids\n/);
});

Deno.test("hearth tokenizer has special tokens and reports its vocabulary", async () => {
  await using workspace = await Workspace.create();
  const output = workspace.path("tokenizer.json");
  const trained = await workspace.run([
    ...["tokenizer", "train", workspace.path("text.txt"), "--output", output],
    ...["--vocab-size", "264", "--special-token", "<|user|>"],
    ...["--min-frequency", "100", "--threads", "1000000"],
  ]);
  assert.equal(trained.code, 0);
  assert.match(trained.err, MANY_THREADS);
  assert.match(trained.err, /\nbpe, 264 ids\n$/);
  const { out } = await workspace.run(["tokenizer", "inspect", output]);
  assert.match(
    out,
    /\nspecial {6}0 "<\|endoftext\|>", 1 "<\|user\|>"\n/,
  );
  // 256 bytes, 128 of them no characters by themselves, and 6 merges.
  const lines = out.split("\n");
  const count = (kind: string) =>
    lines.findLast((line) => line.startsWith(kind))?.split(/ +/).at(-1);
  assert.equal(count("special  "), "2");
  assert.equal(count("digits"), "10");
  assert.equal(count("parts of characters"), "128");
  assert.ok(lines.some((line) => /^ +1 +256$/.test(line)), out);
  const { ids } = JSON.parse(
    (await workspace.run(
      ["tokenizer", "encode", output, "<|user|>", "--json"],
    )).out,
  );
  assert.deepEqual(ids, [1]);
});

Deno.test("hearth tokenizer encodes files to files, and back", async () => {
  await using workspace = await Workspace.create();
  const output = workspace.path("tokenizer.json"), ids = workspace.path("ids");
  const text = workspace.path("text.txt");
  await workspace.run([
    ...["tokenizer", "train", text, "--output", output, "--vocab-size", "300"],
  ]);
  const encode = ["tokenizer", "encode", output];
  const toFile = [...encode, "--input", text, "--output", ids];
  const { err } = await workspace.run([...toFile, "--threads", "1000000"]);
  assert.match(err, MANY_THREADS);
  const encoded = await workspace.run(toFile);
  assert.equal(encoded.out, "ROOT/ids\n");
  assert.match(
    encoded.err,
    /^[\d,]+ tokens from 5\.\d kB of text, \d\.\d\d bytes/,
  );
  const numbers = new Uint16Array((await Deno.readFile(ids)).buffer);
  const content = await Deno.readTextFile(text);
  const whole = await workspace.run([...encode, content]);
  // The document ends with the end of text, which decode leaves out.
  assert.equal([...numbers].join(" "), `${whole.out.trim()} 0`);
  const decoded = await workspace.run(
    ["tokenizer", "decode", output, "--input", ids],
  );
  assert.equal(decoded.out, content);

  const wrong: [string[], string][] = [
    [encode, "Cannot encode: expected a text, or --input and --output"],
    [
      [...encode, "--input", text],
      "Cannot encode: expected a text, or --input and --output",
    ],
    [
      ["tokenizer", "decode", output],
      "Cannot decode: expected ids, or --input",
    ],
    [
      ["tokenizer", "decode", output, "--input", text],
      `Cannot decode "ROOT/text.txt": it has id `,
    ],
  ];
  await Deno.writeTextFile(text, "zz".repeat(9));
  for (const [argv, message] of wrong) {
    const { code, err } = await workspace.run(argv);
    assert.equal(code, 2);
    assert.ok(err.startsWith(`error: ${message}`), err);
  }
});

Deno.test("hearth devices and doctor describe this machine", async () => {
  await using workspace = await Workspace.create();
  const devices = await workspace.run(["devices", "--json"]);
  const [cpu] = JSON.parse(devices.out)
    .filter(({ id }: { id: string }) => id === "cpu");
  assert.ok(cpu.gflops > 0);
  const untimed = ["devices", "--no-measure"];
  // Not for a terminal, so that all of it is there whatever its width.
  const table = await workspace.run(untimed, { columns: 40 });
  // How a GPU is reached has a column where there is one.
  assert.match(
    table.out,
    /^device +name +memory( +through)? +ask for it by\n.*cpu +/s,
  );

  const narrow = await workspace.run(untimed, { tty: true, columns: 40 });
  const [titles] = narrow.out.split("\n");
  assert.ok(titles.length <= 40, titles);

  const doctor = await workspace.run(["doctor"]);
  assert.equal(doctor.code, 0);
  assert.match(doctor.out, /^ok {4}hearth +\d+\.\d+\.\d+ \(.+\)\n/);
  assert.match(doctor.out, /\nok {4}root +"ROOT" is writable\n/);
  const file = workspace.path("text.txt");
  const bad = await workspace.run(["doctor", "--root", file]);
  assert.equal(bad.code, 1);
  assert.match(bad.out, /\nbad {3}root +cannot write to "ROOT\/text\.txt": /);
});

Deno.test("hearth init writes a configuration that trains", async () => {
  await using workspace = await Workspace.create();
  const file = workspace.path("poems.yaml");
  const dataset = workspace.path("text.txt");
  const argv = ["init", file, "--profile", "tiny", "--dataset", dataset];
  const first = await workspace.run([...argv, "--yes"]);
  assert.deepEqual(first, {
    code: 0,
    out: "ROOT/poems.yaml\n",
    err: "next: hearth train --config ROOT/poems.yaml\n",
  });
  const text = await Deno.readTextFile(file);
  assert.match(text, /^# Written by hearth init from the profile tiny\.\n/);
  assert.ok(text.includes(`  dataset: ${dataset} # or a file, a folder`));

  const again = await workspace.run([...argv, "--yes"]);
  assert.deepEqual([again.code, again.err], [
    2,
    'error: Cannot write "ROOT/poems.yaml": it exists\n' +
    "hint: add --force to replace it, or name another file\n",
  ]);
  const wrong = await workspace.run([
    ...["init", file, "--profile", "huge", "--yes", "--force"],
  ]);
  assert.equal(wrong.code, 2);
  assert.equal(await Deno.readTextFile(file), text);

  const train = await workspace.run([
    ...["train", "--config", file, "--tokenizer", "byte", "--steps", "1"],
    ...["--n-embd", "8", "--seq-len", "8", "--quiet"],
  ]);
  assert.deepEqual([train.code, train.out], [0, "owl-1\n"]);
});

Deno.test("hearth completions knows commands, flags, choices and runs", async () => {
  await using workspace = await trained();
  const complete = async (...words: string[]) => {
    const { out } = await workspace.run(["complete", "--", ...words]);
    return out.split("\n").map((line) => line.split("\t")[0]);
  };
  // ":4" and ":0" tell the shell not to add file names, or to do so.
  assert.deepEqual(await complete("tra"), ["train", ":4", ""]);
  assert.deepEqual(await complete("train", "--n-h"), ["--n-head", ":4", ""]);
  assert.deepEqual(
    await complete("train", "--schedule", ""),
    ["cosine", "linear", "constant", "wsd", ":4", ""],
  );
  assert.deepEqual(await complete("train", "--profile", "ti"), [
    "tiny",
    ":4",
    "",
  ]);
  assert.deepEqual(await complete("train", "--dataset", ""), [":0", ""]);
  assert.deepEqual(await complete("resume", ""), ["latest", "owl-1", ":4", ""]);
  assert.deepEqual(
    await complete("data", ""),
    ["list", "info", "clean", "prepare", ":4", ""],
  );
});
