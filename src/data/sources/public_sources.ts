/**
 * Data sets that have a name of their own: public ones, and the sample.
 *
 * Sizes are those of the files that training reads, as the hub lists them;
 * they are shown before a download, which goes by what the server says.
 *
 * @module
 */

/** A public data set, and where it is. */
export interface PublicSource {
  name: string;
  /** `hf:…` or `https://…`; of the sample, words. */
  from: string;
  /** Bytes to download: training and validation. */
  downloadBytes: number;
  /** Column with the text, of those that have columns. */
  column?: "text";
  /** Rows or bytes, by split. */
  splits: Record<string, string>;
  license: string;
  about: string;
  /** Of the only file, where it is known. */
  sha256?: string;
}

/** In the order in which they are shown. */
export const PUBLIC_SOURCES: readonly PublicSource[] = [
  {
    name: "sample",
    from: "made by this program",
    downloadBytes: 0,
    splits: { train: "8,185 stories, a part of them for validation" },
    license: "MIT",
    about: "stories from a grammar; needs no network",
  },
  {
    name: "wikitext-2",
    from: "hf:Salesforce/wikitext:wikitext-2-raw-v1",
    downloadBytes: 6_357_543 + 657_209,
    column: "text",
    splits: { train: "36,718 lines", validation: "3,760 lines" },
    license: "CC BY-SA 3.0",
    about: "good Wikipedia articles, 12 MB of text",
  },
  {
    name: "wikitext-103",
    from: "hf:Salesforce/wikitext:wikitext-103-raw-v1",
    downloadBytes: 156_987_808 + 157_088_770 + 657_209,
    column: "text",
    splits: { train: "1,801,350 lines", validation: "3,760 lines" },
    license: "CC BY-SA 3.0",
    about: "good Wikipedia articles, 548 MB of text",
  },
  {
    name: "tinystories",
    from: "hf:roneneldan/TinyStories",
    downloadBytes: 990_786_315 + 9_989_127,
    column: "text",
    splits: { train: "2,119,719 stories", validation: "21,990 stories" },
    license: "CDLA-Sharing 1.0",
    about: "stories in the words of small children",
  },
  {
    name: "tinyshakespeare",
    from: "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/" +
      "tinyshakespeare/input.txt",
    downloadBytes: 1_115_394,
    splits: { train: "1,115,394 characters" },
    license: "public domain",
    about: "scenes of Shakespeare's plays",
    sha256: "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
  },
];

/** The data set of that name, or undefined. */
export function findPublic(name: string): PublicSource | undefined {
  return PUBLIC_SOURCES.find((source) => source.name === name);
}

/** Repositories whose rows are the lines of WikiText. */
export function isWikitext(repo: string): boolean {
  return /^(Salesforce\/)?wikitext$/i.test(repo);
}
