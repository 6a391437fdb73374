/**
 * Plots about planting, baking, building and giving.
 *
 * @module
 */

import { parsePlot } from "../plot.ts";

export const planting = parsePlot(
  "planting",
  `
- <opening> {He} could do many things, but {he} could not wait.
- <opening> {He} wanted everything now, and not later.
- <opening> "Are we there yet? Is it ready yet?" {he} asked all day long.

- <Day> {neighbor} gave {him} a tiny {seed} seed. "Put it into the ground," said {neighbor}, "and you will see something wonderful."
- <Day> {he} found a little {seed} seed {spot}. {Helper} said, "Let's plant it."
- <Day> {hero} and {helper} planted {a} {seed} seed behind the house.

- {Hero} made a hole with a stick, put the seed in, and gave it some water. Then {he} sat down to watch. Nothing happened.
- {He} gave it water and sat down next to it. "Grow!" {he} said. But it did not grow.
- {He} looked in the morning. {He} looked at noon. {He} looked in the evening. There was only brown earth.

---

(maybe)
- "It is broken," said {hero}. "No," said {helper}. "It is working very hard. You just cannot see it."
- "I think it is asleep," said {hero}. {Helper} laughed. "Then let it sleep," said {helper}. "Give it water every day, and wait."
- {He} wanted to dig it up again to look at it. "Stop!" said {friend}. "A seed does not like to be looked at. It likes to be left alone."

- So {hero} gave it water every day. {He} sang to it, and {he} told it stories. One week went by, and then another.
- {Hero} waited. {He} learned to {hobby} and to {hobby2}, because {he} had so much time.
- It rained, and the sun came out, and it rained again. {Hero} pulled out the weeds and waited.

---

- Then one morning, there was a green tip! It was not bigger than a tooth. {Hero} called everybody to come and see.
- And then, when {he} had nearly stopped looking, there was a little green leaf.
- "{Helper}, {helper}!" {he} called. "It is awake!" A tiny green leaf looked out of the ground.

- It grew and grew. In the summer, it was a beautiful {seed.plant}, taller than {hero}.
- Every day, it was a bit taller. At last it was a real {seed.plant}, the finest one far and wide.
- By the end of the summer, {hero} had a big, strong {seed.plant}. The bees and the butterflies came to visit it.

(maybe)
- {Hero} gave a seed of it to {friend}. "You have to wait," {he} said, "but it is worth it."
- {He} stood next to it and felt very proud. "We both grew," {he} said to {helper}.
- {Neighbor} came to look at it. "How did you do it?" asked {neighbor}. "I waited," said {hero}.

- {Hero} learned that good things take time.
- From that day on, {hero} knew how to wait.
- And when something took a long time, {hero} thought of the little seed under the ground.
- <night> Under the ground, another seed was just waking up.
`,
);

export const baking = parsePlot(
  "baking",
  `
- <opening> <likes>
- <opening> {He} loved the smell of warm bread and sweet cake.
- <opening> Tomorrow was {helper}'s birthday, and {he} wanted to make something special.

- "{Helper} always bakes for us," {hero} said to {friend}. "Now we will bake for {helper}! Let's make {a} {dish}."
- <Day> {he} wanted to make {a} {dish} as a surprise for {helper}. {Friend} came to help.
- {He} asked {friend} to come over. "Psst," said {hero}. "We will make {a} {dish}. Do not tell {helper}!"

- They took a big bowl and a big spoon. Then {hero} looked on the shelf. "Oh no! There are no {dish.needs} left!"
- They had flour, and they had butter, and they had milk. But they had no {dish.needs}.
- Everything was ready. Only the {dish.needs} were missing. "What now?" asked {friend}.

---

- "We can ask {neighbor}," said {hero}. They ran over and knocked at the door. {Neighbor} gave them a whole basket.
- They went to the market. But the market was closed. On the way back they met {neighbor}. "You need {dish.needs}?" said {neighbor}. "Come with me!"
- They asked {neighbor}. "I will give you some," said {neighbor}, "if I may have a piece of the {dish}." "Of course!" they said.

- They mixed, and they stirred, and they mixed again. There was flour on the floor, and there was flour on {friend}'s nose.
- {Hero} stirred, and {friend} sang. Some of it fell on the floor. Some of it went into their mouths. The rest went into the oven.
- "Three spoons of sugar," said {friend}. "Was that three or four?" asked {hero}. They were not sure, so they took one more.

(maybe)
- Then they waited in front of the oven. It smelled better and better.
- Soon the whole house smelled wonderful.
- While it was in the oven, they cleaned the kitchen. That took a very long time.

---

(maybe)
- It was not quite round, and one side was rather dark. But it was their very own {dish}.
- It came out a bit flat. "It looks like a hat," said {friend}. "It looks like a good hat," said {hero}.
- It was golden and warm and nearly perfect. Only one small corner was missing. Nobody knew why.

- "Surprise!" they called when {helper} came in. {Helper} did not know what to say. Then {helper.he} hugged them both.
- {Helper} took a bite and closed {helper.his} eyes. "This is the best {dish} of my life," {helper.he} said.
- "Did you make this all by yourselves?" asked {helper}. "{Neighbor} helped a little," said {hero}. {Helper} was so happy.

- They all sat at the table together, {neighbor} too, and ate until nothing was left.
- {Hero} learned that a gift you make with your own {hero.hands} is the sweetest one.
- From that day on, {hero} and {friend} baked together every Sunday.
- <night> There was still a bit of flour on {his} nose.
`,
);

export const handmadeGift = parsePlot(
  "handmade gift",
  `
- <opening> {His} best friend was {friend.intro}.
- {Hero} and {friend.name} were best friends. They did everything together.
- <opening> {He} had a good friend, {friend.intro}.

- Soon it was {friend}'s birthday. {Hero} wanted to give {friend.him} {a} {look} {toy}. But {he} had no money.
- "Tomorrow is my birthday!" said {friend}. {Hero} was happy, but {he} was also worried. {He} did not have a present.
- <Day> {hero} saw {a} {look} {toy} in the window of a shop. "{Friend} would love that for {friend.his} birthday," {he} thought. But it cost too much.

(maybe)
- {He} looked into {his} pockets. There was only a button and a piece of string.
- {He} counted {his} coins. There were three. It was not enough, not even for half of it.
- <wept> "I have nothing to give," {he} said.

---

- "A present does not have to cost anything," said {helper}. "What can you make?"
- {Helper} looked at {him}. "You have two clever {hero.hands}," said {helper}. "They are better than money."
- {Neighbor} was just working {place.at}. "The best present I ever got," said {neighbor}, "was made by a friend."

- {Hero} thought about it. Then {he} began to smile. {He} went to look for {present.from}.
- Suddenly {he} had an idea. With {present.from}, {he} could make {present}!
- {He} looked all over the house until {he} found {present.from}. Then {he} closed the door and got to work.

- {He} worked all day. {He} made a mistake and began again. When the moon came up, {present} was ready.
- It was harder than {he} thought. But {he} did not give up, and in the evening {he} held {present} in {his} {hero.hands}.
- Bit by bit, it became {present}. It was not perfect, but {he} had made it with love.

---

(maybe)
- The next day, {friend} got many presents. They were big and new. {Hero} was afraid that {his} was too small.
- At the party, {hero} gave {friend} the little packet. {His} heart beat fast.
- "Happy birthday," {hero} said very softly. "I made it myself."

- {Friend} opened it and was quiet for a moment. Then {friend} said, "Nobody ever made something just for me."
- {Friend}'s eyes began to shine. "You made {present}? For me? It is the best one of all!"
- {Friend} did not look at the other presents anymore. {Friend.He} hugged {hero} and would not let go.

- <played>
- {Hero} learned that the best gifts come from the heart.
- And it is still in {friend}'s room today, right next to the bed.
- <night> And {he} already knew what to make for {helper}.
- From then on, {hero} made all {his} presents by hand.
`,
);

export const buildingTogether = parsePlot(
  "building together",
  `
- <opening> <likes>
- {Hero} and {friend.name} were neighbors and good friends. They loved to build things.
- <opening> {He} had a big plan. {He} wanted to build the best {building} in the world.

- <Day> {hero} and {friend} met {place.at} to build {a} {building}. They made it from {building.from}.
- <Day> {hero} built {a} {building} {place.at}. {He} used {building.from}. {Friend} came and watched.
- <Day> {friend} asked, "Shall we build {a} {building}?" They looked for {building.from} and began at once.

- "I am the boss," said {hero}. "No, I am the boss," said {friend}. They got so angry that each of them built alone.
- {Hero} wanted it to be tall. {Friend} wanted it to be wide. They could not agree.
- They worked all morning. It got bigger and bigger. "Nothing can break it," said {hero}.

---

- Then came {building.enemy}. Crash! The {building} was gone.
- But {building.enemy} was stronger. It took the {building} away, piece by piece.
- They had just finished when {building.enemy} came. Soon there was nothing left of the {building}.

(maybe)
- {Hero} kicked at what was left. "All that work for nothing!" {he} said.
- <wept> {Friend} sat down next to {him}. For a while, they said nothing.
- {Hero} looked at {friend}. {Friend} looked at {hero}. They both wanted to cry.

- Then {friend} said, "I know why it broke. You made it tall, and I made it wide. We need both."
- {Neighbor} came by. "You know how to do it now," said {neighbor}. "The second one is always better."
- "Let's do it again," said {hero} at last. "Together, this time. You tell me your ideas, and I will tell you mine."

---

- So they began again. {Hero} held, and {friend} tied. {Friend} dug, and {hero} carried. Nobody was the boss.
- They built it a second time, slowly and carefully. {Friend} had the ideas, and {hero} had the strong arms.
- They called the others, too. With so many {hero.hands}, it went very fast.

- In the evening, a new {building} stood there. It was taller and wider and better than the first one.
- This time, it was so strong that nothing could break it. They put {a} {color} flag on top.
- When {building.enemy} came again, the {building} shook a little. But it did not fall!

- {Hero} learned that two who work together are stronger than two who work alone.
- "It is our {building}," said {hero}. That sounded much better than "my {building}".
- They sat down next to it and shared {treat.some}. They were tired and dirty and very happy.
- <night> The next morning, they were already planning a bigger one.
`,
);

export const rainyDay = parsePlot(
  "rainy day",
  `
- <opening> <likes> Today {he} wanted to play outside.
- <opening> {He} wanted to go {place.to} with {friend}. {He} had waited for it all week.
- <opening> Today was the day of the big picnic {place.at}.

- But when {he} got up, it was raining. It rained and rained and would not stop.
- <Day> {he} looked out of the window. The sky was gray, and big drops ran down the glass.
- {His} bag was ready, and {his} boots were on. Then it began to rain. First there was one drop, then there were ten, then there were a thousand.

(maybe)
- "Now the day is no good," said {hero}. {He} lay down on the floor and looked at the ceiling.
- <wept> "Bad rain!" {he} said. "Go away!"
- "I have nothing to do," said {hero}. "Nothing, nothing, nothing."

---

- There was a knock at the door. It was {friend}, as wet as a fish. "I came anyway," said {friend}.
- Just then, {friend} came in with an umbrella. "No sun?" said {friend}. "Then we will make our own."
- {Helper} looked at {him}. "When I was little," said {helper}, "rainy days were the best ones." At that moment, {friend} came in at the door.

- They put {a} {color} blanket over the table, and it was a cave. They put two chairs in a row, and it was a train.
- They looked {nook} and found {a} {look} {toy}. "This is our ship," said {friend}. "And the floor is the sea!"
- They had the picnic on the floor. They put {treat.some} on {a} {color} plate, and {his} {toy} was the guest.

(maybe)
- "Watch out, there is a dragon!" called {friend}. "That is only {helper}," said {hero}. "Roar!" said {helper}.
- They sailed past the chair island and the mountain of pillows. Nobody thought of the rain.
- They were explorers, and then they were kings, and then they were two very hungry bears.

---

- Later they put on their boots and went outside. They jumped into every puddle. Splash, splash, splash!
- Suddenly it was quiet. The rain had stopped! And over the roofs there was a rainbow, as bright as could be.
- "The rain has stopped," said {helper}. "Do you want to go out?" "Not now," said {hero}. "We are still at sea!"

- "This was better than any picnic," said {hero}.
- {Hero} learned that you can make a good day from a gray one.
- "I hope it rains tomorrow," said {hero}. And {friend} hoped so, too.
- <night> "Please, rain," {he} said, "come back soon."
`,
);
