/**
 * The least key that is kept, digit by digit: bits of scores, or of weights,
 * order like the numbers.
 *
 * @module
 */

/** Bits of a digit: a vector has an amount for each of its values. */
const DIGIT_BITS = 2;
/** Digits of a whole word. */
const ALL_DIGITS = 16;

/** Numbers that are in reach of the threads, in any order. */
export interface Searched {
  /** WGSL statements around `body`, which is to be run for each `i`. */
  readonly each: (body: string) => string;
  /** Number `i` as a key, and what it counts for. */
  readonly key: string;
  readonly amount: string;
}

/**
 * WGSL statements: `least` becomes the largest key such that the amounts of the
 * keys from it on reach `goal`; with few digits, its lower bits are 0.
 */
export function findLeast(
  { each, key, amount }: Searched,
  { goal, digits = ALL_DIGITS }: { goal: string; digits?: number },
): string {
  return `
  for (var digit = 0u; digit < ${digits}u; digit++) {
    let shift = ${DIGIT_BITS}u * (${ALL_DIGITS - 1}u - digit);
    let low = vec4<u32>(least) + (vec4<u32>(0u, 1u, 2u, 3u) << vec4<u32>(shift));
    var amounts = vec4<f32>(0.0f);
    ${
    each(`
      let key = vec4<u32>(${key});
      amounts += select(vec4<f32>(0.0f), vec4<f32>(${amount}), key >= low);`)
  }
    amounts = sumAll4(amounts, lane);
    var reached = select(0u, 1u, amounts.y >= ${goal});
    reached = select(reached, 2u, amounts.z >= ${goal});
    reached = select(reached, 3u, amounts.w >= ${goal});
    least += reached << shift;
  }`;
}

/** The same, and `above` becomes the amounts of the keys beyond it. */
export function search(searched: Searched, goal: string): string {
  const { each, key, amount } = searched;
  return `${findLeast(searched, { goal })}
  var beyond = 0.0f;
  ${each(`if (${key} > least) { beyond += ${amount}; }`)}
  above = sumAll(beyond, lane);`;
}
