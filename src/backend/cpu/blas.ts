/**
 * Matrix products by a BLAS library of the system: Accelerate on macOS, which
 * alone reaches the matrix units of Apple's processors; elsewhere OpenBLAS,
 * where it is installed and asked for.
 *
 * @module
 */

import { CALL_LAYOUT } from "./call_layout.ts";
import { openFirst } from "./native/system_library.ts";

/** A library with `cblas_sgemm`; can be named to other threads. */
export interface BlasLibrary {
  /** What people call it. */
  readonly name: string;
  readonly files: readonly string[];
}

/** Adds (or stores) the product of the matmul record at byte `record`. */
export type BlasCall = (record: number, add: number) => void;

/** The library of this system, there or not. */
export const BLAS: BlasLibrary = Deno.build.os === "darwin"
  ? {
    name: "accelerate",
    files: ["/System/Library/Frameworks/Accelerate.framework/Accelerate"],
  }
  : {
    name: "openblas",
    files: Deno.build.os === "windows"
      ? ["libopenblas.dll", "openblas.dll"]
      : ["libopenblas.so.0", "libopenblas.so"],
  };

/** From cblas.h: CBLAS_ROW_MAJOR, CBLAS_NO_TRANS, CBLAS_TRANS. */
const ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112;
/** Words of a record before its first field: opcode and size. */
const HEADER_WORDS = 2;

/**
 * Makes the library callable from this thread, on `memory`.
 *
 * @throws {Error} If it is not installed.
 */
export function bindBlas(
  { files }: BlasLibrary,
  memory: WebAssembly.Memory,
): BlasCall {
  const { symbols } = openFirst(files, {
    cblas_sgemm: {
      // Order, both transpositions, M, N, K; then each matrix and its stride.
      parameters: [
        ...["i32", "i32", "i32", "i32", "i32", "i32"] as const,
        ...["f32", "pointer", "i32", "pointer", "i32"] as const,
        ...["f32", "pointer", "i32"] as const,
      ],
      result: "void",
    },
  });
  // A shared memory grows in place: its first byte never moves.
  const bytes = new Uint8Array(memory.buffer) as Uint8Array<ArrayBuffer>;
  const start = Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes));
  const pointerTo = (at: number) =>
    Deno.UnsafePointer.create(start + BigInt(at));
  const fields = CALL_LAYOUT.matmul.map(({ name }) => name);
  return (record, add) => {
    const words = new Uint32Array(memory.buffer, record + 4 * HEADER_WORDS);
    const field = (name: string) => words[fields.indexOf(name)];
    const M = field("M"), N = field("N"), K = field("K");
    const transA = field("transA") !== 0, transB = field("transB") !== 0;
    symbols.cblas_sgemm(
      ROW_MAJOR,
      transA ? TRANS : NO_TRANS,
      transB ? TRANS : NO_TRANS,
      M,
      N,
      K,
      1,
      pointerTo(field("a")),
      transA ? M : K,
      pointerTo(field("b")),
      transB ? K : N,
      add ? 1 : 0,
      pointerTo(field("out")),
      N,
    );
  };
}

/** Products of two f32 sums of `DEPTH` numbers below 1, in another order. */
const TOLERANCE = 1e-5;
const [ROWS, COLS, DEPTH] = [5, 7, 9];

/**
 * Whether the library multiplies as it should, in every form a call can have.
 *
 * @throws {Error} If it is not installed.
 */
export function blasIsRight(library: BlasLibrary): boolean {
  const memory = new WebAssembly.Memory({
    initial: 1,
    maximum: 1,
    shared: true,
  });
  const call = bindBlas(library, memory);
  const f32 = new Float32Array(memory.buffer);
  const [record, a, b, out] = [64, 1024, 2048, 3072];
  for (let i = a / 4; i < out / 4; i++) f32[i] = Math.sin(i);
  const before = 0.5;
  for (const transA of [0, 1]) {
    for (const transB of [0, 1]) {
      for (const add of [0, 1]) {
        const values: Record<string, number> = {
          ...{ a, b, out, transA, transB },
          ...{ M: ROWS, N: COLS, K: DEPTH },
        };
        const words = CALL_LAYOUT.matmul.map(({ name }) => values[name] ?? 0);
        new Uint32Array(memory.buffer, record).set([0, 0, ...words]);
        f32.fill(before, out / 4, out / 4 + ROWS * COLS);
        call(record, add);
        for (let row = 0; row < ROWS; row++) {
          for (let col = 0; col < COLS; col++) {
            let sum = add * before;
            for (let k = 0; k < DEPTH; k++) {
              sum += f32[a / 4 + (transA ? k * ROWS + row : row * DEPTH + k)] *
                f32[b / 4 + (transB ? col * DEPTH + k : k * COLS + col)];
            }
            const difference = Math.abs(f32[out / 4 + row * COLS + col] - sum);
            if (!(difference < TOLERANCE)) return false; // NaN is no agreement
          }
        }
      }
    }
  }
  return true;
}
