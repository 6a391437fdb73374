/**
 * Runs one op on one backend, alone in a program, and compares results.
 *
 * Each case runs once with every tensor in its own place and once more for
 * every input whose place an output may take (IN_PLACE in ops.ts).
 *
 * @module
 */

import assert from "node:assert/strict";
import type {
  Backend,
  Executable,
  TensorData,
} from "../../src/backend/backend.ts";
import { openReferenceBackend } from "../../src/backend/reference/backend.ts";
import { Graph } from "../../src/graph/graph.ts";
import { IN_PLACE, type OpName, type Ops } from "../../src/graph/ops.ts";
import { plan } from "../../src/graph/plan.ts";
import type { PlacedTensor } from "../../src/graph/program.ts";
import type { Tensor } from "../../src/graph/tensor.ts";

/** Content and shape of one input. */
export interface OpInput {
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** One op with all that it reads. */
export interface OpCaseOf<K extends OpName> {
  /** The op and its sizes: unique, and good as a test's name. */
  readonly name: string;
  readonly op: K;
  readonly in: Ops<OpInput>[K]["in"];
  /** Shapes; an output with the name of an input overwrites that input. */
  readonly out: Ops<readonly number[]>[K]["out"];
  readonly attrs: Ops<unknown>[K]["attrs"];
  /** Allowed is `|got - want| <= tolerance * max(1, |want|)`. */
  readonly tolerance: number;
  /** Why that much. */
  readonly reason: string;
}

/** A case of any op. */
export type OpCase = { [K in OpName]: OpCaseOf<K> }[OpName];

/** The name of the run in which all tensors have places of their own. */
const APART = "apart";

/** The tensor behind the last output of that run, and what it must keep. */
const GUARD = "guard";
const GUARD_CONTENT = Float32Array.from({ length: 64 }, (_, i) => i + 0.5);

/** Runs cases on a backend and on the reference: a step of the test per op. */
export async function agreesWithReference(
  t: Deno.TestContext,
  backend: Backend,
  cases: readonly OpCase[],
): Promise<void> {
  const reference = openReferenceBackend();
  for (const [op, some] of Map.groupBy(cases, ({ op }) => op)) {
    await t.step(op, async () => {
      for (const opCase of some) {
        assertOpClose(
          opCase,
          await runOpCase(backend, opCase),
          await runOpCase(reference, opCase),
        );
      }
    });
  }
}

/**
 * All outputs of a case by name; `out in place of addTo` is that output in
 * the run where it took the place of that input.
 */
export async function runOpCase(
  backend: Backend,
  opCase: OpCase,
): Promise<Record<string, Float32Array>> {
  const phases: Record<string, Graph> = { [APART]: apart(opCase) };
  for (const [outName, inName] of inPlacePairs(opCase)) {
    phases[inPlaceName(outName, inName)] = inPlace(opCase, outName, inName);
  }
  const executable = await backend.compile(plan(phases));
  executable.write(GUARD, GUARD_CONTENT);
  const results: Record<string, Float32Array> = {};
  for (const phase of Object.keys(phases)) {
    for (const [name, { data }] of Object.entries<OpInput>(opCase.in)) {
      executable.write(name, data);
    }
    await executable.run(phase);
    if (phase === APART) {
      for (const name of Object.keys(opCase.out)) {
        const data = await executable.read(outputName(opCase, name));
        results[name] = data as Float32Array;
      }
      await expectRestUntouched(executable, opCase);
    } else {
      results[phase] = await executable.read(phase) as Float32Array;
    }
  }
  await executable.dispose();
  return results;
}

/** Fails if the op changed an input that it only reads, or wrote too far. */
async function expectRestUntouched(
  executable: Executable,
  opCase: OpCase,
): Promise<void> {
  const rest: [string, TensorData][] = [[GUARD, GUARD_CONTENT]];
  for (const [name, { data }] of Object.entries<OpInput>(opCase.in)) {
    if (!(name in opCase.out)) rest.push([name, data]);
  }
  for (const [name, before] of rest) {
    const what = `${opCase.name}: ${name} is untouched`;
    assert.deepEqual(await executable.read(name), before, what);
  }
}

/** Fails where `got` differs from `want` by more than the case allows. */
export function assertOpClose(
  { name, tolerance, reason }: OpCase,
  got: Record<string, Float32Array>,
  want: Record<string, Float32Array>,
): void {
  assert.deepEqual(Object.keys(got), Object.keys(want), name);
  for (const [output, values] of Object.entries(want)) {
    assert.equal(got[output].length, values.length, `${name}: ${output}`);
    values.forEach((value, i) => {
      if (Object.is(got[output][i], value)) return; // NaN and Infinity
      const allowed = tolerance * Math.max(1, Math.abs(value));
      assert.ok(
        Math.abs(got[output][i] - value) <= allowed,
        `${name}: ${output}[${i}] is ${got[output][i]}, expected ${value} ` +
          `+- ${allowed} (${reason})`,
      );
    });
  }
}

/** Inputs and outputs of the op are persistent tensors. */
function apart(opCase: OpCase): Graph {
  const g = new Graph();
  recordCase(g, opCase, declareInputs(g, opCase), {});
  g.state(GUARD, [GUARD_CONTENT.length]);
  return g;
}

/** One input and one output are temporaries, which the plan puts together. */
function inPlace(opCase: OpCase, outName: string, inName: string): Graph {
  const g = new Graph();
  const inputs = declareInputs(g, opCase);
  const zero = (shape: readonly number[]) => g.fill(shape, 0);
  const given = inputs[inName];
  const copy = g.add(given, zero(given.shape));
  const result = g.temp(shapes(opCase)[outName]);
  recordCase(g, opCase, { ...inputs, [inName]: copy }, { [outName]: result });
  const name = inPlaceName(outName, inName);
  g.add(result, zero(result.shape), { out: g.output(name, result.shape) });

  const places = new Set<number>();
  for (const call of plan({ g }).phases.g) {
    for (const tensors of [call.in, call.out]) {
      for (const { name, place } of Object.values<PlacedTensor>(tensors)) {
        if (name === copy.name || name === result.name) {
          places.add(place.offset);
        }
      }
    }
  }
  assert.equal(places.size, 1, `${opCase.name}: ${name} shares memory`);
  return g;
}

function declareInputs(g: Graph, opCase: OpCase): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries<OpInput>(opCase.in).map(([name, { shape, data }]) => {
      if (data instanceof Uint32Array) {
        return [name, g.input(name, shape, "u32")];
      }
      return [name, g.state(name, shape)];
    }),
  );
}

function recordCase(
  g: Graph,
  opCase: OpCase,
  inputs: Record<string, Tensor>,
  given: Record<string, Tensor>,
): void {
  const outputs = Object.entries(shapes(opCase)).map(([name, shape]) => {
    const own = name in opCase.in ? inputs[name] : opCase.op === "sample" // ids are integers
      ? g.input(outputName(opCase, name), shape, "u32")
      : g.state(outputName(opCase, name), shape);
    return [name, given[name] ?? own];
  });
  // The tables of a case have the keys of its op, by the type of OpCase.
  g.record(
    opCase.op,
    {
      in: inputs,
      out: Object.fromEntries(outputs),
      attrs: opCase.attrs,
    } as Parameters<typeof g.record<OpName>>[1],
  );
}

function inPlacePairs({ op, in: inputs, out }: OpCase): [string, string][] {
  const given: Record<string, OpInput> = { ...inputs };
  const made: Record<string, readonly number[]> = { ...out };
  return Object.entries(IN_PLACE[op] ?? {}).flatMap(([outName, inNames]) =>
    inNames.filter((inName) =>
      given[inName]?.shape.join() === made[outName].join()
    ).map((inName): [string, string] => [outName, inName])
  );
}

function shapes({ out }: OpCase): Record<string, readonly number[]> {
  return { ...out };
}

function outputName(opCase: OpCase, name: string): string {
  return name in opCase.in ? name : `${name} of the op`;
}

function inPlaceName(outName: string, inName: string): string {
  return `${outName} in place of ${inName}`;
}
