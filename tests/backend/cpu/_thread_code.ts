/**
 * kernels/threads.ts as generators that stop at each atomic operation.
 *
 * It is the text of that file itself, in which little is TypeScript and not
 * AssemblyScript: 64-bit numbers, and what divides whole numbers.
 *
 * @module
 */

const SOURCE = new URL(
  "../../../src/backend/cpu/kernels/threads.ts",
  import.meta.url,
);

/** An atomic operation: its name, the address, its other arguments. */
export type Operation = readonly [string, number, ...number[]];
/** A call that stops at each of them, and goes on with its answer. */
export type Steps<R> = Generator<Operation, R, number>;

/** The functions of threads.ts in one thread. */
export interface ThreadCode {
  initThread(
    ...args: [number, number, number, number, number]
  ): Steps<void>;
  nextChunk(n: number): Steps<number>;
  nextOfShare(n: number): Steps<number>;
  leave(): Steps<boolean>;
  barrier(): Steps<boolean>;
  abort(): Steps<void>;
  get(): readonly number[];
  set(globals: readonly number[]): void;
}

/** A ticket in a number: below this its chunk, above its stage. */
const TICKET_STAGE = 1000;
/** Functions that end with an atomic operation somewhere below them. */
const STEPPING =
  "initThread|nextChunk|nextOfShare|take|leave|barrier|isAborted|abort|pause|mayPause";

/** Makes TypeScript of AssemblyScript: 64-bit numbers become plain ones. */
function translate(source: string): string {
  const end = source.indexOf("/** Elements of a chunk,");
  const share = source.slice(source.indexOf("function shareStart("));
  return (source.slice(0, end) + share)
    .replace(/^import .*$/gm, "")
    .replaceAll("@inline", "")
    .replace(/^export /gm, "")
    .replaceAll("<i32> (seen >> 32)", "Math.floor(seen / TICKET_STAGE)")
    .replaceAll("<i32> seen", "seen % TICKET_STAGE")
    .replaceAll("<i64> stage << 32 |", "stage * TICKET_STAGE +")
    .replaceAll("<i32> (", "Math.trunc(")
    .replace(/<(usize|i64)> /g, "")
    .replace(/atomic\.(\w+)(?:<\w+>)?\(([^()]*)\)/g, '(yield ["$1", $2])')
    .replace(new RegExp(`function (${STEPPING})\\(`, "g"), "function* $1(")
    .replace(
      new RegExp(
        `(?<!function\\* )\\b(${STEPPING})\\(([^()]|\\([^()]*\\))*\\)`,
        "g",
      ),
      "(yield* $&)",
    );
}

/** Loads the text of threads.ts, changed by `mutate`, for many threads. */
export async function loadThreadCode(
  mutate: (source: string) => string,
): Promise<(lastStage: number) => ThreadCode> {
  const body = translate(mutate(await Deno.readTextFile(SOURCE)));
  const text = `// deno-lint-ignore-file
export function instance(lastStage) {
const TICKET_STAGE = ${TICKET_STAGE}, i32 = { MAX_VALUE: lastStage };
const initConstants = () => {};
${body}
return {
  initThread, nextChunk, nextOfShare, leave, barrier, abort,
  get: () => [stage, chunks, taken, before],
  set: (globals) => { [stage, chunks, taken, before] = globals; },
};
}`;
  const url = `data:application/typescript,${encodeURIComponent(text)}`;
  return (await import(url)).instance;
}
