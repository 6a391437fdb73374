/**
 * Khronos's own validator of SPIR-V, for tests; without it they look at less,
 * and say so.
 *
 * @module
 */

import { join } from "node:path";
import { saySkipped } from "../../_skipped.ts";

/** The year of the validator; null if there is none. */
export const validatorYear = await run("spirv-val", ["--version"]).then(
  (text) => Number(/v(20\d\d)\./.exec(text)?.[1] ?? 0),
  () => null,
);

if (validatorYear === null) {
  saySkipped(
    "skipped: no spirv-val here (on Debian, install spirv-tools)",
  );
}

/** Whether it knows matrices of bf16: the first that does is of 2025. */
export const knowsMatrices = validatorYear !== null && validatorYear >= 2025;

if (validatorYear !== null && !knowsMatrices) {
  saySkipped(
    `skipped: spirv-val of ${validatorYear} knows no matrices of bf16`,
  );
}

/** Validates modules, several at a time. @throws If one is not valid. */
export async function validate(
  modules: readonly Uint32Array<ArrayBuffer>[],
  { target = "vulkan1.1" } = {},
): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    let next = 0;
    const work = async () => {
      while (next < modules.length) {
        const words = modules[next++];
        const path = join(directory, `${next}.spv`);
        await Deno.writeFile(path, new Uint8Array(words.buffer));
        await run("spirv-val", ["--target-env", target, path]);
      }
    };
    await Promise.all([work(), work(), work(), work()]);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function run(command: string, args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, {
    args,
    stdout: "piped",
    stderr: "piped",
  }).output();
  const text = new TextDecoder().decode(success ? stdout : stderr);
  if (!success) throw new Error(text);
  return text;
}
