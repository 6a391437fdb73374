/**
 * Who is in a story: a hero, a friend, a parent and a neighbor.
 *
 * A story is set among children or among animals, never both, so that names,
 * homes and hands (or paws) fit together.
 *
 * @module
 */

import type { PhiloxStream } from "../../base/philox.ts";
import { articleOf, type Word } from "./sentence.ts";

/** Everybody that a story may name. */
export interface Cast {
  hero: Word;
  friend: Word;
  helper: Word;
  neighbor: Word;
  /** Where the hero lives. */
  home: Word;
}

type Gender = "girl" | "boy";

const PRONOUNS = {
  girl: { he: "she", him: "her", his: "her", himself: "herself" },
  boy: { he: "he", him: "him", his: "his", himself: "himself" },
} as const;

const CHILD_NAMES = {
  girl: "Lily Mia Anna Emma Sara Lucy Zoe Nora Ella Daisy Molly Ruby Amy " +
    "Clara Ivy Maya Tess Nina Greta Lina",
  boy: "Tom Ben Max Sam Leo Jack Tim Finn Noah Oscar Theo Luke Adam Omar " +
    "Eli Hugo Ravi Felix Milo Kai",
};

const ANIMAL_NAMES = {
  girl: "Hazel Poppy Clover Willow Luna Dot Pearl Bella Tilly Fern Olive " +
    "Mabel",
  boy: "Pip Bruno Rusty Chip Bramble Oliver Toby Monty Barney Biscuit Moss " +
    "Otto",
};

/** Animals by what they have in place of hands. */
const KINDS = {
  paws: "rabbit fox bear mouse squirrel hedgehog puppy kitten beaver otter " +
    "badger raccoon mole hamster",
  feet: "frog turtle",
  hooves: "deer goat",
  wings: "duck owl",
};

const PARENTS = {
  child: { girl: "Mom Grandma", boy: "Dad Grandpa" },
  animal: { girl: "Mama Grandma", boy: "Papa Grandpa" },
};

const NEIGHBORS = {
  child: {
    girl: "Mrs. Rose,Mrs. Hill,Miss May,the teacher,Aunt Ada",
    boy: "Mr. Brown,Mr. Wood,the baker,the farmer,the old sailor,Uncle Joe",
  },
  animal: {
    girl: "Mrs. Goose,the old hen,Mrs. Sheep,the gray cat",
    boy: "Mr. Crow,the wise old toad,the old horse,Mr. Stork",
  },
};

const HOMES = {
  child: [
    "in a small house by the sea",
    "in a yellow house near the park",
    "on a little farm",
    "in a quiet town",
    "at the end of a long road",
    "in a tall house in the village",
    "next to the bakery",
    "in a white house on a hill",
    "above a toy shop",
    "in a blue house with a round door",
  ],
  animal: [
    "in a hollow tree",
    "under an old oak tree",
    "near a quiet pond",
    "in a green forest",
    "behind the old barn",
    "at the edge of the forest",
    "in a cozy hole under the hill",
    "by a little stream",
    "in a nest of soft grass",
    "in a warm den under the roots of a pine tree",
  ],
};

/** Draws the cast of one story; no two share a name. */
export function drawCast(rng: PhiloxStream): Cast {
  const pick = (words: readonly string[]) => words[rng.below(words.length)];
  const gender = (): Gender => rng.below(2) === 0 ? "girl" : "boy";
  // Two stories out of three are about children.
  const world = rng.below(3) < 2 ? "child" : "animal";

  const hero = world === "child"
    ? child(gender(), "")
    : animal(gender(), { name: "", kind: "" });
  const friend = world === "child"
    ? child(gender(), hero.is)
    : animal(gender(), { name: hero.is, kind: hero.kind });
  friend.name = friend.is;
  friend.intro = `${articleOf(friend.kind)} ${friend.kind} named ${friend.is}`;
  friend.full = world === "child"
    ? `${hero.his} friend ${friend.is}`
    : `${friend.is} the ${friend.kind}`;

  const parent = gender();
  const neighbor = gender();
  return {
    hero,
    friend,
    helper: {
      is: pick(PARENTS[world][parent].split(" ")),
      ...PRONOUNS[parent],
    },
    neighbor: {
      is: pick(NEIGHBORS[world][neighbor].split(",")),
      ...PRONOUNS[neighbor],
    },
    home: { is: pick(HOMES[world]) },
  };

  function child(gender: Gender, taken: string): Word {
    const names = CHILD_NAMES[gender].split(" ").filter((n) => n !== taken);
    return {
      is: pick(names),
      kind: gender,
      hands: "hands",
      ...PRONOUNS[gender],
    };
  }

  function animal(
    gender: Gender,
    taken: { name: string; kind: string },
  ): Word {
    const all = Object.entries(KINDS).flatMap(([hands, kinds]) =>
      kinds.split(" ").map((kind) => ({ kind, hands }))
    ).filter(({ kind }) => kind !== taken.kind);
    const { kind, hands } = all[rng.below(all.length)];
    const names = ANIMAL_NAMES[gender].split(" ")
      .filter((name) => name !== taken.name);
    return { is: pick(names), kind, hands, ...PRONOUNS[gender] };
  }
}
