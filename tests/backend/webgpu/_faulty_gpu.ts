/**
 * A WebGPU device that fails when it is told to, as far as software can.
 *
 * @module
 */

import type {
  AdapterInfo,
  FoundAdapter,
} from "../../../src/backend/webgpu/device/adapters.ts";
import type { TuningCache } from "../../../src/backend/webgpu/tuning/tuning_cache.ts";
import {
  openWebGpuBackend,
  type WebGpuBackend,
} from "../../../src/backend/webgpu/webgpu_backend.ts";
import { testAdapter } from "./_webgpu.ts";

/** The user's own is left alone. */
const NO_CACHE: TuningCache = {
  load: () => Promise.resolve({}),
  save: () => Promise.resolve(),
};

/** What a device may do to a run, and what is said of it. */
export const FAULTS: Record<
  string,
  { strike: (device: GPUDevice) => void; message: RegExp }
> = {
  "is lost": {
    strike: (device) => device.destroy(),
    message: /^Lost .*device was lost$/,
  },
  "refuses a command": {
    strike(device) {
      const usage = GPUBufferUsage.STORAGE; // which no copy may read
      const buffers = [0, 1].map(() =>
        device.createBuffer({ size: 16, usage })
      );
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(buffers[0], 0, buffers[1], 0, 16);
      device.queue.submit([encoder.finish()]);
    },
    message: /^Cannot compute on .*COPY_SRC/s,
  },
  "has no such buffer": {
    strike(device) {
      const size = 2 * device.limits.maxBufferSize;
      device.createBuffer({ size, usage: GPUBufferUsage.STORAGE });
    },
    message: /^Cannot compute on .*maximum buffer size/s,
  },
};

/**
 * Opens the test adapter; only where there is one.
 *
 * @param info What it is said to be beside what it is.
 * @param limits What it is said to allow beside what it does.
 */
export async function openFaultyGpu(
  info: Partial<AdapterInfo> = {},
  limits: Partial<GPUSupportedLimits> = {},
): Promise<{ backend: WebGpuBackend; device: GPUDevice }> {
  let device: GPUDevice | undefined;
  const backend = await openWebGpuBackend({
    info: { ...testAdapter.info, ...info },
    async request() {
      const adapter = (await testAdapter.request())!;
      const open = adapter.requestDevice.bind(adapter);
      adapter.requestDevice = async (wanted) => {
        device = await open(wanted);
        const real = device.limits;
        // Its own are getters that only work on that object.
        Object.defineProperty(device, "limits", {
          value: new Proxy(real, {
            get: (_, name) =>
              limits[name as keyof GPUSupportedLimits] ??
                real[name as keyof GPUSupportedLimits],
          }),
        });
        return device;
      };
      return adapter;
    },
  }, { tuningCache: NO_CACHE });
  return { backend, device: device! };
}

/** The same adapter, with devices that compile something else. */
export function withShaders(
  { info, request }: FoundAdapter,
  change: (code: string, device: GPUDevice) => string,
): FoundAdapter {
  return {
    info,
    async request() {
      const adapter = (await request())!;
      const open = adapter.requestDevice.bind(adapter);
      adapter.requestDevice = async (wanted) => {
        const device = await open(wanted);
        const create = device.createShaderModule.bind(device);
        device.createShaderModule = ({ label, code }) =>
          create({ label, code: change(code, device) });
        return device;
      };
      return adapter;
    },
  };
}

/**
 * Strikes before the n-th call of a kind on any executable of the backend:
 * `run PHASE`, or `read TENSOR`, alone or among others.
 */
export function strikeBefore(
  backend: WebGpuBackend,
  { call, nth }: { call: string; nth: number },
  strike: () => void,
): void {
  let count = 0;
  const notice = (...calls: string[]) => {
    if (calls.includes(call) && ++count === nth) strike();
  };
  const compile = backend.compile.bind(backend);
  backend.compile = async (program, options) => {
    const executable = await compile(program, options);
    const run = executable.run.bind(executable);
    const readAll = executable.readAll.bind(executable);
    executable.run = (phase) => {
      notice(`run ${phase}`);
      return run(phase);
    };
    executable.readAll = (names) => { // `read` comes here too
      notice(...names.map((name) => `read ${name}`));
      return readAll(names);
    };
    return executable;
  };
}
