/**
 * All plots of the sample, in the order in which they are drawn.
 *
 * @module
 */

import type { Plot } from "../plot.ts";
import * as courage from "./courage.ts";
import * as kindness from "./kindness.ts";
import * as lostAndFound from "./lost_and_found.ts";
import * as making from "./making.ts";
import * as wonder from "./wonder.ts";

/** Every plot is as likely as any other. */
export const PLOTS: readonly Plot[] = [
  ...Object.values(lostAndFound),
  ...Object.values(kindness),
  ...Object.values(courage),
  ...Object.values(making),
  ...Object.values(wonder),
];
