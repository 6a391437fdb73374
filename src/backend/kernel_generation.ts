/**
 * Counts the changes of kernels that change bits. Checkpoints record it, and a
 * run that goes on under another one warns that its last bits may differ.
 *
 * @module
 */

/**
 * Raise it with any change after which a step may come out with other bits on
 * the same device: another order of a sum, another shape of tile for the same
 * product, a function fused or computed in another way.
 */
export const KERNEL_GENERATION = {
  cpu: 1,
  /**
   * 2: sums, norms and activations fused into products; gradients of attention
   * apart. 3: gradients of attention from kept scores; products of up to four
   * rows in another order, as gradients of adapters are; other parts of k in
   * products. 4: attention on matrix units, sums of columns by them, and other
   * parts of k; gradients behind dropout and of logits in two bytes, in fp16 as
   * matrix units take them; sums for a bias of what is rounded; GELU in fewer
   * operations; losses from one reading of logits; dot products of rows behind
   * attention in another order; on matrix units, gradients of attention also
   * where not all heads of a sequence can be kept.
   */
  webgpu: 4,
} as const;

/** The name of kernels with their generation, but for the first ones. */
export function withGeneration(
  label: string,
  backend: keyof typeof KERNEL_GENERATION,
): string {
  const generation: number = KERNEL_GENERATION[backend];
  return generation === 1 ? label : `${label}, generation ${generation}`;
}
