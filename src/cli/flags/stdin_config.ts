/**
 * `--dataset -`: text from standard input.
 *
 * @module
 */

import { EXIT, UserError } from "../../base/errors.ts";
import type { HearthConfig } from "../../config/hearth_config.ts";
import type { App } from "../app.ts";

/**
 * The configuration with a file in the place of standard input, which is read
 * to its end if it is named.
 *
 * @throws {UserError} When nobody pipes anything into it.
 */
export async function withStdin(
  app: App,
  config: HearthConfig,
): Promise<HearthConfig> {
  const { keepStream, namesStdin, replaceStdin } = await import(
    "../../data/sources/stdin_text.ts"
  );
  if (!namesStdin(config.data)) return config;
  if (app.io.stdinIsTty) {
    throw new UserError(
      'Cannot read dataset "-": standard input is a terminal',
      {
        hint: "pipe the text into it, such as hearth train --dataset - " +
          "< poems.txt",
        exitCode: EXIT.usage,
      },
    );
  }
  const { rootPaths } = await import("../../run/files/run_paths.ts");
  const path = await keepStream(app.io.stdin(), rootPaths(app.root).data);
  return { ...config, data: replaceStdin(config.data, path) };
}
