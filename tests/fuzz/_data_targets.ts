/** Text to train on, in all its formats. @module */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { zipSync } from "fflate";
import { parquetWriteBuffer } from "hyparquet-writer";
import { UserError } from "../../src/base/errors.ts";
import { configSchema } from "../../src/config/schema.ts";
import { openDataset } from "../../src/data/open_dataset.ts";
import { listFiles } from "../../src/data/sources/local_files.ts";
import { checkFile } from "../../src/data/text/documents.ts";
import { findDamage } from "../../src/data/tokens/prepared_damage.ts";
import {
  preparedPaths,
  readPrepared,
} from "../../src/data/tokens/prepared_tokens.ts";
import { openBatches } from "../../src/data/batches/open_batches.ts";
import { mutateBytes, mutateJson } from "./_mutate.ts";
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
  const full = ["one", "two", "three three three", "", "one"];
  const compressors = {
    GZIP: (bytes: Uint8Array) => new Uint8Array(gzipSync(bytes)),
    ZSTD: (bytes: Uint8Array) =>
      new Uint8Array(zstdCompressSync(Buffer.from(bytes))),
  };
  const gaps = ["one", null, "three three three", null, "one"];
  const seeds = (["UNCOMPRESSED", "SNAPPY", "GZIP", "ZSTD"] as const)
    .flatMap((codec) => [full, gaps].map((data) => ({ codec, data })))
    .map(({ codec, data }) => ({
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

/** A line for each of a few windows. */
const LINES = "Once upon a time there was a fox.\n".repeat(9);
const SIDES = { train: "train.bin", val: "val.bin" } as const;

/** Prepared tokens, as a run opens and reads them. */
export async function openTokens(dir: string): Promise<OpenTarget> {
  const text = join(dir, "a.txt");
  await Deno.writeTextFile(text, LINES);
  const shape = { seqLen: 8, batchSize: 2, seed: 1 };
  const { dataset, prepared: [{ directory }], tokenizer } = await openDataset({
    ...{ ...shape, dataDir: dir, threads: 1 },
    data:
      configSchema.parse({ data: { dataset: text, valFraction: 0.3 } }).data,
    tokenizer: configSchema.parse({ tokenizer: { type: "byte" } }).tokenizer,
  });
  dataset.close();
  const { identity } = dataset, { vocabSize } = tokenizer;
  const paths = preparedPaths(directory);
  const json = await Deno.readTextFile(paths.header);
  const sides = {
    train: await Deno.readFile(paths.train),
    val: await Deno.readFile(paths.val),
  };
  return {
    async feed(random) {
      const side = random.below(2) === 0 ? "train" : "val";
      const header = JSON.parse(json);
      const bytes = random.below(3) === 0
        ? sides[side]
        : mutateBytes(sides[side], random, Object.values(sides));
      await Deno.writeFile(join(directory, SIDES[side]), bytes);
      if (random.below(4) > 0) {
        header[side].sha256 = createHash("sha256").update(bytes).digest("hex");
      }
      if (random.below(2) === 0) header[side].tokens = bytes.length >> 1;
      const text = JSON.stringify(header);
      await Deno.writeTextFile(
        paths.header,
        random.below(3) === 0 ? mutateJson(text, random) : text,
      );
      try {
        const prepared = await readPrepared(directory);
        if (prepared === null) throw new Refused();
        const damage = await findDamage(prepared, { vocabSize });
        if (damage !== null) throw new Refused();
        const all = [prepared];
        const opened = openBatches(
          { train: all, val: all },
          { ...shape, weights: null, identity, vocabSize },
        );
        try {
          const val = opened.val.map(({ batches }) => batches);
          for (const batches of [opened.train, ...val]) {
            const count = Math.ceil(batches.batchesPerEpoch);
            for (let i = 0; i < count; i++) {
              const { ids } = await batches.at(i);
              const wrong = ids.find((id) => id >= vocabSize);
              if (wrong !== undefined) throw new Error(`there is id ${wrong}`);
            }
          }
        } finally {
          opened.close();
        }
      } finally {
        await Deno.writeFile(join(directory, SIDES[side]), sides[side]);
      }
    },
    mayThrow: (error) => error instanceof Refused,
  };
}

/** It would be prepared again. */
class Refused extends Error {}
