/**
 * The reference executor: runs step programs with the slow kernels of this
 * directory. For tests only.
 *
 * It honours the placements of the plan, and fills the arena with NaN before
 * every run, so that a plan that lets two tensors collide, or a program that
 * reads a temporary of an earlier run, gives wrong numbers here too.
 *
 * @module
 */

import { type AnyCall, mapCall, type OpName } from "../../graph/ops.ts";
import type { PlacedTensor, Program } from "../../graph/program.ts";
import { sizeOf, type Tensor } from "../../graph/tensor.ts";
import type {
  Backend,
  DeviceInfo,
  Executable,
  TensorData,
} from "../backend.ts";
import { expectData } from "../expect_data.ts";
import { activationKernels } from "./activations.ts";
import { attentionKernels } from "./attention.ts";
import { dropoutKernels } from "./dropout.ts";
import { embeddingKernels } from "./embedding.ts";
import type { Kernel, Kernels } from "./kernel.ts";
import { lossKernels } from "./losses.ts";
import { matmulKernels } from "./matmul.ts";
import { normKernels } from "./norms.ts";
import { optimizerKernels } from "./optimizer.ts";
import { sampleKernels } from "./sample.ts";

/** One slow kernel per op. */
export const referenceKernels: Kernels<OpName> = {
  ...activationKernels,
  ...attentionKernels,
  ...dropoutKernels,
  ...embeddingKernels,
  ...lossKernels,
  ...matmulKernels,
  ...normKernels,
  ...optimizerKernels,
  ...sampleKernels,
};

const DEVICE: DeviceInfo = {
  backend: "reference",
  id: "reference",
  name: "plain TypeScript",
  threads: 1,
  kernels: "reference: f64 sums, for tests only",
};

/** Opens the reference executor; there is nothing that can fail. */
export function openReferenceBackend(): Backend {
  return {
    device: DEVICE,
    compile: (program) => Promise.resolve(new ReferenceExecutable(program)),
    dispose: () => Promise.resolve(),
  };
}

class ReferenceExecutable implements Executable {
  readonly #arena: Float32Array;
  readonly #persistent = new Map<string, TensorData>();
  readonly #phases = new Map<string, AnyCall<TensorData>[]>();

  constructor(program: Program) {
    const regions = {
      persistent: new ArrayBuffer(program.persistentBytes),
      arena: new ArrayBuffer(program.arenaBytes),
    };
    const view = ({ place: { region, offset }, ...tensor }: PlacedTensor) =>
      viewOf(tensor, regions[region], offset);
    this.#arena = new Float32Array(regions.arena);
    for (const tensor of program.persistent.values()) {
      this.#persistent.set(tensor.name, view(tensor));
    }
    for (const [phase, calls] of Object.entries(program.phases)) {
      this.#phases.set(phase, calls.map((call) => mapCall(call, view)));
    }
  }

  write(name: string, data: TensorData): void {
    const target = this.#named(name);
    const type = target instanceof Float32Array ? Float32Array : Uint32Array;
    expectData(name, data, { type, length: target.length });
    target.set(data);
  }

  run(phase: string): Promise<void> {
    return Promise.try(() => {
      const calls = this.#phases.get(phase);
      if (!calls) throw new TypeError(`Cannot run "${phase}": no such phase`);
      this.#arena.fill(NaN);
      for (const call of calls) {
        // Call and kernel are of one op, which a lookup cannot express.
        (referenceKernels[call.op] as Kernel<OpName>)(call);
      }
    });
  }

  read(name: string): Promise<TensorData> {
    return Promise.try(() => this.#named(name).slice());
  }

  readAll(names: readonly string[]): Promise<TensorData[]> {
    return Promise.all(names.map((name) => this.read(name)));
  }

  dispose(): Promise<void> {
    this.#persistent.clear();
    this.#phases.clear();
    return Promise.resolve();
  }

  #named(name: string): TensorData {
    const data = this.#persistent.get(name);
    if (!data) throw new TypeError(`Cannot find tensor "${name}"`);
    return data;
  }
}

function viewOf(
  { dtype, shape }: Pick<Tensor, "dtype" | "shape">,
  memory: ArrayBuffer,
  offset: number,
): TensorData {
  const array = dtype === "f32" ? Float32Array : Uint32Array;
  return new array(memory, offset, sizeOf(shape));
}
