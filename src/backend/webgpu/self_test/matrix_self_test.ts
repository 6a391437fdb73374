/**
 * A quick test of a device's products, before it is trusted with a run: a
 * driver may not compile what it should, or compute something else.
 *
 * Two products, made as all others are, on a matrix unit or without. The first
 * loads rows of both factors into units, the second columns, and takes its left
 * factor as the first stored it, in two bytes. Factors are integers that bf16
 * and f16 hold, and sums are below 2^24, so that f32 gives the same in every
 * order; sums of less would not be the same.
 *
 * @module
 */

import { errorMessage } from "../../../base/errors.ts";
import { Graph } from "../../../graph/graph.ts";
import { plan } from "../../../graph/plan.ts";
import type { Program } from "../../../graph/program.ts";
import type { Executable } from "../../backend.ts";
import type { MatrixUnit } from "../device/matrix_unit.ts";
import type { GemmTile } from "../gemm/gemm_variant.ts";
import type { ChooseGemm } from "../lowering/lower.ts";
import { formatUnit } from "../choice/matrix_choice.ts";

/** A device that multiplies. */
interface ProductDevice {
  /** Those on a unit among them. */
  readonly gemmCandidates: readonly GemmTile[];
  compile(
    program: Program,
    options: { gemmVariant: ChooseGemm },
  ): Promise<Executable>;
}

/** Rows and columns of all matrices: several tiles of the smallest kind. */
const SIDE = 64;

/**
 * The largest numbers of the factors. Those of the first result are up to
 * 64 * 2 * 1, of 8 bits as bf16 has; those of the second 64 times 128 * 127.
 */
const MOST = { a: 2, b: 1, c: 127 };

/** Why products cannot be made on a unit, or null. */
export async function whyNoUnit(
  device: ProductDevice,
  unit: MatrixUnit,
): Promise<string | null> {
  const failed = `${formatUnit(unit)} failed its self-test`;
  return await whyWrong(device, { onUnit: true, failed });
}

/** Why products cannot be made without a unit, or null. */
export async function whyNoProducts(
  device: ProductDevice,
): Promise<string | null> {
  const failed = "a product failed its self-test";
  return await whyWrong(device, { onUnit: false, failed });
}

async function whyWrong(
  device: ProductDevice,
  { onUnit, failed }: { onUnit: boolean; failed: string },
): Promise<string | null> {
  try {
    return await isRight(device, { onUnit }) ? null : failed;
  } catch (error) { // its shaders do not compile, or the device was lost
    return `${failed} (${errorMessage(error)})`;
  }
}

async function isRight(
  device: ProductDevice,
  { onUnit }: { onUnit: boolean },
): Promise<boolean> {
  // The smallest compiles soonest.
  const [tile] = device.gemmCandidates
    .filter(({ flow }) => (flow === "matrix") === onUnit)
    .toSorted((a, b) => a.tileM * a.tileN - b.tileM * b.tileN);
  if (!tile) throw new Error("no tile fits the device");
  const g = new Graph();
  const shape = [SIDE, SIDE];
  const out = g.state("out", shape);
  const product = g.matmul(g.state("a", shape), g.state("b", shape));
  g.matmul(product, g.state("c", shape), { transA: true, transB: true, out });
  const executable = await device.compile(plan({ test: g }), {
    gemmVariant: () => ({ ...tile, splitK: 1 }),
  });
  try {
    const a = integers(1, MOST.a), b = integers(2, MOST.b);
    const c = integers(3, MOST.c);
    executable.write("a", a);
    executable.write("b", b);
    executable.write("c", c);
    await executable.run("test");
    const got = await executable.read("out");
    const ab = product64(a, transposed(b));
    return product64(transposed(ab), c).every((sum, i) => sum === got[i]);
  } finally {
    await executable.dispose();
  }
}

/** A matrix of whole numbers from `-most` to `most` that look random. */
function integers(seed: number, most: number): Float32Array {
  let bits = seed;
  return Float32Array.from({ length: SIDE * SIDE }, () => {
    bits = Math.imul(bits, 1664525) + 1013904223;
    return (bits >>> 8) % (2 * most + 1) - most;
  });
}

function transposed(x: Float32Array): Float32Array {
  return x.map((_, i) => x[i % SIDE * SIDE + Math.floor(i / SIDE)]);
}

/** Products of the rows of `a` with the rows of `b`. */
function product64(a: Float32Array, b: Float32Array): Float32Array {
  return a.map((_, at) => {
    const row = Math.floor(at / SIDE) * SIDE, column = at % SIDE * SIDE;
    let sum = 0;
    for (let k = 0; k < SIDE; k++) sum += a[row + k] * b[column + k];
    return sum;
  });
}
