import assert from "node:assert/strict";
import { TINY, Workspace } from "./_workspace.ts";

/** What is refused with exit code 2 and leaves nothing on disk. */
const REFUSED: Record<
  string,
  { argv: string[]; files?: Record<string, string | Uint8Array>; err: string[] }
> = {
  "an unknown key in a file": {
    files: { "bad.yaml": "model:\n  nLayers: 4\n" },
    argv: ["train", "--config", "ROOT/bad.yaml"],
    err: [
      "error: Cannot use ROOT/bad.yaml:2:3: model has no key nLayers",
      "hint: did you mean nLayer?",
    ],
  },
  "a wrong type in a file": {
    files: { "bad.yaml": "model:\n  nHead: four\n" },
    argv: ["train", "--config", "ROOT/bad.yaml"],
    err: [
      'error: Cannot use ROOT/bad.yaml:2:10: model.nHead is "four": expected a whole number from 1 to 1024',
      "hint: nHead is: attention heads",
    ],
  },
  "nHead that does not divide nEmbd": {
    argv: ["train", "--n-head", "3", "--n-embd", "128"],
    err: [
      "error: Cannot split nEmbd 128 into 3 heads: nEmbd must be a multiple of nHead",
      "hint: use --n-embd 129 --n-head 3",
    ],
  },
  "seqLen 0": {
    argv: ["train", "--seq-len", "0"],
    err: [
      "error: Cannot use --seq-len 0: expected a whole number from 1 to 1048576",
      "hint: seqLen is: tokens per sequence",
    ],
  },
  "a flag that is no number": {
    argv: ["train", "--lr", "fast"],
    err: [
      "error: Cannot use --lr fast: expected a number above 0",
      "hint: lr is: peak learning rate",
    ],
  },
  "a profile that is not there": {
    argv: ["train", "--profile", "smal"],
    err: [
      'error: Cannot use profile "smal": expected one of demo, tiny, small, medium, gpt2-small, shakespeare-char-cpu, shakespeare-char',
      "hint: did you mean small?",
    ],
  },
  "a dataset of ten bytes": {
    files: { "ten.txt": "ten bytes\n" },
    argv: ["train", "--dataset", "ROOT/ten.txt", ...TINY],
    err: [
      'error: Cannot make one batch from "ROOT/ten.txt": its training part has 9 tokens, a batch needs 17',
      "hint: give more text, or use --batch-size 1",
    ],
  },
  "a binary dataset": {
    files: { "cat.txt": Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0, 1, 2, 3) },
    argv: ["train", "--dataset", "ROOT/cat.txt", ...TINY],
    err: [
      'error: Cannot use "ROOT/cat.txt" as text: NUL byte at offset 4',
      "hint: it looks like a binary file; give .txt, .md or .jsonl in UTF-8",
    ],
  },
  "an empty dataset": {
    files: { "empty.txt": "" },
    argv: ["train", "--dataset", "ROOT/empty.txt", ...TINY],
    err: [
      'error: Cannot use dataset "ROOT/empty.txt": it is empty',
      "hint: give a file with text in it, or --dataset sample",
    ],
  },
  "a dataset that is not there": {
    argv: ["train", "--dataset", "ROOT/nope.txt", ...TINY],
    err: [
      'error: Cannot read dataset "ROOT/nope.txt": no such file or folder',
      'hint: check the path; a dataset is sample, a file, a folder, a quoted glob such as "texts/*.txt", or one that hearth data list shows',
    ],
  },
  "a run id with a slash": {
    argv: ["train", "--run-id", "a/b"],
    err: [
      'error: Cannot name a run "a/b": up to 64 letters, digits, "-", "_" and "." are allowed, and not "latest" or "best"',
      "hint: use a name such as --run-id shakespeare-1",
    ],
  },
  "a run that is not there": {
    argv: ["status", "owl-1"],
    err: [
      'error: There is no run "owl-1", and no other in "ROOT/runs"',
      "hint: start one with hearth train",
    ],
  },
  "--top-k -1": {
    argv: ["generate", "--top-k", "-1"],
    err: [
      "error: Cannot use --top-k -1: expected a whole number of 0 or more",
      "hint: use --top-k 0 to draw from all tokens",
    ],
  },
  "--num-samples 0": {
    argv: ["generate", "--num-samples", "0"],
    err: [
      "error: Cannot use --num-samples 0: expected a whole number of at least 1",
      "hint: put a number after --num-samples, or leave it out",
    ],
  },
  "an empty prompt": {
    argv: ["generate", "--prompt", ""],
    err: [
      'error: Cannot use --prompt "": expected at least one character',
      "hint: leave out --prompt to let the model begin by itself",
    ],
  },
  "an empty prompt on standard input": {
    argv: ["generate", "--prompt", "-"],
    err: [
      "error: Cannot use --prompt -: standard input is empty, expected text",
      "hint: leave out --prompt to let the model begin by itself",
    ],
  },
  "a misspelled command": {
    argv: ["trian"],
    err: ['error: Unknown command "trian"', "hint: did you mean train?"],
  },
  "a misspelled flag": {
    argv: ["train", "--n-hed", "3"],
    err: ['error: Unknown option "--n-hed"', "hint: did you mean --n-head?"],
  },
  "a flag with a word left out": {
    argv: ["generate", "--max-tokens", "3"],
    err: [
      'error: Unknown option "--max-tokens"',
      "hint: did you mean --max-new-tokens?",
    ],
  },
  "a flag like no other": {
    argv: ["generate", "--xyzzy-tokens", "3"],
    err: [
      'error: Unknown option "--xyzzy-tokens"',
      "hint: see hearth generate --help",
    ],
  },
  "a shell that it does not know": {
    argv: ["completions", "foo"],
    err: [
      'error: Cannot use shell "foo": expected one of bash, zsh, fish, ' +
      "powershell",
      "hint: see hearth completions --help",
    ],
  },
  "a misspelled shell": {
    argv: ["completions", "bsh"],
    err: [
      'error: Cannot use shell "bsh": expected one of bash, zsh, fish, ' +
      "powershell",
      "hint: did you mean bash?",
    ],
  },
  "the folder of a model in place of a run": {
    argv: ["train", "--from", "ROOT"],
    files: { "config.json": "{}" },
    err: [
      'error: Cannot use "ROOT" as a run: it is the folder of a model, not of ' +
      "a run",
      "hint: take it over first: hearth import ROOT",
    ],
  },
  "a model of a hub in place of a run": {
    argv: ["generate", "hf:openai-community/gpt2"],
    err: [
      'error: Cannot use "hf:openai-community/gpt2" as a run: it is a model ' +
      "of a hub, not of a run",
      "hint: take it over first: hearth import hf:openai-community/gpt2",
    ],
  },
  "an argument too many": {
    argv: ["train", "poems.txt"],
    err: [
      'error: Too many arguments for "train". Expected 0 arguments but got 1: poems.txt',
      "hint: see hearth train --help",
    ],
  },
  "a flag without its value": {
    argv: ["data", "prepare", "--dataset"],
    err: [
      'error: Option "--dataset <source>" argument missing',
      "hint: see hearth data prepare --help",
    ],
  },
  "init without a terminal": {
    argv: ["init", "ROOT/hearth.yaml"],
    err: [
      "error: Cannot ask questions: this is not a terminal",
      "hint: hearth init --yes writes the defaults",
    ],
  },
};

for (const [what, { argv, files = {}, err }] of Object.entries(REFUSED)) {
  Deno.test(`hearth refuses ${what} and writes nothing`, async () => {
    await using workspace = await Workspace.create();
    for (const [name, content] of Object.entries(files)) {
      await workspace.write(name, content);
    }
    const outcome = await workspace.run(
      argv.map((word) => word.replace("ROOT", workspace.root)),
    );
    const messages = outcome.err.split("\n").filter((line) =>
      /^(error|hint): /.test(line)
    );
    assert.deepEqual(messages, err);
    assert.equal(outcome.err.split("\n").at(-3), err[0]); // the last two lines
    assert.equal(outcome.out, "");
    assert.equal(outcome.code, 2);
    assert.deepEqual(await workspace.names(), Object.keys(files));
  });
}
