/**
 * Where a barrier must stand between commands; pure.
 *
 * A GPU overlaps what is recorded one after another. A command has to wait
 * only if it reads what an earlier one writes, or writes what an earlier one
 * reads or writes. A barrier lets everything before it finish first, so only
 * what came after the last one is remembered, by ranges of bytes: pieces of a
 * buffer that do not touch are no reason to wait.
 *
 * @module
 */

/** What was done with the bytes of one buffer since the last barrier. */
export class RangeLog {
  /** Of the barrier that the rest came after; see {@linkcode Hazards}. */
  barrier = -1;
  /** Start and end, start and end … */
  readonly reads: number[] = [];
  readonly writes: number[] = [];
}

/** What a command does with some bytes. */
export interface Access {
  /** Of the buffer. */
  readonly log: RangeLog;
  readonly start: number;
  readonly end: number;
  readonly written: boolean;
}

/** Follows the commands of one queue. */
export class Hazards {
  #barrier = 0;

  /**
   * Notes a command with all that it accesses.
   *
   * @returns Whether a barrier must stand before it.
   */
  visit(accesses: readonly Access[]): boolean {
    const mustWait = accesses.some((access) => this.#collides(access));
    if (mustWait) this.clear();
    for (const { log, start, end, written } of accesses) {
      this.#refresh(log);
      addRange(written ? log.writes : log.reads, start, end);
    }
    return mustWait;
  }

  /** Forgets all: a barrier was put, whether or not one was needed. */
  clear(): void {
    this.#barrier++;
  }

  #collides({ log, start, end, written }: Access): boolean {
    if (log.barrier !== this.#barrier) return false;
    return overlaps(log.writes, start, end) ||
      written && overlaps(log.reads, start, end);
  }

  #refresh(log: RangeLog): void {
    if (log.barrier === this.#barrier) return;
    log.barrier = this.#barrier;
    log.reads.length = 0;
    log.writes.length = 0;
  }
}

function overlaps(ranges: readonly number[], start: number, end: number) {
  for (let i = 0; i < ranges.length; i += 2) {
    if (start < ranges[i + 1] && ranges[i] < end) return true;
  }
  return false;
}

/** Many commands read the same, weights say. */
function addRange(ranges: number[], start: number, end: number): void {
  for (let i = 0; i < ranges.length; i += 2) {
    if (ranges[i] <= start && end <= ranges[i + 1]) return;
  }
  ranges.push(start, end);
}
