/** Text to train on, in all its formats. @module */

import { Buffer } from "node:buffer";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { zipSync } from "fflate";
import { parquetWriteBuffer } from "hyparquet-writer";
import { UserError } from "../../src/base/errors.ts";
import { checkFile } from "../../src/data/text/documents.ts";
import { listFiles } from "../../src/data/sources/local_files.ts";
import { mutateBytes } from "./_mutate.ts";
import type { OpenTarget } from "./_targets.ts";

const STORY = "Once upon a time \u{1f98a}\r\n".repeat(20);
const encoder = new TextEncoder();

/** Damages `seeds` and reads what comes out under the names given. */
function reader(
  dir: string,
  seeds: readonly { name: string; bytes: Uint8Array }[],
): OpenTarget {
  const all = seeds.map(({ bytes }) => bytes);
  return {
    async feed(random) {
      const { name, bytes } = seeds[random.below(seeds.length)];
      const path = join(dir, name);
      await Deno.writeFile(path, mutateBytes(bytes, random, all));
      for (const file of await listFiles(path)) await checkFile(file, {});
    },
    mayThrow: (error) => error instanceof UserError,
  };
}

/** Plain text, gzip and zstd. */
export function openText(dir: string): Promise<OpenTarget> {
  const bytes = encoder.encode("\ufeff" + STORY);
  return Promise.resolve(reader(dir, [
    { name: "a.txt", bytes },
    { name: "a.txt.gz", bytes: new Uint8Array(gzipSync(bytes)) },
    { name: "a.txt.zst", bytes: new Uint8Array(zstdCompressSync(bytes)) },
  ]));
}

/** JSON Lines. */
export function openJsonLines(dir: string): Promise<OpenTarget> {
  const lines = ['{"text":"Once"}', '{"id":[1],"text":"a \\ud83e\\udd8a"}', ""];
  const bytes = encoder.encode(lines.join("\n"));
  return Promise.resolve(reader(dir, [{ name: "a.jsonl", bytes }]));
}

/** Archives. */
export function openZip(dir: string): Promise<OpenTarget> {
  const files = {
    "a.txt": encoder.encode(STORY),
    "b/c.md": encoder.encode("x"),
  };
  const seeds = [0, 9].map((level) => ({
    name: "a.zip",
    bytes: zipSync(files, { level: level as 0 | 9 }),
  }));
  return Promise.resolve(reader(dir, seeds));
}

/** Parquet, in the codecs that there are writers for. */
export function openParquet(dir: string): Promise<OpenTarget> {
  const data = ["one", "two", "three three three", "", "one"];
  const compressors = {
    GZIP: (bytes: Uint8Array) => new Uint8Array(gzipSync(bytes)),
    ZSTD: (bytes: Uint8Array) =>
      new Uint8Array(zstdCompressSync(Buffer.from(bytes))),
  };
  const seeds = (["UNCOMPRESSED", "SNAPPY", "GZIP", "ZSTD"] as const)
    .map((codec) => ({
      name: "a.parquet",
      bytes: new Uint8Array(parquetWriteBuffer({
        columnData: [{ name: "id", data: [1, 2, 3, 4, 5] }, {
          name: "text",
          data,
        }],
        codec,
        compressors,
        rowGroupSize: 3,
      })),
    }));
  return Promise.resolve(reader(dir, seeds));
}
