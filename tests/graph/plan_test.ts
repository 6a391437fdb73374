/**
 * The memory plan: layout, lifetimes, reuse in place. The properties hold for
 * random programs; liveness is computed here a second time, from the plan.
 *
 * @module
 */

import assert from "node:assert/strict";
import { assignOffsets, type Lifetime } from "../../src/graph/arena.ts";
import { Graph } from "../../src/graph/graph.ts";
import { type AnyCall, IN_PLACE } from "../../src/graph/ops.ts";
import { plan } from "../../src/graph/plan.ts";
import { ALIGNMENT_BYTES, type PlacedTensor } from "../../src/graph/program.ts";
import { sizeOf, type Tensor } from "../../src/graph/tensor.ts";
import { draws, fc } from "../_property.ts";
import { compile, paramsOf, randomData } from "./_helpers.ts";
import { POSITIONS, tinyGptStep } from "./_tiny_gpt.ts";

/** Shape of all matrices of the random programs: 60 bytes, not aligned. */
const [ROWS, C] = [3, 5];

/** One random step: which op, and which earlier tensors it reads. */
type Step = [op: number, a: number, b: number, c: number];

/** Ops with inputs that are and are not read element by element. */
const STEPS: ((g: Graph, a: Tensor, b: Tensor, c: Tensor) => Tensor)[] = [
  (g, a, b) => g.add(a, b),
  (g, a) => g.gelu(a, { tanh: true }),
  (g, a, b, c) => g.matmul(g.matmul(a, b, { transB: true }), c, { addTo: b }),
  (g, a, b, c) => {
    const product = g.matmul(a, b, { transA: true });
    return g.matmul(a, product, { addTo: c });
  },
  (g, a) => g.rmsNorm(a, g.param("weight", [C]), 1e-5).out,
  (g, a) => g.layerNorm(a, g.param("weight", [C]), null, 1e-5).out,
  (g, a, b) =>
    g.dropout(a, {
      p: 0.5,
      site: 1,
      rng: g.input("rng", [4], "u32"),
      addTo: b,
    }),
  (g, a) =>
    g.rope(a, g.input("positions", [ROWS], "u32"), {
      ...{ nRotated: 2, D: 2, theta: 10 },
    }),
  (g, a, b, c) => {
    const { rstd } = g.rmsNorm(a, g.param("weight", [C]), 1e-5);
    const out = g.temp([ROWS, C]);
    return g.record("rmsNormBackward", {
      in: { dOut: b, x: a, weight: g.param("weight", [C]), rstd, addTo: c },
      out: { out },
      attrs: { rows: ROWS, C },
    }).out;
  },
  (g, a, b) => {
    g.sumSquares(b, { addTo: g.sumSquares(a) });
    return g.add(a, b);
  },
];

const anyStep: fc.Arbitrary<Step> = fc.tuple(
  fc.nat(STEPS.length - 1),
  fc.nat(),
  fc.nat(),
  fc.nat(),
);
/** Up to 25 steps. */
const anyProgram = fc.array(anyStep, { minLength: 1, maxLength: 25 });

Deno.test("plan() keeps temporaries apart while both are needed", () => {
  fc.assert(fc.property(anyProgram, fc.boolean(), (steps, inPlace) => {
    const program = plan({ main: randomGraph(steps) }, { inPlace });
    expectDisjoint(program.phases.main);
  }));
});

Deno.test("a planned program computes the same with and without reuse", async () => {
  await fc.assert(
    fc.asyncProperty(anyProgram, async (steps) => {
      const graph = randomGraph(steps);
      const results = [];
      for (const inPlace of [true, false]) {
        const data = randomData(graph);
        const executable = await compile({ graph }, data, { inPlace });
        await executable.run("graph");
        results.push(await executable.read("sum"));
      }
      assert.deepEqual(results[0], results[1]);
    }),
    { numRuns: draws(60) },
  );
});

Deno.test("a planned training step computes the same with and without reuse", async () => {
  const step = tinyGptStep({ accumulate: false });
  const gradientsOf = async (inPlace: boolean) => {
    const data = { ...randomData(step), ...POSITIONS };
    const executable = await compile({ step }, data, { inPlace });
    await executable.run("step");
    const names = paramsOf(step).map(({ name }) => `d.${name}`);
    return await Promise.all(names.map((name) => executable.read(name)));
  };
  assert.deepEqual(await gradientsOf(true), await gradientsOf(false));
});

Deno.test("plan() takes no more for a training step than is live at once", () => {
  const { phases, arenaBytes } = plan({
    step: tinyGptStep({ accumulate: false }),
  });
  expectDisjoint(phases.step);
  assert.equal(arenaBytes, peakBytes(phases.step));
});

Deno.test("plan() aligns every tensor and stays within its regions", () => {
  fc.assert(fc.property(anyProgram, (steps) => {
    const program = plan({ main: randomGraph(steps) });
    const temps = program.phases.main.flatMap(tensorsOf).filter(isTemp);
    for (
      const [tensors, bytes] of [
        [[...program.persistent.values()], program.persistentBytes],
        [temps, program.arenaBytes],
      ] as const
    ) {
      for (const { shape, place } of tensors) {
        assert.equal(place.offset % ALIGNMENT_BYTES, 0);
        assert.ok(place.offset + 4 * sizeOf(shape) <= bytes);
      }
    }
  }));
});

Deno.test("plan() lays persistent tensors out without overlap", () => {
  const g = new Graph();
  for (const [i, n] of [1, 17, 16, 100].entries()) g.state(`s${i}`, [n]);
  const { persistent, persistentBytes } = plan({ g });
  // 4, 68, 64 and 400 bytes, each rounded up to 64.
  assert.deepEqual(
    [...persistent.values()].map(({ place }) => place.offset),
    [0, 64, 192, 256],
  );
  assert.equal(persistentBytes, 256 + 448);
});

Deno.test("plan() merges persistent tensors of all phases by name", () => {
  const first = new Graph(), second = new Graph();
  const w = first.param("w", [2, 3]);
  first.gelu(w, { tanh: true });
  second.gelu(second.param("w", [2, 3]), { tanh: false });
  second.state("only here", [1]);
  const program = plan({ first, second });
  assert.deepEqual([...program.persistent.keys()], ["w", "only here"]);
  assert.equal(program.persistentBytes, 64 + 64); // "w" is there once
  const read = (phase: string) => program.phases[phase][0].in as { x: Tensor };
  assert.equal(read("first").x, program.persistent.get("w"));
  assert.equal(read("second").x, program.persistent.get("w"));
});

Deno.test("plan() throws a TypeError for one name with two meanings", () => {
  const declare: ((g: Graph) => Tensor)[] = [
    (g) => g.state("t", [2, 3]),
    (g) => g.state("t", [3, 2]),
    (g) => g.param("t", [2, 3]),
    (g) => g.input("t", [2, 3], "u32"),
    (g) => g.input("t", [2, 3], "f32"),
  ];
  for (const [i, one] of declare.entries()) {
    for (const other of declare.slice(i + 1)) {
      const first = new Graph(), second = new Graph();
      const [a, b] = [one(first), other(second)];
      assert.throws(() => plan({ first, second }), (error: Error) => {
        assert.ok(error instanceof TypeError);
        assert.ok(error.message.includes(`${b.kind} "t" ${b.dtype}`));
        assert.ok(error.message.includes(`${a.kind} "t" ${a.dtype}`));
        return true;
      });
    }
  }
});

Deno.test("plan() gives phases one arena, as large as the largest needs", () => {
  const small = new Graph(), large = new Graph();
  small.gelu(small.fill([16], 0), { tanh: true });
  large.gelu(large.fill([160], 0), { tanh: true });
  assert.equal(plan({ small }).arenaBytes, 2 * 64);
  assert.equal(plan({ large }).arenaBytes, 2 * 640);
  assert.equal(plan({ small, large }).arenaBytes, 2 * 640);
});

Deno.test("plan() lets a chain of additions run in one buffer", () => {
  const g = new Graph();
  const step = g.input("step", [16], "f32");
  let sum = g.fill([16], 0);
  for (let i = 0; i < 10; i++) sum = g.add(sum, step);
  assert.equal(plan({ g }).arenaBytes, 64);
  assert.equal(plan({ g }, { inPlace: false }).arenaBytes, 2 * 64);
});

/** Whether the result of the last call takes the place of one of its inputs. */
const REUSE: [what: string, reused: boolean, build: (g: Graph) => Tensor][] = [
  ["addTo of a matmul", true, (g) => {
    const [a, b, addTo] = square(g, 3);
    g.matmul(a, b, { addTo });
    return addTo;
  }],
  ["a of a matmul", false, (g) => {
    const [a, b] = square(g, 2);
    g.matmul(a, b);
    return a;
  }],
  ["addTo of a matmul that is a as well", false, (g) => {
    const [a, b] = square(g, 2);
    g.matmul(a, b, { addTo: a });
    return a;
  }],
  ["addTo of a matmul that a later call reads", false, (g) => {
    const [a, b, addTo] = square(g, 3);
    g.matmul(a, b, { addTo });
    g.sumSquares(addTo);
    return addTo;
  }],
  ["a persistent addTo", false, (g) => {
    const [a, b] = square(g, 2);
    const addTo = g.state("addTo", [4, 4]);
    g.matmul(a, b, { addTo });
    return addTo;
  }],
  ["an input of another size", false, (g) => {
    const [a, b] = square(g, 2);
    // No method records this; the plan must not rely on it.
    g.record("add", {
      in: { a, b },
      out: { out: g.temp([4, 8]) },
      attrs: { n: 16 },
    });
    return a;
  }],
  ["the second summand of an add", true, (g) => {
    const [a, b] = square(g, 2);
    g.add(a, b);
    g.sumSquares(a);
    return b;
  }],
  ["the logits of crossEntropyBackward", true, (g) => {
    const [logits] = square(g, 1);
    const targets = g.input("targets", [4], "u32");
    const { lse, rowLoss } = g.crossEntropy(logits, targets);
    g.record("crossEntropyBackward", {
      in: { dRowLoss: rowLoss, logits, targets, lse },
      out: { out: g.temp([4, 4]) },
      attrs: { rows: 4, V: 4 },
    });
    return logits;
  }],
];

for (const [what, reused, build] of REUSE) {
  Deno.test(`plan() ${reused ? "reuses" : "keeps"} ${what}`, () => {
    const g = new Graph();
    const input = build(g);
    const calls = plan({ g }).phases.g;
    const at = calls.findIndex(({ out }, i) =>
      "out" in out && isTemp(out.out) &&
      Object.values<Tensor>(g.calls[i].in).includes(input)
    );
    const call = calls[at];
    assert.ok("out" in call.out);
    const inputs = Object.values<PlacedTensor>(call.in);
    const { place } = inputs.find(({ name }) => name === input.name)!;
    const same = place.region === "arena" &&
      place.offset === call.out.out.place.offset;
    assert.equal(same, reused);
  });
}

Deno.test("plan() throws when a temporary is read before it is written", () => {
  const g = new Graph();
  g.gelu(g.fill([4], 0), { tanh: true });
  g.calls.reverse();
  assert.throws(() => plan({ g }), /gelu reads temp "%0" .*before/);
});

const anyLifetimes: fc.Arbitrary<Lifetime[]> = fc.array(
  fc.record({
    sizeBytes: fc.integer({ min: 1, max: 2000 }),
    start: fc.nat(30),
    length: fc.nat(10),
  }).map(({ sizeBytes, start, length }) => ({
    ...{ sizeBytes, start, end: start + length },
  })),
);

Deno.test("assignOffsets() never lets buffers that meet overlap", () => {
  fc.assert(fc.property(anyLifetimes, (buffers) => {
    const { offsets, totalBytes } = assignOffsets(buffers);
    buffers.forEach((a, i) => {
      assert.ok(offsets[i] >= 0 && offsets[i] + a.sizeBytes <= totalBytes);
      buffers.slice(0, i).forEach((b, j) => {
        if (a.end < b.start || b.end < a.start) return;
        assert.ok(
          offsets[i] + a.sizeBytes <= offsets[j] ||
            offsets[j] + b.sizeBytes <= offsets[i],
        );
      });
    });
  }));
});

Deno.test("assignOffsets() takes the tightest gap that fits", () => {
  const { offsets, totalBytes } = assignOffsets([
    { sizeBytes: 1024, start: 0, end: 9 },
    { sizeBytes: 512, start: 0, end: 0 }, // leaves a gap of 512 bytes
    { sizeBytes: 448, start: 0, end: 9 },
    { sizeBytes: 192, start: 0, end: 0 }, // leaves a gap of 192 bytes
    { sizeBytes: 128, start: 0, end: 9 },
    { sizeBytes: 100, start: 1, end: 1 },
  ]);
  assert.deepEqual(offsets, [0, 1024, 1536, 1984, 2176, 1984]);
  assert.equal(totalBytes, 2176 + 128);
});

/** Temporaries of (4, 4), 64 bytes each. */
function square(g: Graph, count: number): Tensor[] {
  return Array.from({ length: count }, (_, i) => g.fill([4, 4], i));
}

/** A program of `steps`; output "sum" depends on the results nobody reads. */
function randomGraph(steps: Step[]): Graph {
  const g = new Graph();
  const made = [g.input("x", [ROWS, C], "f32")];
  const read = new Set<Tensor>();
  const pick = (n: number) => {
    const tensor = made[n % made.length];
    read.add(tensor);
    return tensor;
  };
  for (const [op, a, b, c] of steps) {
    made.push(STEPS[op](g, pick(a), pick(b), pick(c)));
  }
  let sum = g.fill([ROWS, C], 0);
  for (const tensor of made) if (!read.has(tensor)) sum = g.add(sum, tensor);
  g.add(sum, made.at(-1)!, { out: g.output("sum", [ROWS, C]) });
  return g;
}

/**
 * Fails if two temporaries of a phase overlap in memory while both hold a
 * value that is still needed. A value written in place of another begins when
 * that other one ends.
 */
function expectDisjoint(calls: readonly AnyCall<PlacedTensor>[]): void {
  const lives = livesOf(calls);
  lives.forEach((a, i) => {
    for (const b of lives.slice(0, i)) {
      const meet = a.born <= b.dies && b.born <= a.dies;
      if (!meet || apart(a.tensor, b.tensor)) continue;
      const [older, newer] = a.born < b.born ? [a, b] : [b, a];
      assert.equal(older.dies, newer.born, "reused before its last use");
      expectAllowedInPlace(calls[newer.born], older.tensor, newer.tensor);
    }
  });
}

/** Most bytes of temporaries at one call; one place counts once. */
function peakBytes(calls: readonly AnyCall<PlacedTensor>[]): number {
  const lives = livesOf(calls);
  return Math.max(...calls.map((_, now) => {
    const live = lives.filter(({ born, dies }) => born <= now && now <= dies);
    const sizes = new Map(
      live.map(({ tensor }) => [tensor.place.offset, align(tensor)]),
    );
    return [...sizes.values()].reduce((sum, size) => sum + size, 0);
  }));
}

/** Every temporary with its first and its last call. */
function livesOf(calls: readonly AnyCall<PlacedTensor>[]) {
  const lives = new Map<
    string,
    { tensor: PlacedTensor; born: number; dies: number }
  >();
  calls.forEach((call, now) => {
    for (const tensor of tensorsOf(call).filter(isTemp)) {
      const born = lives.get(tensor.name)?.born ?? now;
      lives.set(tensor.name, { tensor, born, dies: now });
    }
  });
  return [...lives.values()];
}

function align({ shape }: PlacedTensor): number {
  return Math.ceil(4 * sizeOf(shape) / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
}

function expectAllowedInPlace(
  call: AnyCall<PlacedTensor>,
  older: PlacedTensor,
  newer: PlacedTensor,
): void {
  const namesOf = (tensors: object, wanted: Tensor) =>
    Object.entries(tensors).filter(([, { name }]) => name === wanted.name)
      .map(([name]) => name);
  const inNames = namesOf(call.in, older);
  const [outName] = namesOf(call.out, newer);
  assert.equal(inNames.length, 1, "the input is read under one name");
  assert.ok(IN_PLACE[call.op]?.[outName]?.includes(inNames[0]), call.op);
  assert.deepEqual(older.place, newer.place);
  assert.equal(sizeOf(older.shape), sizeOf(newer.shape));
}

function apart(a: PlacedTensor, b: PlacedTensor): boolean {
  return a.place.offset + 4 * sizeOf(a.shape) <= b.place.offset ||
    b.place.offset + 4 * sizeOf(b.shape) <= a.place.offset;
}

function tensorsOf(call: AnyCall<PlacedTensor>): PlacedTensor[] {
  return [...Object.values(call.in), ...Object.values(call.out)];
}

function isTemp({ kind }: Tensor): boolean {
  return kind === "temp";
}
