import assert from "node:assert/strict";
import { join } from "node:path";
import { openDataset } from "../../src/data/open_dataset.ts";
import { listPrepared } from "../../src/data/tokens/prepared_tokens.ts";
import { filesBelow, options, TempDir, userError } from "./_helpers.ts";

const FOX = "The fox ran over the hill. ".repeat(40); // 1080 bytes
const OWL = "An owl sat in the old oak! ".repeat(20); // 540 bytes

Deno.test("openDataset() mixes sources by their weights", async () => {
  await using dir = new TempDir();
  const a = await dir.write("a.txt", FOX), b = await dir.write("b.txt", OWL);
  const settings = options(dir, [`${a}:1`, `${b}:3`], { batchSize: 4 });
  const { dataset, tokenizer } = await openDataset(settings);
  // 972 and 486 tokens to train on: 242 and 121 windows of 4.
  assert.equal(dataset.train.tokens, 972 + 486);
  assert.equal(dataset.train.windows, 242 + 121);
  for (let cursor = 0; cursor < 20; cursor++) {
    const { ids } = await dataset.train.at(cursor);
    let owls = 0;
    for (let row = 0; row < 4; row++) {
      const text = tokenizer.decode(ids.subarray(4 * row, 4 * row + 4));
      assert.ok(FOX.includes(text) || OWL.includes(text), text);
      if (!FOX.includes(text)) owls++;
    }
    // One pattern per batch; some windows are in both texts.
    assert.ok(owls <= 3, `${owls}`);
  }
  assert.deepEqual(
    dataset.val.map((
      { name, share, batches },
    ) => [name, share, batches.tokens]),
    [[a, 0.25, 109], [b, 0.75, 55]],
  );
  assert.deepEqual(
    dataset.identity.sources!.map((
      { name, side, weight, textBytes },
    ) => [name, side, weight, textBytes]),
    [[a, "train", 1, 1080], [b, "train", 3, 540]],
  );
  dataset.close();
});

Deno.test("openDataset() validates on each source, or on texts of their own", async () => {
  await using dir = new TempDir();
  const a = await dir.write("a.txt", FOX), b = await dir.write("b.txt", OWL);
  const short = await dir.write("c.txt", "Too short. ");
  const names = async (dataset: string[], valDataset?: string) => {
    const settings = options(dir, dataset, { valDataset });
    const opened = await openDataset(settings);
    opened.dataset.close();
    return opened.dataset.val.map(({ name, share }) => [name, share]);
  };
  // Without weights by tokens; what is too short for a window is left out.
  assert.deepEqual(await names([a, b, short]), [
    [a, 109 / 164],
    [b, 55 / 164],
  ]);
  assert.deepEqual(await names([`${a}:9`, `${b}:1`], b), [[b, 1]]);
});

Deno.test("openDataset() shares tokens between mixes", async () => {
  await using dir = new TempDir();
  const a = await dir.write("a.txt", FOX), b = await dir.write("b.txt", OWL);
  const reused = async (...dataset: string[]) => {
    const opened = await openDataset(options(dir, dataset));
    opened.dataset.close();
    return opened.reused;
  };
  assert.equal(await reused(`${a}:1`, `${b}:2`), false);
  assert.equal(await reused(`${b}:5`, `${a}:1`), true);
  assert.equal(await reused(a), true);
  const prepared = await listPrepared(join(dir.path, "data"));
  assert.deepEqual(
    prepared.map(({ header }) => header.source).sort(),
    [a, b],
  );
});

Deno.test("openDataset() keeps the sources that were done when it was stopped", async () => {
  await using dir = new TempDir();
  const a = await dir.write("a.txt", FOX), b = await dir.write("b.txt", OWL);
  const stop = new AbortController();
  const settings = options(dir, [a, b], { tokenizerType: "bpe" });
  const stopped = openDataset({
    ...settings,
    signal: stop.signal,
    onProgress: ({ phase, done }) => {
      if (phase === "tokenize" && done > FOX.length) stop.abort("stop");
    },
  });
  await assert.rejects(stopped, (reason) => reason === "stop");
  const [first, ...others] = await listPrepared(settings.dataDir);
  assert.deepEqual([first.header.source, others], [a, []]);

  const phases: string[] = [];
  let tokenized = 0;
  const opened = await openDataset({
    ...settings,
    onProgress: ({ phase, done }) => {
      phases.push(phase);
      if (phase === "tokenize") tokenized = done;
    },
  });
  opened.dataset.close();
  assert.ok(!phases.includes("tokenizer")); // it lies with the first source
  assert.equal(tokenized, OWL.length);
});

Deno.test("openDataset() says which source of a run changed, and how", async () => {
  await using dir = new TempDir();
  const a = await dir.write("a.txt", FOX), b = await dir.write("b.txt", OWL);
  const c = await dir.write("c.txt", OWL + FOX);
  const mix = [`${a}:1`, `${b}:3`];
  const { dataset, tokenizer } = await openDataset(options(dir, mix));
  dataset.close();
  const expect = dataset.identity, tokenizerJson = tokenizer.json;
  const before = await filesBelow(dir.path);
  const refusal = async (dataset: string[], more = {}) => {
    const settings = options(dir, dataset, { ...more, expect, tokenizerJson });
    const { message, exitCode } = await userError(() => openDataset(settings));
    assert.equal(exitCode, 2);
    return message.replace(/^Cannot continue with dataset ".*?": /, "");
  };
  assert.equal(
    await refusal([`${a}:1`, `${b}:2`]),
    "the weights changed from 1, 3 to 1, 2",
  );
  assert.equal(
    await refusal([a, b]),
    "the weights changed from 1, 3 to none, none",
  );
  assert.equal(
    await refusal([`${b}:1`, `${a}:3`]),
    "its sources come in another order",
  );
  assert.equal(
    await refusal([a]),
    `it was 2 sources, "${a}", "${b}", and is 1, "${a}"`,
  );
  assert.equal(
    await refusal([`${a}:1`, `${c}:3`]),
    `"${c}" has another text than "${b}" had`,
  );
  assert.equal(
    await refusal(mix, { valFraction: 0.2 }),
    "the split into training and validation changed",
  );
  await dir.write("b.txt", OWL + "Hoo! ");
  assert.equal(
    await refusal(mix),
    `the text of "${b}" changed, 540 B then, 545 B now`,
  );
  await dir.write("b.txt", OWL.replace("owl", "elk"));
  assert.equal(
    await refusal(mix),
    `the text of "${b}" changed, of the same size`,
  );
  assert.deepEqual(await filesBelow(dir.path), before);
});

Deno.test("openDataset() refuses mixes that cannot be", async () => {
  await using dir = new TempDir();
  const a = await dir.write("a.txt", FOX);
  const short = await dir.write("c.txt", "abc");
  const long = options(dir, [a, `${short}:0.5`]);
  const validated = options(dir, a, { valDataset: `${short}:2` });
  const errors = [
    await userError(() => openDataset(long)),
    await userError(() => openDataset(validated)),
  ];
  assert.deepEqual(errors.map(({ message, hint }) => [message, hint]), [
    [
      `Cannot mix "${short}": it has 2 tokens to train on, one sequence needs 5`,
      "give more text, leave it out, or use a smaller --seq-len",
    ],
    [
      `Cannot use weight 2 of validation text "${short}": it is read whole`,
      "weights belong to --dataset",
    ],
  ]);
  // The tokens of the long text are whole, and stay for the next mix.
  const prepared = await listPrepared(long.dataDir);
  assert.deepEqual(prepared.map(({ header }) => header.source), [a]);
});

Deno.test("openDataset() keeps a source too small by itself", async () => {
  await using dir = new TempDir();
  const large = await dir.write("large.txt", FOX);
  const small = await dir.write("small.txt", "tiny words");
  const open = async (dataset: string[]) => {
    const { dataset: opened, reused } = await openDataset(
      options(dir, dataset, { batchSize: 4, valFraction: 0.4 }),
    );
    opened.close();
    return reused;
  };
  await open([large]);
  // The rest is there already, or the same once more.
  assert.equal(await open([small, large]), false);
  assert.equal(await open([small, large]), true);
  const half = await dir.write("half.txt", FOX.slice(0, 15));
  assert.equal(await open([half, half, half]), false);
  assert.equal(await open([half, half, half]), true);
});
