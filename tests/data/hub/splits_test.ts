import assert from "node:assert/strict";
import { parseHubName } from "../../../src/data/hub/hub_name.ts";
import { chooseFiles } from "../../../src/data/hub/splits.ts";
import { userError } from "../_helpers.ts";

Deno.test("parseHubName() reads repository, config, column and revision", () => {
  const cases: [string, object | null][] = [
    ["hf:o/n", { repo: "o/n", revision: "main" }],
    ["hf:squad", { repo: "squad", revision: "main" }],
    ["hf:o/n:c", { repo: "o/n", config: "c", revision: "main" }],
    ["hf:o/n:c:t", {
      repo: "o/n",
      config: "c",
      column: "t",
      revision: "main",
    }],
    ["hf:o/n::t", { repo: "o/n", column: "t", revision: "main" }],
    ["hf:o/n:c@refs/pr/1", {
      repo: "o/n",
      config: "c",
      revision: "refs/pr/1",
    }],
    ["hf://datasets/o/n@v1", { repo: "o/n", revision: "v1" }],
    ["https://huggingface.co/datasets/o/n", { repo: "o/n", revision: "main" }],
    ["https://huggingface.co/datasets/o/n/resolve/main/a.txt", null],
    ["o/n", null],
    ["./hf:o/n", null],
  ];
  for (const [name, expected] of cases) {
    assert.deepEqual(parseHubName(name), expected && { name, ...expected });
  }
});

Deno.test("parseHubName() refuses half a name", async () => {
  for (const name of ["hf:", "hf:o/", "hf:o/n@", "hf:a/b/c", "hf:o/n:a:b:c"]) {
    const error = await userError(() => parseHubName(name));
    assert.match(error.message, /: expected hf:OWNER\/NAME\[:CONFIG\]/);
    assert.equal(error.exitCode, 2);
  }
});

Deno.test("chooseFiles() goes by the head of README.md", () => {
  const paths = ["en/a-1.parquet", "en/a-2.parquet", "en/b.parquet", "x.jsonl"];
  const card = `---
configs:
- config_name: en
  default: true
  data_files:
  - split: train
    path: en/a-*
  - split: validation
    path: [en/b.parquet]
- config_name: lines
  data_files: "*.jsonl"
- config_name: below
  data_dir: en
  data_files:
  - split: train
    path: b*
---
# Words`;
  const choose = (name: string) => chosen(paths, name, card);
  const english = { train: paths.slice(0, 2), val: [paths[2]] };
  assert.deepEqual(choose("hf:o/n"), english);
  assert.deepEqual(choose("hf:o/n:en"), english);
  assert.deepEqual(choose("hf:o/n:body"), { ...english, column: "body" });
  assert.deepEqual(choose("hf:o/n:lines:story"), {
    train: ["x.jsonl"],
    val: [],
    column: "story",
  });
  assert.deepEqual(choose("hf:o/n:below"), {
    train: ["en/b.parquet"],
    val: [],
  });
});

Deno.test("chooseFiles() goes by names where there is no head", () => {
  const cases: [string, string[], { train: string[]; val: string[] }][] = [
    [ // as of roneneldan/TinyStories
      "hf:o/n",
      [
        ".gitattributes",
        "README.md",
        "TinyStories-train.txt",
        "TinyStories-valid.txt",
        "data/train-00000-of-00002-2d5a.parquet",
        "data/train-00001-of-00002-5852.parquet",
        "data/validation-00000-of-00001-869c.parquet",
      ],
      {
        train: [
          "data/train-00000-of-00002-2d5a.parquet",
          "data/train-00001-of-00002-5852.parquet",
        ],
        val: ["data/validation-00000-of-00001-869c.parquet"],
      },
    ],
    [
      "hf:o/n",
      ["test/1.jsonl", "train/1.jsonl", "train/2.jsonl", "valid/1.jsonl"],
      { train: ["train/1.jsonl", "train/2.jsonl"], val: ["valid/1.jsonl"] },
    ],
    [
      "hf:o/n",
      ["my-train.txt", "my_dev.txt", "my test.txt", "LICENSE"],
      { train: ["my-train.txt"], val: ["my_dev.txt"] },
    ],
    ["hf:o/n", ["b.md", "a.txt.gz", "README.md"], {
      train: ["a.txt.gz", "b.md"],
      val: [],
    }],
    ["hf:o/n", ["a.json", "dataset_infos.json"], {
      train: ["a.json"],
      val: [],
    }],
    [
      "hf:o/n:b",
      ["a/train-00000-of-00001.parquet", "b/train-00000-of-00001.parquet"],
      { train: ["b/train-00000-of-00001.parquet"], val: [] },
    ],
    [ // as the hub converts the data of scripts
      "hf:o/n",
      ["plain/partial-train/0000.parquet", "plain/test/0000.parquet"],
      { train: ["plain/partial-train/0000.parquet"], val: [] },
    ],
  ];
  for (const [name, paths, expected] of cases) {
    assert.deepEqual(chosen(paths, name), expected);
  }
});

Deno.test("chooseFiles() does not guess", async () => {
  const two = [
    "a/train-00000-of-00001.parquet",
    "b/train-00000-of-00001.parquet",
  ];
  assert.equal(
    (await userError(() => chosen(two, "hf:o/n"))).message,
    'Cannot tell which part of "hf:o/n" is meant: it has a, b',
  );
  assert.equal(
    (await userError(() => chosen(["valid.txt"], "hf:o/n"))).message,
    'Cannot use dataset "hf:o/n": it has no files for training',
  );
  assert.equal(
    (await userError(() => chosen(["a.bin"], "hf:o/n"))).message,
    'Cannot use dataset "hf:o/n": it has no files that can be read',
  );
});

function chosen(paths: string[], name: string, card: string | null = null) {
  const { train, val, ...rest } = chooseFiles({
    version: 1,
    repo: "o/n",
    revision: "main",
    endpoint: "https://huggingface.co",
    listedAtMs: 0,
    files: paths.map((path) => ({ path, sizeBytes: 1 })),
    card,
  }, parseHubName(name)!);
  const names = (files: { path: string }[]) => files.map(({ path }) => path);
  return { train: names(train), val: names(val), ...rest };
}

Deno.test("chooseFiles() takes words that every object has for words", () => {
  for (const path of ["constructor.txt", "toString/a.txt", "valueOf.jsonl"]) {
    const { train, val } = chooseFiles({
      ...{ version: 1, repo: "o/n", revision: "main", endpoint: "" },
      ...{ listedAtMs: 0, card: null, files: [{ path, sizeBytes: 1 }] },
    }, { name: "hf:o/n", repo: "o/n", revision: "main" });
    assert.deepEqual([train.map(({ path }) => path), val], [[path], []]);
  }
});
