/**
 * A process that tries a driver and ends meanwhile: `deno run -A
 * _dying_process.ts FOLDER HOW`, where HOW is `crash` (a read of address 8),
 * `exit`, an error that nobody catches (`throw`, `reject`), or `wait`, until somebody kills it or closes its standard input.
 */

import { openDriverTrials } from "../../src/backend/driver_trials.ts";

/** The driver that it tries. */
export const DRIVER = {
  ...{ driver: "NVIDIA 580.95.05", card: "NVIDIA A30" },
  ...{ vendorId: "4318", deviceId: "8375" },
};
/** How to ask for it. */
export const AGAIN = "--device vulkan:0";

if (import.meta.main) {
  const [folder, how] = Deno.args;
  const trials = await openDriverTrials(DRIVER, { again: AGAIN, folder });
  const trial = trials.begin("was compiling kernels");
  switch (how) {
    case "crash": {
      const nowhere = Deno.UnsafePointer.create(8n)!;
      new Deno.UnsafePointerView(nowhere).getUint8();
      throw new Error("it should have died");
    }
    case "exit":
      Deno.exit(3);
      break;
    case "throw":
      setTimeout(() => {
        throw new Error("of somebody else");
      });
      break;
    case "reject":
      Promise.reject(new Error("of somebody else"));
  }
  console.log("trying");
  await new Response(Deno.stdin.readable).text();
  trial[Symbol.dispose]();
}
