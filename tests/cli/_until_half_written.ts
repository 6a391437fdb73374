/**
 * The program, as `mod.ts` is, but that it writes half of what it is about to
 * write to a file called `train.bin`, and then waits to be killed.
 *
 * @module
 */

import { runCli } from "../../src/cli/main.ts";
import { processArguments, processIo } from "../../src/cli/process_io.ts";

const { open } = Deno;
Deno.open = async (path, options) => {
  const file = await open(path, options);
  if (options?.write && `${path}`.endsWith("train.bin")) {
    file.write = (bytes) => {
      file.writeSync(bytes.subarray(0, bytes.length >> 1));
      // Blocks this thread; what the others do goes on.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000);
      throw new Error("nobody has killed it");
    };
  }
  return file;
};
const io = processIo();
io.exit(await runCli(processArguments, io));
