import assert from "node:assert/strict";
import { TINY, Workspace } from "./_workspace.ts";

/** What is refused, mostly with exit code 2, and leaves nothing on disk. */
const REFUSED: Record<
  string,
  {
    argv: string[];
    files?: Record<string, string | Uint8Array>;
    err: string[];
    code?: 1;
  }
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
  "a root that is a file": {
    files: { "file": "text" },
    argv: ["--root", "ROOT/file", "runs"],
    err: [
      'error: Cannot look for runs in "ROOT/file/runs": a part of the path is ' +
      "a file",
      "hint: check the folder after --root, or that of HEARTH_ROOT",
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
    err: ['error: Unknown command "trian"', "hint: did you mean hearth train?"],
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
  "a folder of adapters in place of a run": {
    argv: ["train", "--from", "ROOT"],
    files: { "adapter_config.json": "{}" },
    err: [
      'error: Cannot use "ROOT" as a run: it is a folder of adapters, not of ' +
      "a run",
      "hint: if they are of a run here, name that run; merge others in Python " +
      "first, by merge_and_unload() and save_pretrained()",
    ],
  },
  "a folder of adapters in place of a model": {
    argv: ["import", "ROOT"],
    files: { "adapter_config.json": "{}" },
    err: [
      'error: Cannot import "ROOT": it has adapters, without the model that ' +
      "they belong to",
      "hint: if they are of a run here, name that run; merge others in Python " +
      "first, by merge_and_unload() and save_pretrained()",
    ],
  },
  "some folder in place of a run": {
    argv: ["generate", "ROOT"],
    files: { "a.txt": "" },
    err: [
      'error: Cannot use "ROOT" as a run: it is a folder, not a checkpoint',
      "hint: name a run, or a folder with a manifest.json",
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
      'error: Cannot use "poems.txt": hearth train takes flags only',
      "hint: did you mean --dataset poems.txt?",
    ],
  },
  "a flag without its value": {
    argv: ["data", "prepare", "--dataset"],
    err: [
      "error: Cannot use --dataset: a value must follow",
      "hint: --dataset <source>: sample, wikitext-2, hf:OWNER/NAME, " +
      "https://…, a file, a folder, a glob or - (standard input); or a list " +
      "of them (may be repeated; default: sample)",
    ],
  },
  "an argument with a blank in its name": {
    argv: ["train", "my poems.txt"],
    err: [
      'error: Cannot use "my poems.txt": hearth train takes flags only',
      'hint: did you mean --dataset "my poems.txt"?',
    ],
  },
  "a profile without its flag": {
    argv: ["train", "tiny"],
    err: [
      'error: Cannot use "tiny": hearth train takes flags only',
      "hint: did you mean --profile tiny?",
    ],
  },
  "a configuration without its flag": {
    argv: ["train", "a.yaml"],
    err: [
      'error: Cannot use "a.yaml": hearth train takes flags only',
      "hint: did you mean --config a.yaml?",
    ],
  },
  "a setting without its flag": {
    argv: ["train", "model.nLayer=3"],
    err: [
      'error: Cannot use "model.nLayer=3": hearth train takes flags only',
      "hint: did you mean --set model.nLayer=3?",
    ],
  },
  "what a shell made of a glob": {
    argv: ["train", "--dataset", "a.txt", "b.txt", "c.txt"],
    err: [
      'error: Cannot use "b.txt" and 1 more: hearth train takes flags only',
      "hint: put --dataset before each, or quote a glob: --dataset 'texts/*.txt'",
    ],
  },
  "a prompt without quotes": {
    argv: ["generate", "--prompt", "Once", "upon", "a", "time"],
    err: [
      'error: Cannot use "a" and 1 more: hearth generate takes only one run',
      'hint: quote a text of several words: --prompt "Once upon a time"',
    ],
  },
  "a prompt without its flag": {
    argv: ["generate", "owl-1", "Once upon"],
    err: [
      'error: Cannot use "Once upon": hearth generate takes only one run',
      'hint: did you mean --prompt "Once upon"?',
    ],
  },
  "a prompt in place of a run": {
    argv: ["generate", "Once upon a time"],
    err: [
      'error: Cannot use "Once upon a time" as a run: no run has such a name',
      'hint: did you mean --prompt "Once upon a time"?',
    ],
  },
  "a text to encode without quotes": {
    argv: ["tokenizer", "encode", "latest", "a", "b"],
    err: [
      'error: Cannot use "b": hearth tokenizer encode takes only one tokenizer and one text',
      'hint: quote the text: "a b"',
    ],
  },
  "a run too many": {
    argv: ["status", "owl-1", "owl-2"],
    err: [
      'error: Cannot use "owl-2": hearth status takes only one run',
      "hint: see hearth status --help",
    ],
  },
  "no run where one is needed": {
    argv: ["rm"],
    err: [
      'error: Cannot run "hearth rm" without <run>',
      "hint: hearth runs lists the runs",
    ],
  },
  "a flag in place of a value": {
    argv: ["train", "--run-id", "--detach"],
    err: [
      "error: Cannot use --run-id: a value must follow, found --detach",
      "hint: --run-id <id>: name of the run; default: a new one",
    ],
  },
  "a value for a flag without one": {
    argv: ["train", "--detach=true"],
    err: [
      "error: Cannot use --detach=true: --detach takes no value",
      "hint: type --detach alone, or leave it out",
    ],
  },
  "a flag by one of its words": {
    argv: ["train", "--id", "owl-1"],
    err: ['error: Unknown option "--id"', "hint: did you mean --run-id?"],
  },
  "the beginning of a flag": {
    argv: ["train", "--data", "poems.txt"],
    err: ['error: Unknown option "--data"', "hint: did you mean --dataset?"],
  },
  "a word of several flags": {
    argv: ["train", "--size=5"],
    err: [
      'error: Unknown option "--size=5"',
      "hint: did you mean one of --vocab-size, --batch-size?",
    ],
  },
  "a flag with one dash": {
    argv: ["train", "-steps", "5"],
    err: ['error: Unknown option "-steps"', "hint: did you mean --steps?"],
  },
  "a flag of nanoGPT": {
    argv: ["train", "--max_iters=5"],
    err: [
      'error: Unknown option "--max_iters=5"',
      "hint: did you mean --steps?",
    ],
  },
  "a flag of another program, by what this one has": {
    argv: ["generate", "--max_length", "5"],
    err: [
      'error: Unknown option "--max_length"',
      "hint: did you mean --max-new-tokens?",
    ],
  },
  "a command as a flag": {
    argv: ["train", "--resume"],
    err: [
      'error: Unknown option "--resume"',
      "hint: did you mean hearth resume?",
    ],
  },
  "a key of nanoGPT": {
    argv: ["train", "--set", "learning_rate=1"],
    err: [
      "error: Cannot use --set learning_rate=1: the configuration has no key learning_rate",
      "hint: did you mean train.lr?",
    ],
  },
  "a key that two sections have": {
    argv: ["train", "--set", "dropout=0.1"],
    err: [
      "error: Cannot use --set dropout=0.1: the configuration has no key dropout",
      "hint: did you mean model.dropout?",
    ],
  },
  "a command of habit": {
    argv: ["list"],
    err: ['error: Unknown command "list"', "hint: did you mean hearth runs?"],
  },
  "a subcommand alone": {
    argv: ["prepare"],
    err: [
      'error: Unknown command "prepare"',
      "hint: did you mean hearth data prepare?",
    ],
  },
  "a misspelled subcommand": {
    argv: ["data", "prepar"],
    err: [
      'error: Unknown command "prepar"',
      "hint: did you mean hearth data prepare?",
    ],
  },
  "a misspelled data set": {
    argv: ["train", "--dataset", "wikitext2"],
    err: [
      'error: Cannot read dataset "wikitext2": no such file or folder',
      "hint: did you mean wikitext-2?",
    ],
  },
  "a data set of a hub without hf:": {
    argv: ["train", "--dataset", "roneneldan/TinyStories"],
    err: [
      'error: Cannot read dataset "roneneldan/TinyStories": no such file or ' +
      "folder",
      "hint: did you mean hf:roneneldan/TinyStories?",
    ],
  },
  "a model of a hub without hf:": {
    argv: ["import", "openai-community/gpt2"],
    err: [
      'error: Cannot import "openai-community/gpt2": it is not there',
      "hint: did you mean hf:openai-community/gpt2?",
    ],
  },
  "gpt2 without its owner": {
    argv: ["import", "gpt2-xl"],
    err: [
      'error: Cannot import "gpt2-xl": it is not there',
      "hint: did you mean hf:openai-community/gpt2-xl?",
    ],
  },
  "a misspelled data set to describe": {
    argv: ["data", "info", "wikitext2"],
    err: [
      'error: There is no prepared data set "wikitext2"',
      "hint: did you mean wikitext-2?",
    ],
  },
  "a misspelled format": {
    argv: ["export", "--format", "ggfu"],
    err: [
      "error: Cannot use --format ggfu: expected one of hf, safetensors, gguf, bundle, peft",
      "hint: did you mean gguf?",
    ],
  },
  "init into a folder that is not there": {
    argv: ["init", "ROOT/no/hearth.yaml", "--yes"],
    err: [
      'error: Cannot write "ROOT/no/hearth.yaml": there is no such folder',
      "hint: name another file: hearth init PATH",
    ],
    code: 1,
  },
  "init without a terminal": {
    argv: ["init", "ROOT/hearth.yaml"],
    err: [
      "error: Cannot ask questions: this is not a terminal",
      "hint: hearth init ROOT/hearth.yaml --yes writes the defaults",
    ],
  },
};

for (
  const [what, { argv, files = {}, err, code = 2 }] of Object.entries(REFUSED)
) {
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
    assert.equal(outcome.code, code);
    assert.deepEqual(await workspace.names(), Object.keys(files));
  });
}
