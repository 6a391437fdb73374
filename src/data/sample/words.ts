/**
 * The words of the stories: what can be lost, eaten, visited or loved.
 *
 * Lists are named after the slots of the templates. A word with several forms
 * has them in columns.
 *
 * @module
 */

import type { Word } from "./sentence.ts";

/** Things a hero may own: one can hold, lose, lend and mend them. */
const toy = list(
  "ball, kite, doll, drum, toy boat, toy train, toy car, teddy bear, " +
    "picture book, hat, scarf, whistle, bell, lantern, flute, puppet, ring, " +
    "blanket, umbrella, marble, music box, spinning top, paper plane, " +
    "jump rope, bucket, snow globe, wooden horse, rag doll, basket, cup",
);

/** How a thing looks. */
const look = list(
  "red, blue, green, yellow, orange, purple, pink, white, brown, golden, " +
    "silver, shiny, tiny, old, new, pretty, lovely, striped, funny, little",
);

/** Colors alone, for things that cannot be funny. */
const color = list(
  "red, blue, green, yellow, orange, purple, pink, white, gray, golden",
);

/** What a hero is like. */
const trait = list(
  "kind, happy, brave, shy, clever, curious, quiet, gentle, funny, silly, " +
    "helpful, careful, cheerful, friendly, playful, busy, sleepy, polite, " +
    "merry, lively, eager, honest",
);

/** What a hero likes to do. */
const hobby = list(
  "sing songs, pick flowers, climb trees, read stories, dance in the rain, " +
    "draw pictures, chase butterflies, play in the mud, count the stars, " +
    "bake cookies, splash in puddles, look at the clouds, build towers, " +
    "collect shells, collect stones, make up songs, roll down hills, " +
    "watch the birds, tell jokes, play hide and seek, jump over puddles, " +
    "swing on the gate, feed the ducks, listen to the wind, paint, " +
    "ask questions, explore, whistle, watch the snow fall, dig holes",
);

/** Places outside: `at`, `to` and the plain noun. */
const place = [
  ...places("in", "park, garden, forest, meadow, orchard, field, valley"),
  ...places("at", "beach, market, farm, playground, lake, old mill, harbor"),
  ...places(
    "by",
    "river, pond, sea, bridge, stream, old well, old barn, windmill",
  ),
  ...places("on", "hill"),
];

/** Where something small may lie outside. */
const spot = list(
  "under a bush, behind a big rock, in the tall grass, next to an old log, " +
    "under a pile of leaves, behind the fence, between two stones, " +
    "in a hollow tree, under the bench, beside the path, in the mud, " +
    "behind a tree, among the flowers, near the gate",
);

/** Where something small may lie in a house. */
const nook = list(
  "under the bed, behind the door, on the shelf, in the closet, " +
    "under the table, behind the sofa, in the toy box, under the stairs, " +
    "in the kitchen, beside the lamp, under a pillow, in the basket, " +
    "behind the curtain, in the hall",
);

/** Food that can be broken in two: the noun, and a portion of it. */
const treat = forms(
  ["is", "some"],
  "cookie, a cookie",
  "cake, a slice of cake",
  "pie, a piece of pie",
  "bread, a piece of bread",
  "sandwich, a sandwich",
  "muffin, a muffin",
  "pancake, a pancake",
  "cheese, a piece of cheese",
  "bun, a warm bun",
  "apple, an apple",
  "pear, a big pear",
  "peach, a ripe peach",
  "gingerbread, a piece of gingerbread",
  "chocolate, a bar of chocolate",
);

/** What can be baked for somebody: the noun, and what it lacks. */
const dish = forms(
  ["is", "needs"],
  "cake, eggs",
  "apple pie, apples",
  "berry pie, berries",
  "carrot cake, carrots",
  "cherry pie, cherries",
  "lemon cake, lemons",
  "nut bread, nuts",
  "plum cake, plums",
  "banana bread, bananas",
  "pear tart, pears",
  "raisin bread, raisins",
  "peach pie, peaches",
  "strawberry cake, strawberries",
);

/** Small animals in need; always "it". */
const pet = list(
  "lamb, ladybug, butterfly, snail, chick, baby bird, baby turtle, kitten, " +
    "bee, lizard, robin, sparrow, duckling, puppy, bunny, crab, beetle",
);

/** What one may meet in the sky. */
const flyer = list(
  "swan, goose, seagull, sparrow, butterfly, stork, swallow, bee, eagle",
);

/** What can be planted. */
const seed = forms(
  ["is", "plant"],
  "sunflower, sunflower",
  "bean, beanstalk",
  "pumpkin, pumpkin plant",
  "apple, apple tree",
  "tulip, tulip",
  "cherry, cherry tree",
  "melon, melon plant",
  "strawberry, strawberry plant",
  "daisy, daisy",
  "pea, pea plant",
  "lemon, lemon tree",
  "rose, rose bush",
);

/** Things to learn: what one does, and what goes wrong at first. */
const skill = forms(
  ["is", "doing", "fail"],
  "swim; swimming; swallowed a lot of water",
  "whistle; whistling; made only a puff of air",
  "skate; skating; sat down on the ice with a bump",
  "juggle; juggling; dropped every ball",
  "dance; dancing; stepped on every toe in the room",
  "play the flute; playing the flute; made a noise like an angry goose",
  "climb the rope; climbing the rope; slid right down again",
  "stand on one leg; standing on one leg; fell over like a chair",
  "row a boat; rowing; went around and around in a circle",
  "tie a knot; tying a knot; tied one finger to the other",
  "fly a kite; flying a kite; got all tangled up in the string",
  "jump rope; jumping rope; tripped over both feet",
  "bake bread; baking; made a loaf as hard as a stone",
  "draw a horse; drawing; made a horse with five legs",
);

/** Fears: of what, when it comes, and what it truly is. */
const fear = forms(
  ["is", "when", "truth"],
  "the dark; Every night, when the lamp went out,; only the day with its " +
    "eyes closed",
  "thunder; When black clouds came over the hill,; only the sky clapping " +
    "its hands",
  "the wind; When the wind shook the windows,; only the wind telling stories",
  "the deep water; When the others jumped into the lake,; only a big soft " +
    "blanket",
  "the big slide; When the others went down the slide,; only a hill that " +
    "shines",
  "the shadow on the wall; When the shadow danced in the lamp light,; only " +
    "the light playing games",
  "the tall bridge; When the others crossed the tall bridge,; only a road " +
    "with a good view",
  "the big dog; When the big dog barked behind the fence,; only a friend " +
    "who talks too loud",
);

/** Sounds in the night, and who makes them. */
const sound = forms(
  ["is", "maker", "why"],
  "tap, tap, tap; a tiny bird at the window; It wanted to come in from the " +
    "cold",
  "scratch, scratch; a lost kitten at the door; It was wet and cold",
  "squeak, squeak; the old gate in the wind; Nobody had closed it",
  "drip, drip, drip; the tap in the kitchen; Somebody had left it open",
  "bump, bump, bump; a small hedgehog with a pot on its head; It had looked " +
    "for food and got stuck",
  "hoo, hoo; a baby owl in the chimney; It could not find the way out",
  "meow, meow; a gray cat in the apple tree; It was too scared to climb down",
  "crunch, crunch; a little mouse with a big nut; It was having a midnight " +
    "snack",
  "flap, flap; a wet sheet on the line; It had been out in the wind all day",
  "tick, tick, tick; the old clock in the hall; It had been quiet for years, " +
    "and now it worked again",
);

/** Magic helpers. */
const magic = forms(
  ["is", "where"],
  "a golden fish; in a small pool",
  "a tiny fairy; on a leaf",
  "a tired star; on the ground",
  "a little dragon; behind a stone",
  "a talking tree; between the other trees",
  "a talking stone; beside the path",
  "a little ghost; in the morning mist",
  "a glowing snail; in the tall grass",
  "a silver bird; on a low branch",
  "a wise frog; on a wet stone",
);

/** What might be wished for oneself. */
const wish = list(
  "a mountain of candy, a castle, a flying carpet, a pony, a golden crown, " +
    "a big ship, a tower of toys, a room full of cake, a pair of wings, " +
    "a tree house, a river of lemonade, a bag of gold",
);

/** What is in a treasure chest, in the plural. */
const treasure = list(
  "old books, music boxes, paints and brushes, funny hats, drums and bells, " +
    "colored stones, paper stars, tiny boats, silver spoons, kites, " +
    "wooden puppets, sea shells",
);

/** Presents that are made by hand. */
const present = forms(
  ["is", "from"],
  "a bird house; old boards",
  "a necklace; shells",
  "a crown; flowers",
  "a scarf; soft wool",
  "a picture frame; sticks",
  "a card; paper and glue",
  "a boat; a nut shell and a leaf",
  "a lamp; an old jar",
  "a bracelet; colored string",
  "a basket; dry grass",
  "a pillow; an old shirt",
);

/** What animals boast of, and what it does not help with. */
const boast = forms(
  ["is", "most", "proof"],
  "fast; the fastest; ran three times around the pond",
  "strong; the strongest; lifted a big log",
  "clever; the cleverest; counted to a hundred without a stop",
  "tall; the tallest; touched the lowest branch of the oak",
  "loud; the loudest; shouted until the leaves shook",
  "brave; the bravest; jumped over the wide stream",
  "pretty; the prettiest; turned around three times in the sun",
);

/** Things to guess and count on a walk. */
const guide = forms(
  ["is", "plan"],
  "the river; Water always runs down to the village",
  "the moon; It stands above our roof every night",
  "the smell of fresh bread; It comes from our kitchen",
  "the church bell; It rings in the middle of the village",
  "the old stone wall; It goes all the way to our gate",
  "the north star; It shines over our chimney",
  "the old oak with the swing; It stands right next to our house",
  "the smoke over the trees; It rises from our own chimney",
);

/** What leads a hero away from the path. */
const lure = list(
  "butterfly, rabbit with white paws, dragonfly, leaf in the wind, " +
    "blue bird, firefly, lizard, squirrel with a nut, feather in the wind, " +
    "golden beetle, soap bubble, tiny frog",
);

/** Games for two. */
const game = list(
  "hide and seek, tag, catch, hopscotch, pirates, kings and queens, " +
    "follow the leader, leapfrog, shop, explorers",
);

/** Things to build together, outside. */
const building = forms(
  ["is", "from", "enemy"],
  "sand castle; wet sand; a big wave",
  "snow house; white snow; the warm sun",
  "tower; flat stones; the wind",
  "tree house; old boards; the storm",
  "raft; logs and rope; the river",
  "dam; sticks and mud; the rain",
  "tent; two old sheets; a strong wind",
  "fort; branches; the storm",
);

/** Pet names for work about the house. */
const chore = forms(
  ["is", "done"],
  "sweep the floor; swept the floor",
  "water the flowers; watered the flowers",
  "feed the hens; fed the hens",
  "wash the dishes; washed the dishes",
  "fold the sheets; folded the sheets",
  "carry the wood; carried the wood",
  "pick the apples; picked the apples",
  "set the table; set the table",
  "rake the leaves; raked the leaves",
  "clean the windows; cleaned the windows",
);

/** Things that break, and where they stand. */
const fragile = forms(
  ["is", "at"],
  "blue vase; on the shelf",
  "white teapot; on the table",
  "glass bowl; on the table",
  "flower pot; by the door",
  "old clock; on the wall",
  "big mirror; in the hall",
  "honey jar; in the kitchen",
  "lamp; by the window",
  "painted plate; on the wall",
  "china cat; on the shelf",
);

/** All word lists but the cast, by slot. */
export const WORDS: Readonly<Record<string, readonly Word[]>> = {
  boast,
  building,
  chore,
  color,
  dish,
  fear,
  flyer,
  fragile,
  game,
  guide,
  hobby,
  look,
  lure,
  magic,
  nook,
  pet,
  place,
  present,
  seed,
  skill,
  sound,
  spot,
  toy,
  trait,
  treasure,
  treat,
  wish,
};

function list(words: string): Word[] {
  return words.split(", ").map((is) => ({ is }));
}

function places(preposition: string, nouns: string): Word[] {
  return nouns.split(", ").map((noun) => ({
    is: noun,
    at: `${preposition} the ${noun}`,
    to: `to the ${noun}`,
  }));
}

/** Rows are separated by "; ", or by ", " where no form has one. */
function forms(names: string[], ...rows: string[]): Word[] {
  return rows.map((row) => {
    const values = row.split(row.includes(";") ? "; " : ", ");
    return Object.fromEntries(
      names.map((name, i) => [name, values[i]]),
    ) as Word;
  });
}
