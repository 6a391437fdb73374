import assert from "node:assert/strict";
import { type Scenario, searchSchedules } from "./_thread_schedules.ts";

/** "2 3s": a stage of two chunks, then one of three that are shared out. */
function stages(text: string): Scenario["stages"] {
  return text.split(" ").map((stage) => ({
    n: parseInt(stage),
    shares: stage.endsWith("s"),
  }));
}

const scenarios: Record<string, Scenario> = {
  "one thread": { threads: 1, stages: stages("2 3s 0 1") },
  "chunks in order": { threads: 2, stages: stages("2 1 2") },
  "shares and chunks in order": { threads: 2, stages: stages("2s 1 3s") },
  "nothing to do in a stage": { threads: 2, stages: stages("0 1 0s 2 0") },
  "the number of a stage begins anew": {
    threads: 2,
    stages: stages("2 1s 0 1 2"),
    firstStage: 2,
    lastStage: 4,
  },
  "a profile": { threads: 2, stages: stages("1 2s 1"), profile: true },
  "three threads": { threads: 3, stages: stages("1 1s"), spins: 0 },
  "a failure amid a chunk": {
    threads: 2,
    stages: stages("1 2 2s"),
    failure: { stage: 1, chunk: 0 },
  },
  "a failure while two sleep": {
    threads: 3,
    stages: stages("1 1"),
    failure: { stage: 0, chunk: 0 },
    spins: 0,
  },
};
for (const [name, scenario] of Object.entries(scenarios)) {
  Deno.test(`threads in every order: ${name}`, async () => {
    await searchSchedules(scenario);
  });
}

/** What is in the source, what might stand there, where that is seen, how. */
const mistakes: Record<string, [RegExp, string, string, RegExp]> = {
  "a late thread takes a chunk": [
    /while \(atomic\.load<i32>\(STAGE\) == stage\)/,
    "while (true)",
    "chunks in order",
    /is taken twice/,
  ],
  "a ticket of another stage counts": [
    /<i32> \(seen >> 32\) == stage \? <i32> seen : 0/,
    "<i32> seen",
    "chunks in order",
    /began before the end|Not all was done|All sleep/,
  ],
  "two threads take one ticket": [
    /const found = atomic\.cmpxchg<i64>\(ticket, seen, then\);/,
    "const found = atomic.load<i64>(ticket); atomic.store<i64>(ticket, then);",
    "chunks in order",
    /is taken twice/,
  ],
  "a thread that did nothing ends a stage": [
    /own == 0 \|\| /,
    "",
    "chunks in order",
    /did the last chunk/,
  ],
  "the first to be through ends a stage": [
    /atomic\.add<i32>\(DONE, own\) \+ own != before/,
    "atomic.add<i32>(DONE, own) < 0",
    "chunks in order",
    /began before the end|did the last chunk/,
  ],
  "who sleeps is asked too early": [
    /atomic\.cmpxchg<i32>\(STAGE, now, stage\);([^]*?)if \((.*) > 0\)/,
    "const asleep = $2; atomic.cmpxchg<i32>(STAGE, now, stage); if (asleep > 0)",
    "a profile",
    /All sleep/,
  ],
  "a thread sleeps and does not say so": [
    /atomic\.add<i32>\(SLEEPERS, 1\);/,
    "atomic.add<i32>(SLEEPERS, 0);",
    "a profile",
    /All sleep|Left behind/,
  ],
  "there is a stage after the last": [
    /now == i32\.MAX_VALUE \? 0 : now \+ 1/,
    "now + 1",
    "the number of a stage begins anew",
    /Left behind/,
  ],
  "a failure wakes nobody": [
    /(abort\(\): void \{[^}]*)atomic\.notify\(STAGE, -1\);/,
    "$1",
    "a failure while two sleep",
    /All sleep/,
  ],
};
for (const [mistake, change] of Object.entries(mistakes)) {
  Deno.test(`the search sees it if ${mistake}`, async () => {
    const [right, wrong, name, complaint] = change;
    await assert.rejects(
      searchSchedules(scenarios[name], (source) => {
        assert.match(source, right);
        return source.replace(right, wrong);
      }),
      complaint,
    );
  });
}
