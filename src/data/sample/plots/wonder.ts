/**
 * Plots with a little magic in them.
 *
 * @module
 */

import { parsePlot } from "../plot.ts";

export const oneWish = parsePlot(
  "one wish",
  `
- <opening> {He} wanted so many things. Most of all, {he} wanted {wish}.
- <opening> <likes> And every night, {he} dreamed of {wish}.
- <opening> {He} often said, "I wish I had {wish}!"

- <Day> {he} walked {place.to}. There, {magic.where}, {he} saw {magic}.
- <Day> {he} heard a tiny voice {place.at}. {magic.Where}, there was {magic}!
- <Day> {hero} was alone {place.at}. Suddenly everything began to shine. And {magic.where}, {he} saw {magic}.

- "Please help me," it said. "I am stuck." {Hero} was careful and kind, and soon it was free.
- "I am so thirsty," it said. {Hero} ran to the well and brought some water.
- "Nobody ever stops to say hello," it said. So {hero} sat down and talked with it all afternoon.

- "You were good to me," it said. "Now you have one wish. But think about it well."
- "Thank you," it said. "I will give you one wish. Only one!"
- "Because you have a kind heart," it said, "you may wish for one thing. What will it be?"

---

- {Hero} did not have to think. "I want..." {he} began. But then {he} saw {friend} {spot}. {Friend} was crying.
- "{Wish}!" {he} wanted to say. But then {he} thought of {neighbor}, who was ill and had been in bed for weeks.
- {He} opened {his} mouth to say "{wish}". But then {he} thought of {helper}, who was so tired every night.

(maybe)
- {Hero} thought about {wish}. Then {he} thought about it again. It did not seem so important anymore.
- "If I had {wish}," {he} thought, "I would be happy for a day. But somebody else needs the wish more than I do."
- It was very hard. {He} really wanted {wish}. But {he} knew what was right.

- "I wish that everybody here is well and happy," said {hero}. There was a flash of light, and a sound like a little bell.
- So {he} said it quickly, before {he} could change {his} mind. "Please make everybody happy. Everybody!"
- {He} bent down and whispered the wish. It was not for {himself}. It was for somebody else.

---

- When {hero} came home, everybody was singing. {Neighbor} was dancing in the street, and {friend} was laughing.
- {Hero} ran home. {Helper} stood at the door and laughed, and the whole house smelled of cake.
- The next morning, the sun seemed brighter. {Friend} came running, and {neighbor} waved from the window.

(maybe)
- And {hero}? {He} did not get {wish}. But {he} had never been so happy.
- On {his} bed lay {a} {look} {toy}, with a note. It said, "For the one who wished for others."
- "What did you wish for?" asked {friend}. {Hero} only smiled.

- {Hero} learned that joy is bigger when you give it away.
- And sometimes, {place.at}, {hero} still sees something shine, just for a moment.
- That night, {hero} dreamed of {wish}. In a dream, you do not need a wish for that.
- From that day on, {hero} wanted a little less and laughed a little more.
`,
);

export const cannotSleep = parsePlot(
  "cannot sleep",
  `
- <opening> One night, {he} could not sleep.
- <opening> It was late, and {he} was in bed. But {his} eyes would not close.
- It was a warm night. {Hero} lay in bed and looked at the ceiling. {He} was {a} {trait} {hero.kind}, but {he} was not a tired one.

(maybe)
- {He} turned to the left. {He} turned to the right. {He} turned {his} pillow around. It did not help.
- {He} counted sheep. At a hundred, the sheep were asleep, but {hero} was not.
- "I am not tired," {he} told {his} {look} {toy}. The {toy} said nothing. It was already asleep.

- {He} got up and went to {helper}. "I cannot sleep," {he} said. "Did you ask the moon?" said {helper}. "The moon knows how."
- Then {he} saw the moon at the window. "Can you not sleep, either?" asked {hero}.
- {Helper} came in and sat on the bed. "Let's say good night to everything," said {helper}. "That helps."

---

- So {hero} looked out. "Good night, {place}," {he} said. "Good night, {place2}. Good night, little {pet}, wherever you are."
- "Good night, bed," said {hero}. "Good night, {toy}. Good night, shoes. Good night, {friend.name}, in your own bed."
- {Hero} looked out of the window. The {place} was asleep. The {place2} was asleep. Even the wind lay {spot} and did not move.

(maybe)
- {A} {lure} came to the window, and then it was gone, too. Everything was going to bed.
- Far away, an owl called. A train went by, very softly. Then it was still.
- {He} thought of the day. {He} had played {game} with {friend}, and {he} had shared {treat.some} with {friend.him}.

- {His} voice got lower and lower. {His} arms got heavy, and then {his} legs did, too.
- The moon came a little closer, as if it wanted to listen.
- {Hero} yawned. {Helper} yawned. It is hard not to yawn when somebody else does.

---

- "Good night, moon," said {hero}. And the moon, very softly, said good night.
- "Are you still awake?" whispered {helper}. There was no answer.
- "I am still not..." said {hero}. But {he} did not get to the end of it.

(maybe)
- {Helper} pulled up the blanket and turned off the lamp.
- And then {hero} was asleep, and so was the whole house.
- In {his} dream, {hero} flew over the {place} with {his} {toy}. And {friend} was there, too.

- And you? Are you asleep, too?
- Good night, {hero}. Sleep well until the morning.
- When the sun came up, {hero} could not remember how it had happened. That is how sleep works.
- And the moon went on to the next window, where somebody else was still awake.
`,
);

export const theTrade = parsePlot(
  "the trade",
  `
- <opening> {He} had {a} {look} {toy}, but {he} did not play with it anymore.
- <opening> <likes> {He} had {a} {look} {toy}, and {he} was a little tired of it.
- <opening> {He} had {a} {look} {toy}, and {he} liked to trade things with others.

- <Day> {he} took the {look} {toy} and went out to see what {he} could get for it.
- <Day> {he} met {friend} {place.at}. "I will give you my {look2} {toy2} for your {look} {toy}," said {friend}.
- <Day> {helper} said, "Go and see if somebody needs your {look} {toy}." So {hero} went off with it.

- Soon {he} traded the {toy} for {a} {look2} {toy2}. "What a good trade!" {he} thought.
- {He} gave away the {toy} and got {a} {look2} {toy2}. {He} was pleased with {himself}.
- So {hero} went home with {a} {look2} {toy2}, and the {toy} was gone.

---

- Then {he} met {neighbor}. {Neighbor} was cold and tired and had not eaten all day. "Take this," said {hero}, and gave {neighbor.him} the {toy2}. "You can sell it and buy some soup."
- But on the way, {he} saw a little one who was crying. "My {toy2} fell into the river," the little one said. {Hero} looked at {his} new {toy2}. Then {he} gave it away.
- But the {toy2} belonged to somebody else! {Neighbor} had lost it {spot} and was very sad. {Hero} gave it back at once.

- "I have nothing to give you for it," {hero} heard. "That is all right," {he} said.
- "What do you want for it?" "Nothing," said {hero}. It was the first time that {he} had said so.
- {He} got a big smile for it. {He} looked at the smile for a long time.

(maybe)
- Now {his} {hero.hands} were empty. But {his} heart was light, and {he} whistled all the way.
- So {he} came home with nothing at all.
- {Hero} walked on with empty {hero.hands}. It was strange. {He} did not feel poor. {He} felt rich.

---

- "What did you get for your {toy}?" asked {helper}. "A smile," said {hero}. "Then you made the best trade of all," said {helper}.
- The next day, there was a packet at the door. In it was {a} {look3} {toy3}. "From a friend," said the note.
- In the evening, there was a knock. There stood {neighbor} with {treat.some}. "I want to trade," said {neighbor}. "This, for another visit from you."

- {Hero} learned that you can give something away and still have more than before.
- From that day on, {hero} kept {his} eyes open for somebody who needed something.
- <night> It was the best day of trading in {hero}'s life.
- And whenever {hero} tells this story, {he} smiles that very same smile.
`,
);

export const snowVisitor = parsePlot(
  "snow visitor",
  `
- <opening> {He} was waiting for the snow.
- <opening> <likes> But best of all, {he} liked the winter.
- <opening> Every morning {he} ran to the window and looked for snow.

- One morning, the whole world was white. {Hero} put on {his} {color} scarf and ran out.
- One night, it began to snow. In the morning, the {place} was as white as milk. {Hero} could not wait to go out.
- At last it snowed! It snowed on the {place}, and it snowed on {helper}'s hat.

- {Hero} and {friend} made a snowman. They gave it two stones for eyes, a carrot for a nose and an old hat.
- With {friend}, {he} rolled one big ball, and one middle ball, and one small ball. It was a fine snowman.
- {He} made a snowman, as tall as {himself}. {Friend} brought a carrot for the nose and an old hat.

---

(maybe)
- "You look cold," said {hero}. {He} gave the snowman {his} own scarf.
- "It looks so alone," said {friend}. So they made a little snow dog, too.
- "What is your name?" asked {hero}. The snowman did not answer. "Then you are Mr. Winter," said {hero}.

- In the night, {hero} looked out of the window. The snowman was not there! It was dancing with the moon {place2.at}.
- That night, there was a soft knock at the window. It was the snowman! "Thank you for making me," it said. "Do you want to fly?"
- When everybody was asleep, {hero} heard somebody laugh. {He} looked out. The snowman had taken off its hat and was catching stars in it.

- They flew over the {place}, and over the roofs, and over the sleeping trees. It was cold and quiet and wonderful.
- The snowman showed {him} how the frost paints flowers, and where the wind keeps its whistle.
- "Hush," said the snowman. "This is our secret." And a star fell down and melted on {hero}'s nose.

---

- In the morning, {hero} did not know if it had been a dream. But there was snow on {his} slippers.
- The next day, the snowman stood in its place again. But it had a new smile, and there was a star on its hat.
- Then the days got warm. The snowman got smaller and smaller. {Hero} was sad. "I will come back," it whispered.

- When spring came, only the hat was left, and the carrot. {Hero} kept the hat. Next year, somebody would need it.
- {Hero} told {friend} about it. {Friend} did not laugh. "I saw it, too," said {friend}.
- Where the snowman had stood, the first flower of the year came up. It was {color2}.

- {Hero} learned that some friends go away, and that they come back when it is time.
- And every winter, {hero} looks for a certain smile in the snow.
- "Goodbye, old friend," said {hero}. "See you when it snows."
- <night> Outside, very softly, it began to snow.
`,
);

export const balloonTrip = parsePlot(
  "balloon trip",
  `
- <opening> {He} often looked at the sky and thought, "I want to see the world from up there."
- <opening> <likes> But {his} biggest dream was to fly.
- <opening> {He} knew every stone and every tree near the house. {He} wanted to see more.

- <Day> {hero} found a big {color} balloon {place.at}. {He} held on to the string. And up {he} went!
- <Day> {neighbor} came with a balloon as big as a house. "I need somebody to hold the map," said {neighbor}. "Will you come?"
- <Day> {hero} and {friend} tied a hundred balloons to {a} {color} basket. They sat down in it, and it began to fly!

- Up, up, up it went, over the {place}, over the {place2}, over the clouds.
- The houses got small, and then they got smaller. The {place} looked like a green stamp.
- {Hero} waved to {helper}, and {helper} was as small as an ant.

---

(maybe)
- {A} {flyer} flew past and said hello. A cloud tasted of rain and a little of lemon.
- It was so quiet up there that {hero} could hear {his} own heart. "Hello, world," {he} said.
- {He} saw a whole train, as small as a worm. {He} saw the sea, and ships like crumbs.

- But the wind got stronger. It pushed the balloon further and further from home.
- Then the sun went down, and it got cold. {Hero} began to miss {his} bed, and {helper}, and even the soup.
- Then {he} could not see the house anymore. "How do I get home?" {he} asked. The wind only laughed.

- "Wind," said {hero}, "you have seen the whole world. Can you show me the way back?" The wind liked to be asked. It turned around at once.
- {Hero} thought hard. Then {he} sang the song that {helper} sang every night. Far away, a lamp went on, and {he} knew where to go.
- {He} let a little air out, very carefully, and then a little more. The balloon went down, lower and lower.

---

- It came down {place2.at}, soft as a feather. {Helper} was already there.
- Bump! {Hero} landed {spot}, right behind {his} own house.
- And there was the roof, and there was the door, and there was {helper}, with both arms wide open.

(maybe)
- "Where were you?" asked {helper}. "Up there," said {hero}, "but it is nicer down here."
- "Did you see the whole world?" everybody wanted to know. "Nearly," said {hero}. "But the best part of it is here."
- "I brought you something," said {hero}, and gave {helper} a little piece of cloud. It was only a drop of water now, but {helper} kept it.

- {Hero} learned that it is good to go far, and that it is very good to come home.
- <night> The wind sang at the window, and {hero} knew the song.
- And when the wind blows from the {place}, {hero} still waves at it.
- From that day on, {hero} looked at {his} own street as if it were new.
`,
);
