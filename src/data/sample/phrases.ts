/**
 * Turns of phrase that many plots share, each drawn anew at every use.
 *
 * @module
 */

import { parseTemplate, type Template } from "./sentence.ts";

const SOURCES: Record<string, string[]> = {
  // Who the hero is.
  opening: [
    "Once upon a time, there was {a} {trait} {hero.kind} named {hero}.",
    "Once upon a time, there was a little {hero.kind} named {hero}. {He} lived {home}.",
    "Once there was {a} {trait} {hero.kind} called {hero}, who lived {home}.",
    "{Hero} was {a} {trait} little {hero.kind}. {He} lived {home}.",
    "{Hero} was {a} {trait} {hero.kind} who lived with {helper} {home}.",
    "Long ago, {a} {trait} {hero.kind} named {hero} lived {home}.",
    "There was once {a} {hero.kind} named {hero}. Everyone knew {him}, because {he} was so {trait}.",
    "{A} {trait} {hero.kind} named {hero} lived {home}.",
  ],
  likes: [
    "{He} loved to {hobby}.",
    "{He} liked to {hobby} more than anything else.",
    "Every day, {he} liked to {hobby}.",
    "{He} liked to {hobby}, and {he} loved to {hobby2}.",
    "In the morning {he} liked to {hobby}, and in the evening {he} liked to {hobby2}.",
  ],
  Day: [
    "One [sunny|warm|bright|windy|cool|quiet|lovely|fine] [morning|day|afternoon],",
    "One day,",
    "One morning, after breakfast,",
    "On [Monday|Tuesday|Friday|Saturday|Sunday],",
  ],
  // Feelings.
  glad: ["[so|very] [happy|glad|proud]", "happy", "full of joy"],
  sad: ["sad", "very sad", "[so|very] unhappy"],
  smiled: [
    "smiled",
    "laughed",
    "nodded",
    "smiled from ear to ear",
    "gave a big smile",
  ],
  cheered: [
    "{Hero} jumped up and down with joy.",
    "{Hero} clapped {his} {hero.hands} and laughed.",
    "{Hero} was <glad>.",
    "{Hero} danced around in a circle.",
    "A big smile came over {hero}'s face.",
    "{Hero} laughed out loud.",
  ],
  wept: [
    "{Hero} began to cry.",
    "Tears ran down {hero}'s face.",
    "{Hero} felt <sad>.",
    "{Hero} sat down and sighed.",
    "{Hero}'s eyes filled with tears.",
  ],
  // Between friends.
  thanks: [
    '"Thank you, {friend}!" said {hero}.',
    '"Thank you so much," {hero} said to {friend}.',
    '"You are a good friend, {friend}," said {hero}.',
    "{Hero} thanked {friend} and gave {friend.him} a hug.",
  ],
  thanked: [
    '"Thank you, {helper}," said {hero}.',
    "{Hero} gave {helper} a big hug.",
    "{Hero} hugged {helper} tight.",
  ],
  played: [
    "They played {game} until the sun went down.",
    "They laughed and played {game} all afternoon.",
    "They played {game} until it was time for dinner.",
    "Then they played {game} together until the stars came out.",
    "They played together all day long.",
  ],
  // The end of the day.
  night: [
    "That night, {hero} fell asleep with a smile.",
    "That night, {hero} lay in bed and thought about it.",
    "{Hero} went home and slept very well.",
    "When the moon came up, {hero} was fast asleep.",
  ],
};

/** Phrases by name, parsed. */
export const PHRASES: Readonly<Record<string, readonly Template[]>> = Object
  .fromEntries(
    Object.entries(SOURCES).map((
      [name, sources],
    ) => [name, sources.map(parseTemplate)]),
  );
