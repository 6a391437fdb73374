/**
 * Every order in which threads can run kernels/threads.ts, tried one by one.
 *
 * A search runs every thread on from every state that can be reached, from
 * one atomic operation to the next, so a fault that needs three unlikely
 * moments is found as surely as any other. Atomics of WebAssembly are
 * sequentially consistent, and what lies between them is the thread's own:
 * there are no other orders.
 *
 * @module
 */

import {
  loadThreadCode,
  type Operation,
  type Steps,
  type ThreadCode,
} from "./_thread_code.ts";

/** What threads are to do, and where they begin. */
export interface Scenario {
  readonly threads: number;
  /** Chunks of each stage; `shares` if each thread has a share of them. */
  readonly stages: readonly { n: number; shares?: boolean }[];
  /** The thread that takes this chunk fails amid it. */
  readonly failure?: { stage: number; chunk: number };
  /** Number of the first stage; after `lastStage` comes 0. */
  readonly firstStage?: number;
  readonly lastStage?: number;
  /** Whether threads wait for each other after the last stage too. */
  readonly profile?: boolean;
  /** How often a thread looks before it sleeps. */
  readonly spins?: number;
}

const enum Doing {
  take,
  work,
  end,
  fail,
  nothing,
}

/** One thread between two atomic operations. */
interface ThreadState {
  stage: number;
  doing: Doing;
  chunk: number;
  /** Its globals when the call under way began. */
  globals: readonly number[];
  /** What the atomic operations of that call have answered so far. */
  answers: readonly number[];
  sleeps: boolean;
}

interface State {
  words: Map<number, number>;
  threads: ThreadState[];
  /** Per stage and chunk: 0, 1 if taken, 2 if done. */
  chunks: number[][];
  /** Per stage, how many threads were told that they did the last chunk. */
  last: number[];
  failed: boolean;
}

/**
 * Searches all orders in which the threads of a scenario can run.
 *
 * @param mutate A change of the source, to see that a mistake is found.
 * @returns How many states there are.
 * @throws {Error} At the first state in which something is wrong.
 */
export async function searchSchedules(
  scenario: Scenario,
  mutate: (source: string) => string = (source) => source,
): Promise<number> {
  const instance = await loadThreadCode(mutate);
  const search = new Search(scenario, instance);
  return search.run();
}

class Search {
  readonly #scenario: Scenario;
  readonly #code: ThreadCode[];
  readonly #seen = new Set<string>();

  constructor(
    scenario: Scenario,
    instance: (lastStage: number) => ThreadCode,
  ) {
    this.#scenario = scenario;
    const last = scenario.lastStage ?? 2 ** 31 - 1;
    this.#code = Array.from(
      { length: scenario.threads },
      () => instance(last),
    );
  }

  run(): number {
    const first = this.#begin();
    this.#seen.add(keyOf(first));
    const open = [first];
    for (let state = open.pop(); state; state = open.pop()) {
      const running = state.threads.filter(({ doing }) =>
        doing !== Doing.nothing
      );
      if (running.length === 0) {
        this.#checkEnd(state);
        continue;
      }
      if (running.every(({ sleeps }) => sleeps)) {
        throw new Error(`All sleep: ${keyOf(state)}`);
      }
      state.threads.forEach(({ doing, sleeps }, index) => {
        if (doing === Doing.nothing || sleeps) return;
        const next = copyOf(state);
        this.#step(next, index);
        const key = keyOf(next);
        if (this.#seen.has(key)) return;
        this.#seen.add(key);
        open.push(next);
      });
    }
    return this.#seen.size;
  }

  #begin(): State {
    const { threads, stages, firstStage = 0, spins = 1 } = this.#scenario;
    const words = new Map<number, number>();
    const state: State = {
      words,
      threads: [],
      chunks: stages.map(({ n }) => Array<number>(n).fill(0)),
      last: stages.map(() => 0),
      failed: false,
    };
    words.set(STAGE, firstStage);
    this.#code.forEach((code, index) => {
      // Threads are set up one by one, before any of them runs.
      const setUp = code.initThread(index, threads, spins, SHARED_SCRATCH, 0);
      for (let s = setUp.next(); !s.done;) {
        s = setUp.next(operate(state, s.value));
      }
      state.threads.push({
        stage: 0,
        doing: Doing.take,
        chunk: -1,
        globals: code.get(),
        answers: [],
        sleeps: false,
      });
    });
    return state;
  }

  /** Runs a thread up to and with its next atomic operation, and beyond. */
  #step(state: State, index: number): void {
    const thread = state.threads[index];
    if (thread.doing === Doing.work) {
      state.chunks[thread.stage][thread.chunk] = 2;
      thread.doing = Doing.take;
      return;
    }
    const code = this.#code[index];
    code.set(thread.globals);
    const steps = this.#call(code, thread);
    let step = steps.next();
    for (const answer of thread.answers) step = steps.next(answer);
    if (!step.done) {
      const operation = step.value;
      const answer = operate(state, operation);
      const [name, , expected] = operation;
      if (name === "wait" && answer === expected) thread.sleeps = true;
      thread.answers = [...thread.answers, answer];
      step = steps.next(answer);
      if (!step.done) return;
    }
    thread.globals = code.get();
    thread.answers = [];
    this.#returned(state, thread, step.value);
  }

  #call(code: ThreadCode, { doing, stage }: ThreadState): Steps<unknown> {
    const { stages, profile } = this.#scenario;
    const { n, shares } = stages[stage];
    if (doing === Doing.take) {
      return shares ? code.nextOfShare(n) : code.nextChunk(n);
    }
    if (doing === Doing.fail) return code.abort();
    return profile || stage + 1 < stages.length ? code.barrier() : code.leave();
  }

  /** What a thread does after a call of threads.ts. */
  #returned(state: State, thread: ThreadState, result: unknown): void {
    const { stages, failure } = this.#scenario;
    const { stage, doing } = thread, { n } = stages[stage];
    if (doing === Doing.fail) {
      thread.doing = Doing.nothing;
      state.failed = true;
    } else if (doing === Doing.take && result === n) thread.doing = Doing.end;
    else if (doing === Doing.take) {
      const chunk = result as number;
      if (state.chunks[stage][chunk] !== 0) {
        throw new Error(`Stage ${stage}: chunk ${chunk} is taken twice`);
      }
      if (state.chunks.slice(0, stage).flat().some((done) => done !== 2)) {
        throw new Error(`Stage ${stage} began before the end of another`);
      }
      state.chunks[stage][chunk] = 1;
      thread.chunk = chunk;
      const fails = failure?.stage === stage && failure.chunk === chunk;
      thread.doing = fails ? Doing.fail : Doing.work;
    } else {
      if (result === true && n > 0) state.last[stage]++;
      thread.stage++;
      thread.doing = Doing.take;
      if (thread.stage < stages.length) return;
      thread.doing = Doing.nothing;
    }
  }

  /** All threads are through: nothing may be left, nor depend on the order. */
  #checkEnd(state: State): void {
    if (state.failed) return;
    const { stages, firstStage = 0, lastStage } = this.#scenario;
    if (state.chunks.flat().some((done) => done !== 2)) {
      throw new Error(`Not all was done: ${keyOf(state)}`);
    }
    const full = stages.filter(({ n }) => n > 0).length;
    const last = state.last.reduce((sum, count) => sum + count, 0);
    if (last !== full || state.last.some((count) => count > 1)) {
      throw new Error(`Threads that did the last chunk: ${state.last}`);
    }
    const done = stages.reduce((sum, { n }) => sum + n, 0);
    const stage = (firstStage + full) % ((lastStage ?? 2 ** 31 - 1) + 1);
    const want = `${[stage, 0, 0, done]}`;
    const { words, threads } = state;
    const shared = `${[
      words.get(STAGE),
      words.get(SLEEPERS) ?? 0,
      0,
      words.get(DONE) ?? 0,
    ]}`;
    for (const is of [shared, ...threads.map(({ globals }) => `${globals}`)]) {
      if (is !== want) throw new Error(`Left behind: ${is}, not ${want}`);
    }
  }
}

/** Where the tickets of shares are: anywhere. */
const SHARED_SCRATCH = 1024;
/** Addresses of threads.ts. */
const [STAGE, DONE, SLEEPERS] = [64, 128, 192];

/** Does an atomic operation. A `wait` that answers its argument sleeps. */
function operate(
  { words, threads }: State,
  [name, address, a, b]: Operation,
): number {
  const before = words.get(address) ?? 0;
  if (name === "store") words.set(address, a);
  else if (name === "add") words.set(address, before + a);
  else if (name === "sub") words.set(address, before - a);
  else if (name === "cmpxchg") {
    if (before === a) words.set(address, b);
  } else if (name === "notify") {
    if (address !== STAGE) throw new Error("Somebody else is woken");
    for (const thread of threads) thread.sleeps = false;
  } else if (name !== "load" && name !== "wait") {
    throw new Error(`What does ${name} do?`);
  }
  return before;
}

function copyOf({ words, threads, chunks, last, failed }: State): State {
  return {
    words: new Map(words),
    threads: threads.map((thread) => ({ ...thread })),
    chunks: chunks.map((stage) => [...stage]),
    last: [...last],
    failed,
  };
}

function keyOf({ words, threads, chunks, last, failed }: State): string {
  const shared = [...words].sort(([a], [b]) => a - b).join(" ");
  const own = threads.map(({ stage, doing, chunk, globals, answers, sleeps }) =>
    `${stage},${doing},${chunk}/${globals}/${answers}/${sleeps}`
  );
  return [shared, ...own, chunks.join(";"), last, failed].join(" | ");
}
