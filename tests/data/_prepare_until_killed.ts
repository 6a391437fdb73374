/**
 * Prepares two texts and, in the middle of the second, waits to be killed:
 * `deno run _prepare_until_killed.ts JSON`.
 *
 * @module
 */

import { openDataset } from "../../src/data/open_dataset.ts";

const options = JSON.parse(Deno.args[0]);
await openDataset({
  ...options.settings,
  onProgress({ phase, done }) {
    if (phase !== "tokenize" || done < options.bytes) return;
    console.log("ready");
    // Blocks this thread; what the others do goes on.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000);
  },
});
