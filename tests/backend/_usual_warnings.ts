/**
 * What everything that computes on the CPU warns of on this machine.
 *
 * @module
 */

import { loadKernels } from "../../src/backend/cpu/kernels.ts";

/**
 * None, but where the processor, or the system, takes no native code although
 * there is some for it.
 */
export const USUAL_WARNINGS: readonly string[] = usualWarnings();

function usualWarnings(): string[] {
  const { noNative } = loadKernels();
  if (noNative === null || Deno.build.arch !== "x86_64") return [];
  return [
    `Cannot multiply matrices in native code: ${noNative}: using WebAssembly`,
  ];
}
