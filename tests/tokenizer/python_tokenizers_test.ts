import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { loadTokenizer } from "../../src/tokenizer/load.ts";
import { trainBpe } from "../../src/tokenizer/train_bpe.ts";
import { fc } from "../_property.ts";
import { anyText } from "./_helpers.ts";

const PYTHON = Deno.env.get("HEARTH_PYTHON") || "python3";
const SCRIPT = new URL("../../bench/peers/hf_tokenizers.py", import.meta.url);
const WIKITEXT = new URL(
  "../../../shared/data/wikitext-2/",
  import.meta.url,
);
const VOCAB_SIZE = 4096;
const STRINGS = 20_000;

async function python(...args: string[]): Promise<string | null> {
  try {
    const command = new Deno.Command(PYTHON, { args, stderr: "null" });
    const { success, stdout } = await command.output();
    return success ? new TextDecoder().decode(stdout) : null;
  } catch {
    return null; // there is no such program
  }
}

async function wikitext(): Promise<string | null> {
  try {
    const read = (name: string) => Deno.readTextFile(new URL(name, WIKITEXT));
    return await read("valid.txt") + await read("test.txt");
  } catch {
    return null;
  }
}

const text = await wikitext();
const version = text &&
  await python(
    "-c",
    "import tokenizers; print(tokenizers.__version__, end='')",
  );
const found = text === null
  ? "skipped, no ../shared/data/wikitext-2"
  : version === null
  ? `skipped, ${PYTHON} has no tokenizers; set HEARTH_PYTHON`
  : `tokenizers ${version}`;

Deno.test({
  name: `vocabulary, merges and ids are those of Python (${found})`,
  ignore: version === null,
  async fn(t) {
    const dir = await Deno.makeTempDir();
    const path = (name: string) => join(dir, name);
    const job = async (job: object) => {
      const said = await python(SCRIPT.pathname, JSON.stringify(job));
      assert.ok(said !== null, "Python failed");
    };
    const idsOf = async (name: string) =>
      new Uint32Array((await Deno.readFile(path(name))).buffer);
    try {
      await Deno.writeTextFile(path("text"), text!);
      const lines = text!.match(/[^\n]*\n|[^\n]+$/g)!;
      const settings = { vocabSize: VOCAB_SIZE, minFrequency: 2 };
      const ours = await trainBpe(lines, settings);
      const tokenizer = await loadTokenizer(ours);

      await t.step("training on 2.4 MB of WikiText", async () => {
        const files = { text: path("text"), out: path("python.json") };
        await job({ do: "train", ...settings, ...files });
        const theirs = await Deno.readTextFile(path("python.json"));
        assert.deepEqual(
          Object.entries(JSON.parse(ours).model.vocab),
          Object.entries(JSON.parse(theirs).model.vocab),
        );
        assert.deepEqual(
          JSON.parse(ours).model.merges,
          JSON.parse(theirs).model.merges,
        );
      });

      await t.step("ids of all of it", async () => {
        await job({
          do: "encode",
          tokenizer: path("python.json"),
          text: path("text"),
          out: path("ids"),
          lines: false,
          times: 1,
        });
        const ids = tokenizer.encode(text!);
        const theirs = await idsOf("ids");
        assert.ok(Buffer.from(ids.buffer).equals(Buffer.from(theirs.buffer)));
      });

      await t.step(`ids of ${STRINGS} random Unicode strings`, async () => {
        const strings = fc.sample(anyText, STRINGS);
        await Deno.writeTextFile(path("strings"), JSON.stringify(strings));
        await job({
          do: "strings",
          tokenizer: path("python.json"),
          strings: path("strings"),
          out: path("ids"),
        });
        const theirs = await idsOf("ids");
        let at = 0;
        for (const string of strings) {
          const end = theirs.indexOf(2 ** 32 - 1, at);
          const expected = theirs.subarray(at, end);
          assert.deepEqual(tokenizer.encode(string), expected, string);
          assert.equal(
            tokenizer.decode(expected),
            string.replaceAll("<|endoftext|>", ""),
          );
          at = end + 1;
        }
        assert.equal(at, theirs.length);
      });
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  },
});
