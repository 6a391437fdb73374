/**
 * The version of Hearth, kept in one place: `deno.json`.
 *
 * @module
 */

import project from "../../deno.json" with { type: "json" };

/** Such as `0.1.0`. */
export const VERSION: string = project.version;
