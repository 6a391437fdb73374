import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { PhiloxStream, STREAM } from "../../../src/base/philox.ts";
import { readPassages } from "../../../src/data/corpus.ts";
import { drawCast } from "../../../src/data/sample/cast.ts";
import { PLOTS } from "../../../src/data/sample/plots/mod.ts";
import {
  SAMPLE_BYTES,
  SAMPLE_VERSION,
  sampleStories,
  tellStory,
} from "../../../src/data/sample/sample.ts";

const stories = [...sampleStories()];
const text = stories.join("\n\n");

Deno.test("sampleStories() is the same text everywhere", () => {
  const sha256 = (text: string) =>
    createHash("sha256").update(text).digest("hex");
  // After a change of the stories: count SAMPLE_VERSION up, then these.
  assert.deepEqual({
    version: SAMPLE_VERSION,
    first100kB: sha256(text.slice(0, 100_000)),
    all: sha256(text),
  }, {
    version: 1,
    first100kB:
      "a49f944aff7e1ef67ea9e02fc05efaa90851f29f795714fda4f3ce9d9cee24ce",
    all: "2916e59e7f918f8ee537e9e8dceffd6cf2dbc453f54d7a26ecec880a863a5ce5",
  });
});

Deno.test("sampleStories() depends on its seed", () => {
  const [first] = sampleStories(1), [second] = sampleStories(2);
  assert.notEqual(first, second);
});

Deno.test("sampleStories() tells no story twice", () => {
  assert.equal(new Set(stories).size, stories.length);
  const bytes = stories.reduce((sum, story) => sum + story.length, 0);
  assert.ok(bytes >= SAMPLE_BYTES && bytes < SAMPLE_BYTES * 1.001);
});

Deno.test("sampleStories() is varied in simple words", () => {
  const words = new Set(text.toLowerCase().match(/[a-z']+/g));
  assert.ok(words.size > 1000 && words.size < 1500, `${words.size} words`);
  const sentences = text.match(/[^.!?\n]+[.!?]+"?/g)!;
  const share = new Set(sentences).size / sentences.length;
  assert.ok(share > 0.25, `${share} of the sentences are distinct`);
});

Deno.test("sampleStories() is clean ASCII prose", () => {
  assertNone(/[^\x20-\x7e\n]/g);
  assertNone(/ [ \n]|\n /g); // spaces
  assertNone(/ [.,!?;]|[,;][.,;]/g); // punctuation
  assertNone(/[[\]{}<>|@_]/g); // leftovers of templates
  assertNone(/undefined|null|NaN/g);
  assertNone(/[a-z]\. [a-z]/g); // sentences begin with a capital
  assertNone(/^[a-z]|\n[a-z]/g);
  assertNone(/" (?!said|asked|called|shouted|whispered|thought)[a-z]+ed /g);
  for (const story of stories) {
    for (const paragraph of story.split("\n")) {
      assert.equal(paragraph.split('"').length % 2, 1, paragraph);
      assert.match(paragraph, /[.!?]"?$/);
    }
  }
});

Deno.test("sampleStories() has the right articles", () => {
  // By sound, written down apart from the generator's own rule.
  const vowelSound = /^([aeio]|u(?!ni|se)|honest|hour)/i;
  for (const [phrase, article, word] of text.matchAll(/\b(an?) (\w+)/gi)) {
    const expected = vowelSound.test(word) ? "an" : "a";
    assert.equal(article.toLowerCase(), expected, phrase);
  }
});

Deno.test("tellStory() keeps names and pronouns in every plot", () => {
  const everybody = names();
  for (const plot of PLOTS) {
    for (let seed = 0; seed < 150; seed++) {
      const rng = () => new PhiloxStream(seed, STREAM.sampleText, 1);
      const { hero, friend, helper, neighbor } = drawCast(rng());
      const story = tellStory(plot, rng());
      const where = `${plot.name}, seed ${seed}:\n${story}`;

      // the hero is there from the first paragraph to the end
      const mentions = story.split(hero.is).length - 1;
      assert.ok(mentions >= 2, where);
      assert.ok(story.split("\n")[0].includes(hero.is), where);

      // nobody else comes in
      for (const word of story.match(/\b[A-Z][a-z]+\b/g)!) {
        const isKnown = word === hero.is || word === friend.is;
        assert.ok(isKnown || !everybody.has(word), `${word} in ${where}`);
      }

      // he and she are only those who are there
      const present = [hero, friend, helper, neighbor].filter(({ is }) =>
        new RegExp(`\\b${is}\\b`, "i").test(story)
      );
      const pronouns = new Set(present.map(({ he }) => he));
      for (const [word, gender] of Object.entries(GENDERS)) {
        if (pronouns.has(gender)) continue;
        assert.ok(!new RegExp(`\\b${word}\\b`, "i").test(story), where);
      }
    }
  }
});

Deno.test("tellStory() says who the friend is before using the name", () => {
  for (const plot of PLOTS) {
    for (let seed = 0; seed < 150; seed++) {
      const rng = () => new PhiloxStream(seed, STREAM.sampleText, 2);
      const { hero, friend } = drawCast(rng());
      const story = tellStory(plot, rng());
      const at = story.search(new RegExp(`\\b${friend.is}\\b`));
      if (at < 0) continue;
      const introduction = new RegExp(
        `(([Hh]er|[Hh]is|my) friend|named|^${hero.is} and|[Gg]ood night,) ` +
          `${friend.is}\\b|\\b${friend.is} the ${friend.kind}`,
      );
      const around = story.slice(Math.max(0, at - 30), at + 30);
      assert.match(around, introduction, `${plot.name}: ${story}`);
      // nobody calls a friend "his friend Tom" to the face
      assert.doesNotMatch(story, /"[^"]*\b(his|her) friend [A-Z][^"]*"(?= )/);
    }
  }
});

Deno.test("the sample's training and validation stories differ", async () => {
  const sides = { train: new Set<string>(), val: new Set<string>() };
  const source = { kind: "sample", name: "sample" } as const;
  const parts = readPassages({ source, valFraction: 0.1 });
  for await (const { side, chunks } of parts) {
    for await (const story of chunks) sides[side].add(story);
  }
  assert.equal(sides.train.size + sides.val.size, stories.length);
  assert.ok(sides.train.isDisjointFrom(sides.val));
  const share = sides.val.size / stories.length;
  assert.ok(Math.abs(share - 0.1) < 0.01, `${share}`);
});

/** Pronouns, and the one that stands for their gender in a cast. */
const GENDERS = {
  he: "he",
  him: "he",
  his: "he",
  himself: "he",
  she: "she",
  her: "she",
  herself: "she",
};

/** All names that a cast may have. */
function names(): Set<string> {
  const all = new Set<string>();
  for (let seed = 0; seed < 3000; seed++) {
    all.add(drawCast(new PhiloxStream(seed, STREAM.sampleText)).hero.is);
  }
  assert.equal(all.size, 64);
  return all;
}

function assertNone(pattern: RegExp): void {
  const match = pattern.exec(text);
  if (match === null) return;
  const { index } = match;
  assert.fail(`${pattern}: ${text.slice(Math.max(0, index - 60), index + 60)}`);
}
