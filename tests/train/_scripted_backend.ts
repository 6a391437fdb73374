import {
  type Backend,
  KEPT_PLACES,
  type TensorData,
} from "../../src/backend/backend.ts";
import { LOG_ROWS } from "../../src/train/step_log.ts";

/** What a scripted device answers; each is asked once per run of its phase. */
export interface Script {
  /** As of a GPU. */
  isQueued?: boolean;
  /** Called for every look at what was kept. */
  onReadKept?: (count: number) => void;
  /** Called for every run of a phase. */
  onRun?: (phase: string) => void;
  /** Outputs of the n-th step, from 0; default loss 1, norm 1, scale 1. */
  step?: (n: number) => { loss?: number; gradNorm?: number; scale?: number };
  /** Outputs of the n-th evaluated batch, from 0; default 1. */
  evalLoss?: (n: number) => number;
}

/** A device that computes nothing: tensors keep what was written. */
export function scriptedBackend(
  { isQueued, onReadKept, onRun, step, evalLoss }: Script = {},
): Backend & { disposed: boolean } {
  let steps = 0, evals = 0;
  const log = new Float32Array(4 * LOG_ROWS);
  const tensors = new Map<string, TensorData>();
  const kept = new Float32Array(KEPT_PLACES);
  const output = (name: string, value: number) =>
    tensors.set(name, Float32Array.of(value));
  const backend = {
    device: {
      backend: "reference",
      id: "scripted",
      name: "a script",
      kernels: "scripted",
    } as const,
    disposed: false,
    compile: () => {
      const read = (name: string) =>
        Promise.resolve(tensors.get(name) ?? new Float32Array(1));
      return Promise.resolve({
        isQueued,
        write(name: string, data: TensorData) {
          tensors.set(name, data.slice());
        },
        run(phase: string) {
          onRun?.(phase);
          if (phase === "update") {
            const { loss = 1, gradNorm = 1, scale = 1 } = step?.(steps) ?? {};
            const [slot] = tensors.get("slot")!;
            log.set([loss, gradNorm, scale], 4 * slot);
            tensors.set("log", log);
            steps++;
          } else if (phase === "eval") {
            output("evalLoss", evalLoss?.(evals++) ?? 1);
          }
          return Promise.resolve();
        },
        read,
        ...isQueued && {
          keep(name: string, index: number) {
            kept[index] = tensors.get(name)![0];
          },
          readKept(count: number) {
            onReadKept?.(count);
            return Promise.resolve(kept.slice(0, count));
          },
        },
        readAll: (names: readonly string[]) => Promise.all(names.map(read)),
        dispose: () => Promise.resolve(),
      });
    },
    dispose() {
      backend.disposed = true;
      return Promise.resolve();
    },
  };
  return backend;
}
