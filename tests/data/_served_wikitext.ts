/** WikiText-2 as the hub serves it, from the real text or a small one. @module */

import { join } from "node:path";
import { parquetWriteBuffer } from "hyparquet-writer";
import { sampleStories } from "../../src/data/sample/sample.ts";
import type { ServedRepo } from "./_hub_server.ts";
import { wikitextFolder, wikitextRows } from "./_wikitext.ts";

/** Texts of both sides, as training should see them. */
export interface WikitextTexts {
  train: string;
  val: string;
}

/**
 * The real validation and test sets, as training and validation; null, with a
 * word on stderr, where they are not beside the checkout.
 */
export async function realTexts(): Promise<WikitextTexts | null> {
  const folder = wikitextFolder();
  if (folder === null) return null;
  const read = (name: string) => Deno.readTextFile(join(folder, name));
  return { train: await read("valid.txt"), val: await read("test.txt") };
}

/** Stories of the sample in the form of WikiText. */
export function smallTexts(): WikitextTexts {
  const stories = sampleStories();
  const articles = (count: number) =>
    Array.from({ length: count }, (_, i) => {
      const lines = stories.next().value!.replaceAll("\n", " \n ");
      return ` \n = Story ${i} = \n \n ${lines} \n`;
    }).join("");
  return { train: articles(120), val: articles(20) };
}

/** The repository Salesforce/wikitext with these texts. */
export function wikitextRepo(
  { train, val }: WikitextTexts,
): Record<string, ServedRepo> {
  const path = (split: string) =>
    `wikitext-2-raw-v1/${split}-00000-of-00001.parquet`;
  const config = (name: string) =>
    `- config_name: ${name}\n  data_files:\n` +
    ["test", "train", "validation"].map((split) =>
      `  - split: ${split}\n    path: ${name}/${split}-*\n`
    ).join("");
  return {
    "Salesforce/wikitext": {
      files: {
        ".gitattributes": "*.parquet filter=lfs\n",
        "README.md": "---\nlicense: cc-by-sa-3.0\nconfigs:\n" +
          config("wikitext-2-raw-v1") + config("wikitext-2-v1") + "---\n# Wiki",
        [path("test")]: rowsFile(" \n = Never read = \n \n".repeat(40)),
        [path("train")]: rowsFile(train),
        [path("validation")]: rowsFile(val),
        "wikitext-2-v1/train-00000-of-00001.parquet": rowsFile(val),
      },
    },
  };
}

/** A Parquet file with the lines of `text`, as the hub's are. */
export function rowsFile(text: string): Uint8Array<ArrayBuffer> {
  const data = wikitextRows(text);
  return new Uint8Array(parquetWriteBuffer({
    columnData: [{ name: "text", data, type: "STRING" }],
    rowGroupSize: 1000,
  }));
}
