/**
 * Plots about sharing, helping and telling the truth.
 *
 * @module
 */

import { parsePlot } from "../plot.ts";

export const sharing = parsePlot(
  "sharing",
  `
- <opening> <likes>
- <opening> {He} liked good food, and {he} liked a lot of it.
- <opening> There was only one thing {he} did not like. {He} did not like to share.

- <Day> {helper} gave {him} {treat.some}. It smelled so good!
- <Day> {he} sat down {place.at} with {treat.some}. {He} was just about to eat it.
- <Day> {neighbor} gave {him} {treat.some} for {his} help. {Hero} wanted to eat it at once.

- {Friend} came by. "I am so hungry," said {friend}. "May I have a bite?"
- Then {friend} sat down next to {him}. "That looks good," said {friend} in a small voice. "My lunch fell into the river."
- {Friend} looked at the {treat}. "I had no breakfast today," said {friend}. "Could you give me a little?"

---

- {Hero} held the {treat} tight. "No, it is mine," {he} said. {Friend} looked at the ground and walked away.
- "It is mine, all mine!" said {hero}. {Friend} did not say a word and went away slowly.
- {Hero} shook {his} head. "It is too small to share," {he} said. {Friend} turned around so that nobody could see the tears.

- {Hero} took one bite. But the {treat} did not taste good anymore. {Hero} felt all alone.
- Soon {hero} felt bad. The {treat} was big, but {he} had nobody to laugh with.
- {He} looked at the {treat}. {He} looked at the empty place next to {him}. Eating alone was no fun at all.

---

- {He} jumped up and ran after {friend}. "Wait!" {he} called. "I am sorry. Half of it is for you."
- "{Friend}, come back!" called {hero}. {He} broke the {treat} in two and gave {friend} the bigger part.
- So {he} took the {treat} and looked for {friend} everywhere. {Friend} was sitting {spot}. "Please eat with me," said {hero}.

(maybe)
- They ate together, and now the {treat} tasted wonderful. <played>
- {Friend} smiled again. "Thank you," said {friend}. "Tomorrow I will share my lunch with you." And {friend} did.
- They ate every bit of it, down to the last crumb. Then they lay in the grass and looked at the clouds.

- {Hero} learned that food tastes better with a friend.
- From that day on, {hero} always brought enough for two.
- "Half of something with you is more than all of it without you," said {hero}, and they both laughed.
- The {treat} was gone very soon. But the friendship lasted for a long, long time.
`,
);

export const smallRescue = parsePlot(
  "small rescue",
  `
- <opening> <likes>
- <opening> {He} had a soft heart for everything that was small.
- <opening> When somebody needed help, {hero} was always there.

- <Day> {he} walked {place.to}. Suddenly {he} heard a soft cry. There was {a} {pet} {spot}.
- <Day> {he} found {a} {pet} {place.at}. It was cold and tired, and it could not move.
- <Day> {hero} and {friend} saw {a} {pet} {spot}. It was stuck, and it looked very scared.
- After the storm, {hero} went {place.to}. There {he} found {a} little {pet} that had lost its mother.

---

(maybe)
- "Do not be afraid," said {hero} softly. "I will help you."
- "You poor little {pet}," said {hero}. "What happened to you?"
- {Hero} sat down very slowly, so that the {pet} would not be scared.

- {He} tried to lift it with {his} {hero.hands}, but it was stuck. So {he} ran to get {helper}.
- {He} put it into {his} [hat|basket|scarf], very gently, and carried it home.
- {Hero} wrapped it in {his} {color} scarf and took it to {neighbor}, who knew a lot about animals.
- {He} did not know what to do. "Stay here, little one," {he} said, and ran home to ask {helper}.

- At home, they gave it water and something to eat. They made a bed of soft grass. All night long, {hero} sat beside it.
- "Now it needs food and sleep," thought {hero}. So {he} gave it both, and a song as well.
- First it would not eat. But {hero} waited, and waited, and at last it took a bite.

---

- After three days, the {pet} was strong again. {Hero} wanted to keep it. But {he} knew that it had to go home.
- In the morning, the {pet} opened its eyes and looked at {him}. It was well again!
- Day by day, the {pet} got better. It followed {hero} through the whole house.

- {Hero} took it back {place.to} and opened {his} {hero.hands}. "Goodbye, little {pet}," {he} said. It turned around once more, and then it was gone.
- They brought it back {place.to}. And there was its mother, looking for it everywhere!
- "You can go now," said {hero}. The {pet} looked at {him} for a long time. Then it went, very slowly, and looked back three times.

(maybe)
- The next spring, it came to visit {hero}. It had not forgotten {him}.
- {Hero} learned that nobody is too small to be helped, and nobody is too small to help.
- "You have a good heart," said {helper}. And {hero} felt warm inside.
- From then on, whenever {hero} went there, {he} heard a happy little sound, just for {him}.
`,
);

export const brokenThing = parsePlot(
  "broken thing",
  `
- <opening> {He} ran everywhere, even in the house.
- <opening> <likes>
- <opening> {He} was never still for a moment.

- In the house there was {a} {fragile}. It had its place {fragile.at}, and {helper} loved it very much.
- {Helper} had {a} {fragile}. "Please be careful with it," {helper.he} always said.
- {Helper}'s {fragile} was very old. Nobody was allowed to play near it.

- <Day> {hero} played ball inside. The ball flew up, up, up. Crash! The {fragile} was broken.
- <Day> {he} danced around and around. {He} did not look where {he} went. Crash! There lay the {fragile}, in a hundred pieces.
- <Day> {he} wanted to look at the {fragile}, just once. But it slipped out of {his} {hero.hands}. Crash!

---

(maybe)
- {Hero} stood very still. {His} heart went bump, bump, bump. "What will {helper} say?" {he} thought.
- "Oh no," whispered {hero}. {He} wanted to hide {nook}.
- Nobody had seen it. {Hero} could say that the wind did it, or the cat.

(maybe)
- {Friend} looked in at the window. "Just say that you do not know anything," said {friend}. But {hero} shook {his} head. That did not feel right.
- {He} hid the pieces {nook2}. But the whole day long {he} could not laugh, and at dinner {he} could not eat.
- For a moment {he} wanted to run away. But then {he} thought of {helper}'s face.

- So {he} went to {helper}. "I broke the {fragile}," {he} said, and tears ran down {his} face. "I am so sorry."
- At last {he} went to {helper}. "I have to tell you something," said {hero}. And {he} told everything.
- "{Helper}," {he} said in a tiny voice, "it was me. I broke it."

---

- {Helper} was quiet for a while. Then {helper.he} took {hero} in {helper.his} arms. "I am sad about the {fragile}," said {helper}. "But I am glad that you told me the truth."
- {Helper} looked at the pieces and sighed. "A thing can be fixed," said {helper}. "A lie is much harder to fix."
- "Thank you for telling me," said {helper}. "That was brave. It is only a thing. You are more important."

(maybe)
- Together they put the pieces back with glue. It did not look the same. But {helper} said that it was even better now.
- {Hero} helped {helper} to clean up. Then they made a new one together.
- They used the pieces to make a picture with a sun and a tree. It hangs in the kitchen to this day.

- {Hero} learned that the truth is hard for a minute, and a lie is hard for a long time.
- From that day on, {hero} played ball outside.
- That night, {hero} slept very well. {His} heart was light again.
- And whenever {hero} made a mistake, {he} told the truth. It was always the best way.
`,
);

export const theBoaster = parsePlot(
  "the boaster",
  `
- <opening> {He} was very {boast}, and {he} said so all day long.
- There once was {a} {hero.kind} named {hero} who liked to boast. "I am {boast.most} of all!" {he} always said.
- {Hero} was {boast}. {He} knew it, and {he} wanted everybody to know it.

- "Nobody is as {boast} as me," {he} told {friend}. "Look!" And {he} {boast.proof}.
- Every morning {he} {boast.proof}. "Who can do that?" {he} asked. {Friend} only smiled and said nothing.
- <Day> {he} saw {friend}. "You are so slow and so small," said {hero}. "I am {boast.most} one here." {Friend} was hurt and went away.

---

- Then one day, {hero} fell into a deep hole {place.at}. {He} was very {boast}, but that did not help {him} now.
- But that afternoon, a strong rain came. {Hero} was stuck in the mud {place.at}, and {he} could not get out.
- Soon after that, {hero} got caught in an old net {place.at}. {He} pulled and pulled, but the net only got tighter.

(maybe)
- "Help!" {he} called. But the others had gone home, for they were tired of {his} boasting.
- "I am so {boast}," {he} said to {himself}, "but what good is it now?"
- {He} called and called until {his} voice was gone.

- Only {friend} heard {him}. {Friend} came as fast as {friend.he} could, with a long rope.
- After a long time, {he} heard small steps. It was {friend}! "Hold on," said {friend}. "I have an idea."
- Then a face looked at {him}. It was {friend}. "Are you going to laugh at me?" asked {hero}. "No," said {friend}. "I am going to help you."

---

- {Friend} tied the rope to a tree. {Hero} held on, and {friend} pulled. Slowly, slowly, {hero} came out.
- {Friend} was not strong, but {friend.he} was patient. Bit by bit, {hero} was free.
- {Friend} got a branch, and {hero} climbed along it. Soon {he} was out and safe.

- "Thank you," said {hero}, and {his} face was red. "I said bad things about you. I am sorry." "It is all right," said {friend}.
- {Hero} looked down. "You are the real hero," {he} said. "I only talk. You help."
- <thanks> "I am not {boast.most} of all. I am only the luckiest, because I have you."

- From that day on, {hero} did not boast anymore. When somebody did well, {he} was the first to clap.
- {Hero} learned that a kind heart is better than being {boast}.
- And when others asked who was the best, {hero} pointed at {friend}.
- Now {hero} is still {boast}. But {he} does not talk about it, and everybody likes {him} much better.
`,
);

export const oldNeighbor = parsePlot(
  "old neighbor",
  `
- <opening> <likes>
- <opening> Next door lived {neighbor}, who was old and lived alone.
- <opening> Every day, {he} walked past the house of {neighbor}.

- <Day> {he} saw {neighbor} with a heavy bag. {Neighbor} had to stop after every step.
- <Day> {neighbor} sat {place.at} and looked sad. "My back hurts," said {neighbor}, "and there is so much to do."
- <Day> {hero} noticed that the house of {neighbor} was dark. Nobody had picked up the paper. "Is everything all right?" {he} wondered.

(maybe)
- {Hero} wanted to play with {friend}. But then {he} thought, "I can play later."
- "Come on, {hero}, we want to play!" called {friend}. {Hero} looked at {neighbor}. "I will come later," {he} said.
- {He} was a little shy. But {he} took all {his} courage and said, "Can I help you?"

---

- {Hero} carried the bag into the house. Then {he} {chore.done}, and {neighbor} told {him} a story.
- "I can {chore}," said {hero}. And {he} did. {He} worked until everything was done.
- {Hero} {chore.done}. {He} {chore2.done}. It took all afternoon, but it was fun.

(maybe)
- {Neighbor} had many stories. {Neighbor.He} told {hero} about ships and storms and faraway lands.
- "When I was little like you," said {neighbor}, "I once rode on a goat all the way to the market." {Hero} laughed and laughed.
- {Neighbor} played a song on an old flute. {Hero} had never heard such a beautiful song.

- When it was time to go, {neighbor} gave {him} {a} {look} {toy}. "I had this when I was little," said {neighbor}. "Now it is yours."
- "You made my day," said {neighbor}, and gave {him} {treat.some}. It tasted wonderful.
- "Will you come again?" asked {neighbor}. "Tomorrow!" said {hero}. "And I will bring my friend {friend.name}!"

---

(maybe)
- The next day, {hero} came back with {friend}. Together they {chore3.done}, and after that there were more stories.
- Soon everybody came to visit {neighbor}. The dark house was full of laughter.
- From then on, {hero} came every week. {He} helped a little, and {he} listened a lot.

- {Hero} learned that a little help can be a very big present.
- "I went to help," {hero} said to {helper}, "but I got more than I gave."
- And {neighbor} was never alone again.
- That night, {hero} dreamed of ships and goats and faraway lands.
`,
);
