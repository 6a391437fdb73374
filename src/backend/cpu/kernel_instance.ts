/**
 * One thread's instance of the kernels.
 *
 * Apart from kernels.ts, so that workers do not load the machine code: they
 * are given the compiled module.
 *
 * @module
 */

/** What a module of kernels exports; see kernels/interpreter.ts. */
export interface KernelExports {
  initThread(
    index: number,
    count: number,
    spinLimit: number,
    sharedScratch: number,
    threadScratch: number,
  ): void;
  runPhase(record: number, count: number, profile: number): void;
  callIndex(): number;
  resetThreads(): void;
  abort(): void;
  isFused(): number;
  sharedScratchBytes(record: number): number;
  threadScratchBytes(record: number): number;
}

/** Instantiates a module on a memory. */
export function instantiate(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
): KernelExports {
  // performance.now() alone counts from the start of its own thread.
  const now = () => performance.timeOrigin + performance.now();
  const instance = new WebAssembly.Instance(module, { env: { memory, now } });
  return instance.exports as unknown as KernelExports;
}
