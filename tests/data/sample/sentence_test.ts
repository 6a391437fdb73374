import assert from "node:assert/strict";
import { PhiloxStream } from "../../../src/base/philox.ts";
import { parsePlot, tellPlot } from "../../../src/data/sample/plot.ts";
import {
  articleOf,
  type Lexicon,
  parseTemplate,
  Scene,
  type Word,
} from "../../../src/data/sample/sentence.ts";

const hero: Word = { is: "Mia", he: "she", him: "her", his: "her" };
const friend: Word = {
  is: "Tom",
  name: "Tom",
  full: "her friend Tom",
  intro: "a boy named Tom",
  he: "he",
};

Deno.test("tell() keeps a slot's word through the whole story", () => {
  for (let seed = 0; seed < 20; seed++) {
    const told = scene({ seed }).tell(
      parseTemplate("{toy} {toy2} {Toy} {toy.many}"),
    );
    assert.match(told, /^(ball kite Ball balls|kite ball Kite kites)$/);
  }
});

Deno.test("tell() draws choices and phrases anew each time", () => {
  const template = parseTemplate("[a|b|c[d|e]] <glad>");
  const one = scene({ seed: 1 });
  const told = new Set(
    Array.from({ length: 200 }, () => one.tell(template)),
  );
  assert.deepEqual([...told].sort(), [
    "a glad",
    "a happy",
    "b glad",
    "b happy",
    "cd glad",
    "cd happy",
    "ce glad",
    "ce happy",
  ]);
});

Deno.test("tell() writes pronouns and capitals of the hero", () => {
  assert.equal(
    scene().tell(parseTemplate("{Hero}: {he} {Him} {his} {hero.he} {Hero.He}")),
    "Mia: she Her her she She",
  );
});

Deno.test("tell() introduces a friend once", () => {
  const tell = (text: string) => scene().tell(parseTemplate(text));
  assert.equal(
    tell("{Friend} and {friend}, {friend.he}."),
    "Her friend Tom and Tom, he.",
  );
  assert.equal(tell("{friend.intro}, {friend}"), "a boy named Tom, Tom");
  assert.equal(tell("{friend.name} {friend}"), "Tom Tom");
});

Deno.test("tell() suits the article to the word that follows", () => {
  const tell = (text: string) => scene().tell(parseTemplate(text));
  assert.equal(tell("{a} old hat, {A} [ugly] hat"), "an old hat, An ugly hat");
  assert.equal(tell("{a} {toy.color} hat"), "an orange hat");
  assert.equal(tell("{A} red hat"), "A red hat");
});

Deno.test("articleOf() goes by sound", () => {
  for (const word of ["apple", "egg", "inn", "owl", "umbrella", "hour"]) {
    assert.equal(articleOf(word), "an", word);
  }
  assert.equal(articleOf("honest"), "an");
  for (const word of ["fox", "honey", "unicorn", "useful", "yellow"]) {
    assert.equal(articleOf(word), "a", word);
  }
});

Deno.test("parseTemplate() refuses brackets that do not match", () => {
  for (const text of ["{toy", "[a|b", "<glad", "a]", "b}", "a|b", "[{toy]"]) {
    assert.throws(() => parseTemplate(text), SyntaxError, text);
  }
});

Deno.test("tell() refuses names that are not in the lexicon", () => {
  for (const text of ["{hat}", "<sad>", "{toy.weight}"]) {
    assert.throws(() => scene().tell(parseTemplate(text)), RangeError, text);
  }
});

Deno.test("tellPlot() joins beats and leaves out some that may be", () => {
  const plot = parsePlot(
    "test",
    "\n- One.\n- Eins.\n\n(maybe)\n- Two.\n\n---\n\n- End.\n",
  );
  const told = new Set<string>();
  const rng = new PhiloxStream(1, 0);
  for (let i = 0; i < 100; i++) told.add(tellPlot(plot, scene(), rng));
  assert.deepEqual([...told].sort(), [
    "Eins.\nEnd.",
    "Eins. Two.\nEnd.",
    "One.\nEnd.",
    "One. Two.\nEnd.",
  ]);
});

Deno.test("parsePlot() refuses a line outside of any beat", () => {
  assert.throws(() => parsePlot("test", "- One.\nTwo."), SyntaxError);
});

function scene({ seed = 0 } = {}): Scene {
  const lexicon: Lexicon = {
    words: {
      toy: [
        { is: "ball", many: "balls", color: "orange" },
        { is: "kite", many: "kites", color: "orange" },
      ],
    },
    phrases: { glad: ["glad", "happy"].map(parseTemplate) },
  };
  return new Scene(lexicon, new PhiloxStream(seed, 0), { hero, friend });
}
