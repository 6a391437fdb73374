/**
 * Units of a device that multiply small matrices: "tensor cores" of NVIDIA's
 * cards, and what others call by other names.
 *
 * @module
 */

/** A small product that the threads of a subgroup make in one instruction. */
export interface MatrixUnit {
  /** Rows of the result. */
  readonly M: number;
  /** Its columns. */
  readonly N: number;
  /** The depth of the factors. */
  readonly K: number;
  /** What the factors are; sums are f32. */
  readonly scalar: "f16" | "bf16";
  /** Threads of a subgroup. */
  readonly lanes: number;
}
