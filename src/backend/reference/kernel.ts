/**
 * What a reference kernel is: a function of one call on plain arrays.
 *
 * Reference kernels are slow on purpose: loops as the formula is written,
 * sums in f64, results rounded to f32 once when they are stored. The kernels
 * of every other backend are tested against them.
 *
 * @module
 */

import type { Call, OpName } from "../../graph/ops.ts";
import type { TensorData } from "../backend.ts";

/** Computes the outputs of one call, which may share memory as ops.ts says. */
export type Kernel<K extends OpName> = (call: Call<K, TensorData>) => void;

/** Some kernels by the name of their op. */
export type Kernels<K extends OpName> = { readonly [P in K]: Kernel<P> };
