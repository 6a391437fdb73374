import assert from "node:assert/strict";
import { join, relative } from "node:path";
import {
  resolveSources,
  type SourceSetting,
} from "../../../src/data/sources/resolve_sources.ts";
import { TempDir, userError } from "../_helpers.ts";

/** Nothing is downloaded here. */
const LOCAL = { dataDir: "" };

Deno.test("resolveSources() lists a folder's text files by path", async () => {
  await using dir = new TempDir();
  const names = [
    "b.txt",
    "a/z.md",
    "a/b/c.jsonl",
    "a.txt",
    "B.TXT",
    "x.txt.gz",
    "y.jsonl.zst",
  ];
  const others = ["image.png", ".hidden.txt", ".git/notes.txt", "run.py"];
  for (const name of [...names, ...others]) await dir.write(name, "text");
  const files = await filesOf(dir.path);
  assert.deepEqual(files.map(({ path }) => slashes(relative(dir.path, path))), [
    "B.TXT",
    "a.txt",
    "a/b/c.jsonl",
    "a/z.md",
    "b.txt",
    "x.txt.gz",
    "y.jsonl.zst",
  ]);
  assert.deepEqual(
    files.map(({ format, compression }) => `${format} ${compression}`),
    [
      "text none",
      "text none",
      "jsonl none",
      "text none",
      "text none",
      "text gzip",
      "jsonl zstd",
    ],
  );
  assert.equal(files[0].sizeBytes, 4);
});

Deno.test("resolveSources() follows linked files, not linked folders", async () => {
  await using dir = new TempDir();
  await dir.write("real/a.txt", "text");
  await Deno.symlink(join(dir.path, "real"), join(dir.path, "real/again"));
  await Deno.symlink(
    join(dir.path, "real/a.txt"),
    join(dir.path, "link.txt"),
  );
  await Deno.symlink(join(dir.path, "gone"), join(dir.path, "broken.txt"));
  assert.deepEqual(
    (await filesOf(dir.path)).map(({ path }) => relative(dir.path, path)),
    ["link.txt", join("real", "a.txt")],
  );
});

Deno.test("resolveSources() takes all files that match a glob", async () => {
  await using dir = new TempDir();
  for (const name of ["b.log", "a.log", "c/d.log", "e.txt", "[x].log"]) {
    await dir.write(name, "text");
  }
  const found = async (pattern: string) =>
    (await filesOf(join(dir.path, pattern)))
      .map(({ path }) => slashes(relative(dir.path, path)));
  assert.deepEqual(await found("*.log"), ["[x].log", "a.log", "b.log"]);
  assert.deepEqual(await found("**/*.log"), [
    "[x].log",
    "a.log",
    "b.log",
    "c/d.log",
  ]);
  assert.deepEqual(await found("{a,e}.*"), ["a.log", "e.txt"]);
  // a file that is there is meant, whatever its name looks like
  assert.deepEqual(await found("[x].log"), ["[x].log"]);
});

Deno.test("resolveSources() keeps the order of a list", async () => {
  await using dir = new TempDir();
  const b = await dir.write("b.txt", "b"), a = await dir.write("a.txt", "a");
  const sources = await resolveSources([
    b,
    "sample",
    { source: a, weight: 1 },
  ], LOCAL);
  assert.deepEqual(
    sources.map(({ kind, name }) => `${kind} ${name}`),
    [`files ${b}`, "sample sample", `files ${a}`],
  );
});

Deno.test("resolveSources() says in one line what cannot be used", async () => {
  await using dir = new TempDir();
  const file = await dir.write("a.txt", "text");
  const arrow = await dir.write("a.arrow", "ARROW1");
  const empty = join(dir.path, "empty");
  await Deno.mkdir(empty);
  const check =
    "check the path; a dataset is sample, a file, a folder, a quoted " +
    'glob such as "texts/*.txt", or one that hearth data list shows';
  const missing = join(dir.path, "missing.txt");
  const glob = join(dir.path, "*.md");
  const cases: [SourceSetting, string, string][] = [
    [
      missing,
      `Cannot read dataset "${missing}": no such file or folder`,
      check,
    ],
    [
      `${file}/x`,
      `Cannot read dataset "${file}/x": no such file or folder`,
      check,
    ],
    [
      "hf:a/b/c",
      'Cannot use dataset "hf:a/b/c": expected ' +
      "hf:OWNER/NAME[:CONFIG][:COLUMN][@REVISION]",
      "write it such as hf:roneneldan/TinyStories",
    ],
    [
      "s3://bucket/a.txt",
      'Cannot use dataset "s3://bucket/a.txt": addresses begin with https:// ' +
      "or hf:",
      "download it and give the path of the file",
    ],
    [
      "https://",
      'Cannot use dataset "https://": it is no address',
      "write it such as https://example.org/poems.txt",
    ],
    [
      "https://example.org/a.tar.gz",
      'Cannot use "https://example.org/a.tar.gz" as text: .tar files cannot ' +
      "be read",
      "turn it into .txt, .md, .jsonl, .parquet, plain or with .gz or .zst",
    ],
    [
      empty,
      `Cannot use folder "${empty}": it has no .txt, .md, .jsonl, .parquet ` +
      "or .zip file",
      "text may also be .gz or .zst; for other names give a quoted glob " +
      'such as "texts/*.log"',
    ],
    [
      glob,
      `Cannot use dataset "${glob}": no file matches`,
      "check the pattern; ** stands for any folders, and it must be quoted " +
      "from the shell",
    ],
    [
      arrow,
      `Cannot use "${arrow}" as text: .arrow files cannot be read`,
      "turn it into .txt, .md, .jsonl, .parquet, plain or with .gz or .zst",
    ],
    [
      "a\0b",
      'Cannot read dataset "a\0b": not a valid path',
      "check the path after --dataset",
    ],
  ];
  for (const [setting, message, hint] of cases) {
    const error = await userError(() => resolveSources(setting, LOCAL));
    assert.equal(error.message, message);
    assert.equal(error.hint, hint);
    assert.equal(error.exitCode, 2);
  }
});

Deno.test({
  name: "resolveSources() refuses what can be read only once",
  ignore: Deno.build.os === "windows",
  async fn() {
    const error = await userError(() => resolveSources("/dev/null", LOCAL));
    assert.equal(
      error.message,
      'Cannot read dataset "/dev/null": it is not a regular file',
    );
  },
});

async function filesOf(name: string) {
  const [source] = await resolveSources(name, LOCAL);
  assert.equal(source.kind, "files");
  return source.kind === "files" ? source.files : [];
}

function slashes(path: string): string {
  return path.replaceAll("\\", "/");
}
