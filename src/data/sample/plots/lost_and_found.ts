/**
 * Plots about things and friends that are lost, and found again.
 *
 * @module
 */

import { parsePlot } from "../plot.ts";

export const lostOutside = parsePlot(
  "lost outside",
  `
- <opening> {He} had {a} {look} {toy} and took it everywhere.
- <opening> {He} loved {his} {look} {toy} more than anything else.
- <opening> {His} best thing in the whole world was {a} {look} {toy}.
- <opening> For {his} birthday, {helper} gave {him} {a} {look} {toy}.

- <Day> {hero} took the {toy} {place.to}. {He} played for a long time. But when {he} wanted to go home, the {toy} was gone!
- <Day> {he} went {place.to} to play. Suddenly {he} looked at {his} {hero.hands}. They were empty! Where was the {toy}?
- <Day> {he} ran {place.to} with the {toy}. {He} ran so fast that {he} lost it on the way.
- <Day> {he} fell asleep {place.at}. When {he} woke up, the {toy} was not there.

---

- "Oh no!" {hero} cried. "Where is my {toy}?"
- "My {toy} is gone!" said {hero}. <wept>
- <wept> "I want my {toy} back," {he} said.

(maybe)
- {He} looked {spot}. {He} looked {spot2}. It was not there.
- {He} looked {spot}, but there was only a sleepy beetle. {He} looked {spot2}, but there were only dry leaves.
- First {he} looked {spot}. No {toy}. Then {he} looked {spot2}. Still no {toy}.

- Then {friend} came by. "Why are you so sad?" asked {friend}. "I lost my {look} {toy}," said {hero}. "Do not worry," said {friend}. "I will help you look."
- {Friend} heard {him} and came running. "Four eyes see more than two," said {friend}. "Let's look together."
- Just then, {friend} walked past. "Did you see {a} {look} {toy}?" asked {hero}. "No," said {friend}, "but I am good at finding things!"

---

- They looked high and low. At last {friend} saw something {look} {spot3}. It was the {toy}!
- They looked and looked. Then {friend} called, "Come here! Look what is {spot3}!" It was the {toy}.
- "When did you have it last?" asked {friend}. {Hero} thought hard. Then {he} ran and looked {spot3}. There was the {toy}!
- They walked back the same way, step by step. And there, {spot3}, lay the {look} {toy}. It was a bit dirty, but it was not broken.

(maybe)
- <cheered> <thanks>
- <thanks> "Now let's play with it together!"
- <cheered> "You found it! You can play with it, too," {he} told {friend}.

- <played> <night>
- From that day on, {hero} took good care of {his} {toy}.
- {Hero} learned that a friend can help when things look bad.
- And {hero} tied {a} {color} string to the {toy}, so that it would never get lost again.
- {Hero} never forgot that a good friend is worth more than any {toy}.
`,
);

export const lostInside = parsePlot(
  "lost inside",
  `
- <opening> But {he} never put {his} things away. {His} room was one big mess.
- <opening> {His} toys lay all over the floor, and {he} never cleaned up.
- <opening> "Please clean your room," {helper} said every day. "Later," said {hero} every day.

- <Day> {hero} wanted to play with {his} {look} {toy}. But where was it?
- <Day> {he} looked for {his} {look} {toy}, but {he} could not find it.
- <Day> {friend} wanted to see the {look} {toy}. "Wait," said {hero}, "it must be here somewhere."

---

(maybe)
- {He} looked {nook}. There was only an old sock. {He} looked {nook2}. There was only {a} {look2} {toy2}.
- It was not {nook}. It was not {nook2}. It was nowhere!
- {He} looked {nook} and found a cookie from last week. {He} looked {nook2} and found {his} other shoe. But {he} did not find the {toy}.

- "{Helper}, somebody took my {toy}!" said {hero}. {Helper} looked at the mess and smiled. "Maybe the mess took it," said {helper}.
- <wept> {Helper} came in. "I think your {toy} is hiding," {helper.he} said. "Let's clean up, and it will come out."
- "I cannot find anything!" said {hero}. "Of course not," said {helper}. "Nobody could. Shall we clean up together?"

---

- They put the books on the shelf and the blocks in the box. They worked for an hour. And there, {nook3}, was the {toy}!
- {Hero} picked up one thing, and then another, and then another. At the very end, {he} looked {nook3}. "Here it is!" {he} shouted.
- So they swept and folded and sorted. When the floor was clean, {hero} saw something {look} {nook3}. It was the {toy}!

(maybe)
- <cheered> <thanked>
- "Hello, {toy}!" said {hero}. "I missed you." {Helper} laughed.
- <thanked> "Now I can see my whole room," {he} said. "It is so big!"

- From that day on, {hero} put every thing in its place.
- After that, {hero} cleaned {his} room every [evening|week]. {He} never lost {his} {toy} again.
- {Hero} learned that a clean room is a room where you can find things.
- That night, {hero} slept in {his} bed. And the {toy} slept on the shelf, right where it belonged.
`,
);

export const lostWay = parsePlot(
  "lost way",
  `
- <opening> <likes>
- <opening> {He} always wanted to see what was behind the next hill.
- <opening> "Stay near the house," {helper} often said. But {hero} was much too curious.

- <Day> {he} saw {a} {lure}. {He} followed it, on and on, without looking back.
- <Day> {a} {lure} came past. "Wait for me!" called {hero}, and {he} ran after it.
- <Day> {he} walked {place.to}. There {he} saw {a} {lure}. {He} went after it, deeper and deeper into the woods.

- Then the {lure} was gone. {Hero} looked around. All the trees looked the same.
- After a while {he} stopped. The {lure} was gone, and so was the path.
- When {he} turned around, {he} did not know the way home anymore.

---

- "I am lost," {he} said. {His} voice was very small.
- <wept> It was getting dark, and the wind was cold.
- {He} called for {helper}, but only the wind answered.

(maybe)
- {He} met {a} {pet} that sat {spot}. "Do you know the way?" asked {hero}. The {pet} only looked at {him} with big eyes.
- {Neighbor} was picking mushrooms nearby. "Do not run around," said {neighbor}. "Stop, and look, and listen."
- Then {he} remembered what {helper} had told {him}. "When you are lost, stand still and use your head."

- So {hero} stood still and thought. Then {he} noticed {guide}. "{guide.plan}!" {he} said.
- {He} took a deep breath and looked all around. There was {guide}! "{guide.plan}," {he} said. "I only have to follow it."
- {Hero} closed {his} eyes and counted to ten. When {he} opened them, {he} noticed {guide}. "{guide.plan}," {he} said slowly.

---

- {He} walked and walked. At last {he} saw a light. It was home! {Helper} stood at the door and ran to {him}.
- Step by step, {hero} came closer to home. {Helper} was already waiting with a lamp.
- It was a long way, but {he} was not afraid anymore. Soon {he} saw the roof and the door and {helper}.

- "There you are!" said {helper}, and held {him} tight. "I was so worried." "I am sorry," said {hero}. "Next time I will stay close."
- {Helper} was not angry. {Helper.He} gave {him} warm milk and a blanket. "You were very clever," said {helper}.
- "I followed {guide}," {hero} said. "That was smart," said {helper}. "But next time, take me with you!"

- {Hero} learned to look back now and then, so that {he} would know the way home.
- From that day on, {hero} never went into the woods alone.
- That night, {hero} slept very well. In {his} dream, {he} followed the {lure} again. But this time {he} knew the way.
- And {hero} learned that being calm is better than being fast.
`,
);

export const strangeSound = parsePlot(
  "strange sound",
  `
- <opening> {He} liked everything about {his} bed, but {he} did not like strange sounds.
- <opening> <likes>
- <opening> {He} slept in a small bed with {a} {color} blanket.

- One night, {hero} heard a sound. It went {sound}.
- One night, when the house was dark and still, something went {sound}.
- In the middle of the night, {he} woke up. "{Sound}," it went. {Hero} sat up in bed.

---

(maybe)
- "Who is there?" whispered {hero}. Nobody answered. But there it was again: {sound}.
- {Hero} pulled the blanket over {his} head. It did not help. The sound came again.
- "Maybe it is a monster," {he} thought. "Maybe it is a very big monster."

- {He} went to {helper}. "There is a monster in the house," {he} said. {Helper} listened. "Let's find out," said {helper}, and took the lamp.
- {He} held {his} {toy} tight and got out of bed. {His} knees shook, but {he} went on.
- "{Helper}, wake up!" {he} said. "Something goes {sound}!" {Helper} yawned. "Then we must look," {helper.he} said.
- {Hero} took a deep breath. "I am {hero}, and I am not afraid," {he} said, though it was not quite true.

(maybe)
- {He} went down the stairs, one step, two steps, three steps. The sound got louder and louder.
- The floor was cold. The shadows were long. {Hero} walked very, very slowly.
- {He} looked {nook}. Nothing. {He} looked {nook2}. Nothing.

---

- And then {hero} saw it. It was no monster at all! It was {sound.maker}. {sound.why}.
- {He} opened {his} eyes wide. There was {sound.maker}! {sound.why}.
- "Oh!" said {hero}, and {he} began to laugh. It was only {sound.maker}. {sound.why}.

(maybe)
- "Is that all?" said {hero}. {He} laughed so loud that everybody woke up.
- "So you made all that noise," said {hero}. {He} was not afraid anymore.
- {Hero} felt very silly, and then {he} felt very brave.

- Soon everything was quiet again, and {hero} went back to bed. Outside, the moon smiled.
- {Hero} learned that a monster gets very small when you look at it.
- From that night on, {hero} liked strange sounds. Each of them was a little story.
- "When you are afraid, go and look," {hero} told {friend} the next day. "It is nearly always something small."
`,
);

export const treasureMap = parsePlot(
  "treasure map",
  `
- <opening> <likes>
- <opening> {He} dreamed of finding a treasure.
- {Hero} and {friend.name} were best friends. They did everything together.

- <Day> {hero} found an old map {nook}. There was a big cross on it. {He} showed it to {friend}.
- <Day> {friend} came running with an old piece of paper. "It is a map, {hero}!" said {friend}. "A real treasure map!"
- <Day> the wind blew a piece of paper to {hero} and {friend}. It was a map with a red cross in the middle.

(maybe)
- "Let's find the treasure!" said {hero}. They took a rope, a lamp and two [apples|sandwiches|pears].
- "What are we waiting for?" asked {hero}. They packed a bag and went off.
- {Hero} looked at {friend}. {Friend} looked at {hero}. Then they both ran for their shovels.

---

- The map led them {place.to}. They walked ten steps past {a} {color} stone and turned left.
- First they went {place.to}. Then they went {place2.to}. There was a cross of white stones on the ground.
- They had to cross a stream and climb over a wall. At last they stood {place.at}, right where the cross was.

- They began to dig. They dug and dug. "I am tired," said {friend}. "Just a little more," said {hero}. Then, clunk! There was a box.
- They dug a deep hole. They found a bone, a boot and an old spoon. And then they found a chest.
- "Here!" called {hero}. Under the leaves there was a heavy box with {a} {color2} lock. It was not even closed.

- "Maybe it is full of gold!" said {friend}. They opened it slowly. Inside there was no gold. There were {treasure}!
- They held their breath and opened it. It was full of {treasure}.
- The lid went up with a squeak. And what was inside? {Treasure}, nothing but {treasure}!

---

(maybe)
- At first {hero} was a little sad. But then {friend} took one out and laughed, and soon they were both laughing.
- "This is better than gold," said {hero}. "You cannot play with gold."
- There was a note, too. It said, "For the one who finds this: share it, and it will be worth more."

- They carried the box home and shared everything with the others. <played>
- They gave some to {helper}, and some to {neighbor}, and kept the rest for rainy days.
- They took one each and put the rest back. "Somebody else should find it, too," said {hero}.

- {Hero} and {friend} learned that the search is the best part of a treasure.
- And they drew a new map, and hid it {spot} for somebody else to find.
- On the way home they held {hero.hands}. The best treasure of all, they thought, was to have a friend.
`,
);
