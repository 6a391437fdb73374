/**
 * A part of the steps of a long run with every row there is of it, for a
 * screen that looks closer than the points of its curves are. Read from the
 * file when it is asked for, and kept up to date if it is the newest part.
 *
 * @module
 */

import type { Metric } from "../../run/files/metrics.ts";
import { readMetricsRange } from "../../run/files/metrics_range.ts";
import type { Range } from "../charts/plot.ts";
import { type Curves, CurveStore } from "./curves.ts";

/** One part. */
interface Part extends Range {
  readonly store: CurveStore;
  /** The newest row of each kind: no row is taken twice. */
  readonly newest: Record<Metric["kind"], number>;
  /** It is read to its end; before that, rows to come are kept apart. */
  isRead: boolean;
  /** Nothing in the file is behind it: what comes belongs to it. */
  isOpen: boolean;
  readonly pending: Metric[];
}

/** A part that has become so many times as wide as what is shown of it… */
const TOO_WIDE = 10;
/** …is read again if it was thinned; and so wide is one to begin with. */
const MARGIN = 1 / 2;

/** See the module. */
export class CloseUp implements Disposable {
  readonly #path: string;
  readonly #onChange: () => void;
  #part: Part | null = null;
  #next: Part | null = null;

  /** @param path Of `metrics.jsonl`. */
  constructor(path: string, onChange: () => void) {
    this.#path = path;
    this.#onChange = onChange;
  }

  /**
   * The curves over these steps, and some steps around them; null while they
   * are read.
   */
  curvesOf(range: Range): Curves | null {
    const last = this.#next ?? this.#part;
    if (last === null || !covers(last, range)) {
      const margin = (range.high - range.low) * MARGIN;
      void this.#read({ low: range.low - margin, high: range.high + margin });
    }
    const part = this.#part;
    const isThere = part !== null && part.store.extent.rows > 0 &&
      covers(part, range, { closely: false });
    return isThere ? part.store.curves : null;
  }

  /** Takes rows that have come to the file. */
  add(metrics: readonly Metric[]): void {
    for (const part of [this.#part, this.#next]) {
      if (part === null) continue;
      if (!part.isRead) part.pending.push(...metrics);
      else if (part.isOpen) addNew(part, metrics);
    }
  }

  /** Forgets everything: it is another file. */
  [Symbol.dispose](): void {
    this.#part = this.#next = null;
  }

  async #read({ low, high }: Range): Promise<void> {
    const part: Part = {
      ...{ low, high, isRead: false, isOpen: false },
      ...{ store: new CurveStore(), pending: [] },
      newest: { step: -Infinity, eval: -Infinity },
    };
    this.#next = part;
    try {
      for await (const rows of readMetricsRange(this.#path, part)) {
        if (this.#next !== part) return; // another one is wanted
        addNew(part, rows.metrics);
        part.isOpen = rows.isEnd;
      }
    } catch {
      // The points there are will have to do; the feed tells what is wrong.
    }
    if (this.#next !== part) return;
    part.isRead = true;
    if (part.isOpen) addNew(part, part.pending);
    part.pending.length = 0;
    this.#part = part;
    this.#next = null;
    this.#onChange();
  }
}

/** @param options.closely It is also not too wide for what it is. */
function covers(
  part: Part,
  { low, high }: Range,
  { closely = true } = {},
): boolean {
  const end = part.isOpen
    ? Math.max(part.high, part.store.extent.high)
    : part.high;
  // Steps are whole numbers, and what is shown is not.
  if (Math.ceil(low) < part.low || Math.floor(high) > end) return false;
  const isTooWide = part.store.isThinned &&
    end - part.low > TOO_WIDE * (high - low);
  return !closely || !isTooWide;
}

/** Adds rows, but for those that were read before. */
function addNew({ store, newest }: Part, metrics: readonly Metric[]): void {
  for (const metric of metrics) {
    if (metric.step <= newest[metric.kind]) continue;
    newest[metric.kind] = metric.step;
    store.add([metric]);
  }
}
