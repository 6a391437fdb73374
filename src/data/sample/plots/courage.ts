/**
 * Plots about fears, first tries, races and new friends.
 *
 * @module
 */

import { parsePlot } from "../plot.ts";

export const facingFear = parsePlot(
  "facing fear",
  `
- <opening> {He} was not afraid of spiders, and not of bees. But {he} was afraid of {fear}.
- <opening> But {he} had a secret. {He} was afraid of {fear}.
- <opening> <likes> There was only one thing {he} did not like at all, and that was {fear}.

- {fear.when} {he} wanted to hide.
- {fear.when} {his} knees began to shake.
- {fear.when} {he} held {his} {toy} as tight as {he} could.

(maybe)
- {Friend} did not know it. {Hero} was too shy to tell.
- "I will never, never like {fear}," {he} told {helper}.
- The others laughed about it, but {friend} did not laugh.

---

- <Day> {helper} sat down next to {him}. "Everybody is afraid of something," said {helper}. "Do you want to know a secret? {fear.Is} is {fear.truth}."
- <Day> {he} asked {helper}, "How do you get brave?" {Helper} thought about it. "You take a very small step," said {helper}. "And then another one."
- "When I was little, I was afraid of {fear}, too," said {neighbor}. "Then somebody told me that it is {fear.truth}."
- "Take my hand," said {friend}. "I am a bit afraid, too. But two who are a bit afraid are nearly brave."

(maybe)
- "Come with me," said {helper}. "We will look at it together, and you may stop at any time."
- {Hero} was not sure. But {he} wanted to try.
- {Hero} thought about it for a whole day. Then {he} said, "All right. But please stay with me."

---

- The next time, {he} did not run away. {His} heart went bump, bump, bump. {He} counted to ten. Nothing bad happened.
- When the time came, {hero} shut {his} eyes. Then {he} opened one eye. Then {he} opened the other one. It was not so bad!
- So {he} took one small step, and then another small step. {He} was still afraid, but {he} did it.

- "I did it!" {he} shouted. "{fear.Is} is {fear.truth}!"
- Then {he} began to laugh. "Is that all?" {he} said. "It is {fear.truth}!"
- {He} waited, and listened, and looked. It was true. It was {fear.truth}.

(maybe)
- {Helper} was very proud of {him}. <thanked>
- <cheered> "Again!" {he} said.
- {He} ran to {friend} and told {friend.him} everything.

- {Hero} learned that being brave means being afraid and doing it anyway.
- From that day on, {hero} helped others who were afraid. "Take a very small step," {he} told them.
- That night, {hero} slept very well. And {he} did not need the {toy} to be brave.
- {Hero} was still a little afraid sometimes. But now {he} knew what to do.
`,
);

export const learning = parsePlot(
  "learning",
  `
- <opening> {He} wanted to learn to {skill}.
- <opening> {He} had one big dream. {He} wanted to {skill}.
- <opening> All of {his} friends could {skill}. Only {hero} could not.

- <Day> {he} tried it for the first time. But {he} {skill.fail}.
- <Day> {he} went {place.to} and tried. {He} {skill.fail}.
- "How hard can it be?" {he} thought. Then {he} tried, and {he} {skill.fail}.

(maybe)
- Some of the others saw it and laughed. {Hero} turned red and ran home.
- "I will never learn it," {he} said, and kicked a stone.
- {He} tried again. {He} {skill.fail} again. <wept>

---

- {Friend} saw {him}. "I was not good at it either," said {friend}. "I tried a hundred times. Do you want me to show you?"
- "How did you learn to {skill}?" {he} asked {neighbor}. {Neighbor} laughed. "By doing it wrong, again and again," {neighbor.he} said.
- {Helper} found {him} {spot}. "You cannot do it yet," said {helper}. "Yet is a very important word."

- So {hero} tried every day. On Monday it went badly. On Tuesday it went a little better. On Wednesday it rained, and {he} tried it anyway.
- So {hero} got up early every morning and tried. Some days were good, and some days were bad.
- {He} did it slowly at first, and then a bit faster. {He} made many mistakes, but each time it was a new one.

---

- Then one morning, something was different. {Hero} took a deep breath and tried. And it worked! {He} could {skill}!
- And at the end of the week, {he} could {skill}. Just like that!
- "Look, {helper}, look!" {he} called. {He} could do it! {He} could really {skill}!

(maybe)
- <cheered> "You see?" said {friend}. "I knew it."
- Everybody came to watch. Even those who had laughed were clapping now.
- {Helper} was so proud that {helper.he} had to wipe {helper.his} eyes.

- "What do you want to learn next?" asked {helper}. {Hero} had to think. "Everything," {he} said.
- {Hero} learned that if you do not give up, you will get better.
- Soon after that, {hero} saw a little one who {skill.fail}. "Do not worry," said {hero}. "I will show you."
- From that day on, {hero} never said "I cannot." {He} said, "I cannot do it yet."
`,
);

export const theRace = parsePlot(
  "the race",
  `
- <opening> {He} loved to run. {He} ran to school, and {he} ran to bed.
- <opening> {He} wanted to win just one time in {his} life.
- {Hero} and {friend.name} lived next to each other. They both loved to run, and they both loved to win.

- Every summer, there was a big race {place.at}. The winner got {a} {look} {toy}.
- <Day> {neighbor} said, "Tomorrow there will be a race {place.to}. The prize is {a} {look} {toy}!"
- Soon it was the day of the great race. {Hero} had waited for it all year. The prize was {a} {look} {toy}.

(maybe)
- "I will win," said {friend}. "We will see," said {hero}.
- {Friend} wanted to win, too. They shook {hero.hands} before the start.
- {Hero} stood next to {friend}. {His} heart beat fast.

---

- "Ready, set, go!" called {neighbor}. Off they went! {Hero} ran as fast as the wind. {He} was the first!
- {Neighbor} blew the whistle, and they all ran. Past the fence, over the stream, around the tree. {Hero} was in front.
- "Go!" shouted everybody. {Hero} ran and ran. Soon {he} had left the others behind {him}.

- Then {he} heard a cry. {Friend} had fallen over a root and was holding {friend.his} leg.
- Then there was a splash. {Friend} had slipped into the stream!
- But {spot} there was {a} little {pet}. It was stuck and could not get away. Soon the other runners would come.

- {Hero} looked at the line. It was so close! {He} looked back. Then {he} turned around.
- "If I stop, I will lose," thought {hero}. "But if I do not stop, I will feel bad for ever." So {he} stopped.
- {Hero} did not think for long. {He} stopped at once and ran to help.

---

- {He} helped, as well as {he} could. The others ran past them, one after the other. {Hero} did not mind.
- {Hero} stayed and helped. When everything was well again, the race was over. {Hero} came in last.
- {Hero} helped, as well as {he} could. Then they came to the goal, very late and very slowly. But everybody stood up and clapped.

(maybe)
- {Neighbor} gave the prize to the winner. Then {neighbor.he} said, "There is one more prize today. It is for the biggest heart." And {neighbor.he} gave {hero} a [flower|ribbon|golden star].
- The winner came to {hero} with the {toy}. "I think this is yours," said the winner. "You would have won."
- "Why did you stop?" asked {neighbor}. "There will be a race next year, too," said {hero}. "Today somebody needed me."

- {Hero} did not win the {look} {toy}. But {he} was the happiest one of all.
- {Hero} learned that being kind is better than being first.
- <night> {Hero} had lost the race, but {he} felt like a winner.
- The next year, {hero} ran again. And this time, {hero} and {friend} crossed the line together.
`,
);

export const newFriend = parsePlot(
  "new friend",
  `
- <opening> But {he} had nobody to play with.
- <opening> {He} had just come to a new place, and {he} did not know anybody.
- <opening> <likes> But it was not much fun alone.

- <Day> {he} went {place.to} with {his} {look} {toy}. There sat {friend.intro}, all alone.
- <Day> {he} saw {friend.intro} {place.at}. {Friend} had {a} {look2} {toy2}.
- <Day> {friend.intro} came along the road. {Friend} looked at the ground and did not say a word.

- {Hero} wanted to say hello, but {he} was too shy. {He} hid {spot}.
- "Maybe {friend.he} does not like me," thought {hero}. {He} looked at {his} feet.
- {Hero} looked at {friend}. {Friend} looked at {hero}. Nobody said anything.

---

- Then the wind took {hero}'s {toy} and rolled it right up to {friend}. {Friend} picked it up. "Is this yours?" asked {friend}.
- Then {a} {lure} landed right between them. They both looked at it, and they both laughed.
- At last {hero} took all {his} courage. "Hello," {he} said. "I am {hero}. Do you want to play {game}?"
- Then it began to rain. They both ran under the same tree. "Hello," said {friend}. "Hello," said {hero}.

- "I am {friend}. I thought you did not like me." "And I thought you did not like me!" said {hero}.
- "I was too shy to say hello," said {friend}. "So was I!" said {hero}. And that was very funny.
- {Friend} smiled. "I like your {look} {toy}," {friend.he} said. "You can hold it," said {hero}.

(maybe)
- {Friend} showed {him} how to {hobby3}. {Hero} showed {friend} how to {hobby4}. The time went by so fast!
- <played> They liked the same games and the same jokes.
- They played {game}. They shared {treat.some}. It was the best day in a long time.

---

(maybe)
- When it got dark, they had to go home. "Will you come tomorrow?" asked {hero}. "Of course," said {friend}.
- "Tomorrow again?" asked {friend}. "Tomorrow and every day," said {hero}.
- "{Helper}, I have a friend!" {hero} called at the door. {Helper} was so glad to hear it.

- And so they became best friends.
- {Hero} learned that sometimes you only have to say hello.
- From that day on, {hero} was never alone. And whenever {he} saw a new face, {he} said hello first.
- <night> "A friend is the best thing you can find on a walk," {he} thought.
`,
);

export const theShow = parsePlot(
  "the show",
  `
- <opening> {He} had a beautiful voice, but {he} only sang when nobody was there.
- <opening> {He} loved to sing, but only very softly, in {his} own room.
- <opening> {He} sang in the morning, and {he} sang in the bath. But when somebody came in, {he} stopped.

- Soon there was going to be a show {place.at}. Everybody had to do something. {Friend} wanted to {hobby}.
- <Day> {neighbor} said, "On Sunday we will have a big show {place.at}! Who wants to sing?" {Friend} pointed at {hero}.
- <Day> {friend} heard {him} sing. "You must sing at the show {place.at}!" said {friend}.

- "Not me," said {hero}. "They will all look at me."
- "I cannot," said {hero}. "My voice will run away and hide."
- "Oh no," said {hero}, and turned as red as an apple.

---

(maybe)
- "Look only at me," said {friend}. "Sing it just for me. The others are only there by chance."
- {Helper} gave {him} {a} {look} {toy}. "Hold it when you sing," said {helper}. "It will keep your voice safe."
- "My knees shake every time," said {neighbor}. "They shake, and I sing. It goes very well together."

- The day of the show came. {Hero} stood behind the curtain. {His} {hero.hands} were cold.
- Then it was {hero}'s turn. It got very, very quiet. {Hero} opened {his} mouth, but nothing came out.
- On Sunday, all the seats were full. {Hero} wanted to run away.

- {He} looked at {friend}. {Friend} smiled and nodded. So {hero} closed {his} eyes and began to sing.
- {He} took a deep breath. The first note was as small as a mouse. The second one was bigger. Then the song came all by itself.
- Then {he} thought of {his} own quiet room, and of the birds at the window. And {he} sang.

---

- When the song was over, nobody moved. Then they all jumped up and clapped and clapped.
- {He} sang the whole song, from the first word to the last. {Neighbor} had tears in {neighbor.his} eyes.
- The birds in the trees stopped to listen. And then everybody sang along.

(maybe)
- "More!" they called. And {hero} was happy to sing one more song.
- <cheered> "Were you afraid?" asked {friend}. "Yes," said {hero}, "but the song was stronger."
- <thanks> "Without you I would still be behind the curtain."

- From that day on, {hero} left the door open when {he} sang.
- {Hero} learned that a gift gets bigger when you share it.
- That night, {helper} heard {him} sing in {his} sleep.
- And the next year, {hero} stood next to a shy little one and said, "Sing it just for me."
`,
);
