import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import {
  openDataset,
  type OpenDatasetOptions,
} from "../../src/data/open_dataset.ts";
import {
  cleanPrepared,
  preparedPaths,
} from "../../src/data/tokens/prepared_tokens.ts";
import { TokenFile } from "../../src/data/tokens/token_file.ts";
import {
  filesBelow,
  openAndClose,
  options,
  TempDir,
  userError,
} from "./_helpers.ts";

const END = 256; // end-of-text of the byte tokenizer
const text = "The fox and the owl went to the old mill.\n".repeat(20);

Deno.test("openDataset() gives batches of the text's tokens", async () => {
  await using dir = new TempDir();
  const path = await dir.write("a.txt", "abcdefghij".repeat(10));
  const settings = options(dir, path, { valFraction: 0.2 });
  const { dataset, tokenizer, prepared } = await openDataset(settings);
  const [val] = dataset.val;
  const bytes = (text: string) => [...new TextEncoder().encode(text)];
  assert.equal(dataset.train.tokens, 80);
  assert.equal(val.batches.tokens, 21); // end-of-text too
  assert.equal(val.bytesPerToken, 20 / 21);
  assert.deepEqual([val.name, val.share], [path, 1]);
  assert.equal(dataset.train.windows, 19);
  assert.equal(dataset.train.batchesPerEpoch, 9.5);
  assert.equal(val.batches.batchesPerEpoch, 3);
  const { ids, targets } = await val.batches.at(0);
  assert.deepEqual([...ids], bytes("abcdefgh"));
  assert.deepEqual([...targets], bytes("bcdefghi"));
  const last = await val.batches.at(2);
  assert.deepEqual(
    [...last.ids],
    [...bytes("ghij"), 0, 0, 0, 0].slice(0, 8),
  );
  assert.equal(last.targets[3], END);
  assert.equal(tokenizer.decode(ids), "abcdefgh");
  assert.equal(prepared[0].header.dtype, "u16");
  dataset.close();
});

Deno.test("openDataset() ends every whole document with end-of-text", async () => {
  await using dir = new TempDir();
  const train = await dir.write(
    "t.jsonl",
    '{"text": "one"}\n{"text": "two"}\n{"text": "three"}\n',
  );
  const val = await dir.write("v.txt", "validate");
  const ids = await prepare(options(dir, train, { valDataset: val }));
  const bytes = (text: string) => [...new TextEncoder().encode(text)];
  assert.deepEqual(
    ids.train,
    ["one", "two", "three"].flatMap((text) => [...bytes(text), END]),
  );
  assert.deepEqual(ids.val, [...bytes("validate"), END]);
});

Deno.test("openDataset() sets blank lines where there is no end-of-text", async () => {
  await using dir = new TempDir();
  const train = await dir.write(
    "t.jsonl",
    '{"text": "abba"}\n{"text": "baab"}',
  );
  const val = await dir.write("v.txt", "abab\n");
  const { train: ids } = await prepare(
    options(dir, train, { valDataset: val, tokenizerType: "char" }),
  );
  // "\n" is 0, a is 1, b is 2; no blank line at the end
  assert.deepEqual(ids, [1, 2, 2, 1, 0, 0, 2, 1, 1, 2]);
});

Deno.test("openDataset() cuts one char text exactly as nanoGPT does", async () => {
  await using dir = new TempDir();
  const path = await dir.write("a.txt", "ab".repeat(557) + "c"); // 1115
  const ids = await prepare(options(dir, path, { tokenizerType: "char" }));
  assert.equal(ids.train.length, 1003); // int(1115 * 0.9)
  assert.equal(ids.val.length, 112);
});

Deno.test("openDataset() leaves nothing behind when it is stopped", async () => {
  await using dir = new TempDir();
  const path = await dir.write("a.txt", text.repeat(2000)); // 1.7 MB
  for (const phase of ["read", "tokenizer", "tokenize"]) {
    const controller = new AbortController();
    const reason = new Error(`stopped in ${phase}`);
    const settings = options(dir, path, {
      tokenizerType: "bpe",
      signal: controller.signal,
      onProgress: (progress) => {
        if (progress.phase === phase) controller.abort(reason);
      },
    });
    await assert.rejects(() => openDataset(settings), reason);
    assert.deepEqual(
      (await Array.fromAsync(Deno.readDir(dir.path))).map(({ name }) => name),
      ["a.txt"],
    );
  }
});

Deno.test("openDataset() goes on with a run's own tokenizer and data", async () => {
  await using dir = new TempDir();
  const path = await dir.write("a.txt", text);
  const settings = options(dir, path, { tokenizerType: "bpe" });
  const { dataset, tokenizer } = await openDataset(settings);
  const expected = await dataset.train.at(11);
  dataset.close();

  await cleanPrepared(settings.dataDir);
  const phases = new Set<string>();
  const resumed = await openDataset({
    ...settings,
    tokenizerJson: tokenizer.json,
    expect: dataset.identity,
    onProgress: ({ phase }) => phases.add(phase),
  });
  assert.deepEqual([...phases], ["read", "tokenize"]); // nothing is trained
  assert.deepEqual(resumed.dataset.identity, dataset.identity);
  assert.deepEqual(await resumed.dataset.train.at(11), expected);
  resumed.dataset.close();
  // and a new run finds what the resumed one prepared
  assert.equal((await openAndClose(settings)).reused, true);
});

Deno.test("openDataset() says what changed since a run began", async () => {
  await using dir = new TempDir();
  const path = await dir.write("a.txt", text);
  const settings = options(dir, path, { tokenizerType: "bpe" });
  const { dataset, tokenizer } = await openDataset(settings);
  dataset.close();
  const other = options(dir, path, { tokenizerType: "char" });
  const char = await openDataset(other);
  char.dataset.close();
  const changed = await dir.write("b.txt", text.replace("fox", "cat"));
  const run = {
    tokenizerJson: tokenizer.json,
    expect: dataset.identity,
  };
  const before = await filesBelow(settings.dataDir);
  const cases: [OpenDatasetOptions, string][] = [
    [
      { ...options(dir, changed), ...run },
      `"${changed}": its text is not that of "${path}"`,
    ],
    [
      { ...options(dir, path, { valFraction: 0.2 }), ...run },
      `"${path}": the split into training and validation changed`,
    ],
    [
      { ...settings, ...run, tokenizerJson: char.tokenizer.json },
      `"${path}": the tokenizer changed`,
    ],
    [
      { ...other, expect: run.expect },
      `"${path}": the tokenizer changed`,
    ],
  ];
  for (const [settings, what] of cases) {
    const error = await userError(() => openDataset(settings));
    assert.equal(error.message, `Cannot continue with dataset ${what}`);
    assert.equal(
      error.hint,
      "bring back the data the run began with, or start a new run with " +
        "hearth train",
    );
    assert.equal(error.exitCode, 2);
  }
  assert.deepEqual(await filesBelow(settings.dataDir), before);
});

Deno.test("openDataset() refuses text that is too short, writing nothing", async () => {
  await using dir = new TempDir();
  const tiny = await dir.write("tiny.txt", "ten bytes.");
  const short = await dir.write("short.txt", "x".repeat(100));
  const long = await dir.write("long.txt", "x".repeat(500));
  const shape = { seqLen: 32, batchSize: 4 };
  const cases: [OpenDatasetOptions, string, string][] = [
    [
      options(dir, tiny, shape),
      `Cannot make one batch from "${tiny}": it has 10 bytes of text, a ` +
      "batch needs 129 tokens",
      "give more text, or use --dataset sample",
    ],
    [
      options(dir, short, shape),
      `Cannot make one batch from "${short}": its training part has 90 ` +
      "tokens, a batch needs 129",
      "give more text, or use --batch-size 2",
    ],
    [
      options(dir, short, { seqLen: 99, batchSize: 1, valDataset: long }),
      "",
      "",
    ],
    [
      options(dir, short, { seqLen: 101, batchSize: 1, valDataset: long }),
      `Cannot make one batch from "${short}": it has 101 tokens, a batch ` +
      "needs 102",
      "give more text, or use a smaller --seq-len and --batch-size",
    ],
    [
      options(dir, long, { seqLen: 64, batchSize: 1 }),
      `Cannot validate on "${long}": its validation part has 51 tokens, one ` +
      "sequence needs 65",
      "give more text, a larger --val-fraction or a --val-dataset",
    ],
    [
      options(dir, long, { seqLen: 128, batchSize: 1, valDataset: short }),
      `Cannot validate on "${short}": it has 101 tokens, one sequence needs ` +
      "129",
      "give more text, or use a smaller --seq-len",
    ],
  ];
  for (const [settings, message, hint] of cases) {
    if (message === "") {
      // the longest window that fits: 100 bytes and end-of-text
      await openAndClose(settings);
      await Deno.remove(settings.dataDir, { recursive: true });
      continue;
    }
    const error = await userError(() => openDataset(settings));
    assert.equal(error.message, message);
    assert.equal(error.hint, hint);
    assert.equal(error.exitCode, 2);
    assert.deepEqual(await filesBelow(settings.dataDir), []);
    await assert.rejects(() => Deno.stat(settings.dataDir));
  }
});

Deno.test("openDataset() refuses a binary file, writing nothing", async () => {
  await using dir = new TempDir();
  const path = await dir.write("a.txt", Uint8Array.of(104, 105, 0, 1));
  const settings = options(dir, path);
  const error = await userError(() => openDataset(settings));
  assert.equal(
    error.message,
    `Cannot use "${path}" as text: NUL byte at offset 2`,
  );
  await assert.rejects(() => Deno.stat(settings.dataDir));
});

Deno.test("openDataset() joins folders of all kinds of files", async () => {
  await using dir = new TempDir();
  await dir.write("texts/1.txt", "\ufeffone\r\n");
  await dir.write("texts/2.jsonl", '{"text": "two"}\n{"text": "three"}');
  await dir.write("texts/3.md.gz", gzipSync("# four"));
  const val = await dir.write("val.txt", "five five");
  const ids = await prepare(
    options(dir, join(dir.path, "texts"), { valDataset: val }),
  );
  assert.deepEqual(
    ids.train,
    ["one\r\n", "two", "three", "# four"].flatMap((text) => [
      ...new TextEncoder().encode(text),
      END,
    ]),
  );
});

Deno.test("openDataset() says when validation text is training text", async () => {
  await using dir = new TempDir();
  const path = await dir.write("a.txt", text);
  const notices: string[] = [];
  await openAndClose(options(dir, path, {
    valDataset: path,
    onNotice: (message) => notices.push(message),
  }));
  assert.deepEqual(notices, [
    `"${path}" is both training and validation text: valLoss will not tell ` +
    "how the model does on new text",
  ]);
});

Deno.test("openDataset() counts characters that training text lacks", async () => {
  await using dir = new TempDir();
  const path = await dir.write(
    "a.txt",
    "ab ".repeat(30) + "xyz" + "ab".repeat(3),
  );
  const notices: string[] = [];
  await openAndClose(options(dir, path, {
    tokenizerType: "char",
    onNotice: (message) => notices.push(message),
  }));
  assert.deepEqual(notices, [
    "3 characters of the text are not in the tokenizer's vocabulary and were " +
    "replaced",
  ]);
});

Deno.test("openDataset() encodes a file in pieces as it would in whole", async () => {
  await using dir = new TempDir();
  const words = ["fire", " ash", "\n\n", "  ", "don't ", "caf\u00e9,", "42 "];
  let long = "";
  for (let i = 0; long.length < 1_500_000; i++) long += words[i * i % 31 % 7];
  const path = await dir.write("long.txt", long);
  const settings = options(dir, path, { tokenizerType: "bpe" });
  const { dataset, tokenizer, prepared } = await openDataset(settings);
  dataset.close();
  const bytes = new TextEncoder().encode(long);
  const cut = Math.floor(bytes.length * 0.9);
  const head = new TextDecoder().decode(bytes.subarray(0, cut));
  const expected = tokenizer.encode(head.replace(/\ufffd$/, "\u00e9"));
  const [{ directory, header }] = prepared;
  const file = new TokenFile(preparedPaths(directory).train, {
    dtype: "u16",
    tokens: header.train.tokens,
  });
  const ids = file.read(0, file.tokens);
  file.close();
  assert.ok(Buffer.from(ids.buffer).equals(Buffer.from(expected.buffer)));
});

/** All ids of both sides, source by source. */
async function prepare(settings: OpenDatasetOptions) {
  const small = { ...settings, seqLen: 1, batchSize: 1 };
  const { dataset, prepared } = await openDataset(small);
  dataset.close();
  const ids = { train: [] as number[], val: [] as number[] };
  for (const { directory, header } of prepared) {
    for (const side of ["train", "val"] as const) {
      const { tokens } = header[side];
      const path = preparedPaths(directory)[side];
      const file = new TokenFile(path, { tokens, dtype: header.dtype });
      ids[side].push(...file.read(0, tokens));
      file.close();
    }
  }
  return ids;
}
