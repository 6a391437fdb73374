/**
 * A machine that executes SPIR-V modules of compute shaders, slowly and
 * strictly: no index outside of its array, no memory read that nobody wrote,
 * no two threads at one place between barriers, all threads at each barrier.
 *
 * @module
 */

import { BUILT_IN } from "../../src/backend/spirv/spirv.ts";
import { EACH, EACH_GLSL } from "./_spirv_arithmetic.ts";
import { BITS_IN, bitsOf, ofBits } from "./_spirv_bits.ts";
import {
  type Accessor,
  type Leaf,
  Memory,
  type Stored,
} from "./_spirv_memory.ts";
import { type Instruction, instructionsOf } from "./_spirv_reader.ts";

type Type =
  | { kind: "scalar"; name: keyof typeof BITS_IN | "bool" | "u64" }
  | { kind: "many"; of: Type; size: number } // vector or array
  | { kind: "struct"; members: Type[] }
  | { kind: "pointer"; to: Type; storage: number }
  | { kind: "function" | "void" };

/** Of a number, or of its parts. */
type Value = Leaf | Value[] | Pointer;

interface Pointer {
  readonly memory: Memory;
  readonly at: number;
  readonly type: Type;
}

interface Fn {
  readonly parameters: number[];
  readonly variables: Instruction[];
  first: number;
  /** By label. */
  readonly blocks: Map<number, Instruction[]>;
}

const STORAGE_WORKGROUP = 4, STORAGE_PRIVATE = 6;
/** The encoding of a float of 16 bits that is no f16. */
const BFLOAT16 = 0;
const BUILT_IN_OF = new Map<number, string>(
  Object.entries(BUILT_IN).map(([name, number]) => [number, name]),
);

/** A module, ready to be run. */
export class SpirvMachine {
  readonly #types = new Map<number, Type>();
  readonly #constants: Value[] = [];
  /** Of the value with this id. */
  readonly #typeOf: Type[] = [];
  readonly #functions = new Map<number, Fn>();
  readonly #variables: { id: number; type: Type; initial?: number }[] = [];
  readonly #decorations = new Map<number, Map<number, number>>();
  #main = 0;
  #size = [1, 1, 1];

  constructor(words: Uint32Array) {
    const all = instructionsOf(words);
    const first = all.findIndex(({ op }) => op === "function");
    for (const one of all.slice(0, first)) this.#declare(one);
    this.#readFunctions(all.slice(first));
  }

  /**
   * Runs all workgroups, one after another.
   *
   * @param buffers The memory of each binding.
   */
  run(
    workgroups: readonly [number, number, number],
    buffers: readonly Uint8Array<ArrayBuffer>[],
  ): void {
    const shared = new Map<number, Pointer>();
    for (const { id, type } of this.#variables) {
      const binding = this.#decorations.get(id)?.get(33);
      if (binding === undefined || type.kind !== "pointer") continue;
      const bytes = buffers[binding];
      const memory = new Memory(`binding ${binding}`, {
        bytes,
        stored: storedIn(type.to),
      });
      shared.set(id, { memory, at: 0, type: type.to });
    }
    let number = 0;
    for (let z = 0; z < workgroups[2]; z++) {
      for (let y = 0; y < workgroups[1]; y++) {
        for (let x = 0; x < workgroups[0]; x++) {
          this.#runGroup({ group: [x, y, z], workgroups, number, shared });
          number++;
        }
      }
    }
  }

  #runGroup(
    { group, workgroups, number, shared }: {
      group: [number, number, number];
      workgroups: readonly number[];
      number: number;
      shared: ReadonlyMap<number, Pointer>;
    },
  ): void {
    const common = new Map(shared);
    for (const { id, type } of this.#variables) {
      if (type.kind !== "pointer" || type.storage !== STORAGE_WORKGROUP) {
        continue;
      }
      common.set(id, fresh(`workgroup variable ${id}`, type.to, true));
    }
    const threads = this.#size[0] * this.#size[1] * this.#size[2];
    const runs = Array.from({ length: threads }, (_, thread) => {
      const values = this.#constants.slice();
      for (const [id, pointer] of common) values[id] = pointer;
      const [w, h] = this.#size;
      const local = [thread % w, Math.floor(thread / w) % h, 0];
      local[2] = Math.floor(thread / w / h);
      const given: Record<string, Value> = {
        workgroup_id: [...group],
        num_workgroups: [...workgroups],
        local_invocation_id: local,
        local_invocation_index: thread,
        global_invocation_id: group.map((g, i) => g * this.#size[i] + local[i]),
      };
      const who = { group: number, thread, epoch: 0 };
      for (const { id, type, initial } of this.#variables) {
        const builtIn = this.#decorations.get(id)?.get(11);
        if (type.kind !== "pointer") continue;
        const isPrivate = type.storage === STORAGE_PRIVATE;
        if (builtIn === undefined && !isPrivate) continue;
        const own = fresh(`variable ${id}`, type.to, false);
        const value = isPrivate
          ? this.#constants[initial!]
          : given[BUILT_IN_OF.get(builtIn!)!];
        store(own, value, who);
        values[id] = own;
      }
      return this.#execute(this.#main, { values, who });
    });
    for (let epoch = 1;; epoch++) {
      const ended = runs.filter((run) => run.next(epoch).done).length;
      if (ended === threads) return;
      if (ended > 0) throw new Error(`${ended} threads missed a barrier`);
    }
  }

  /** Runs a function; yields at barriers, and is told the number of the next. */
  *#execute(
    id: number,
    thread: { values: Value[]; who: Accessor },
  ): Generator<void, Value, number> {
    const { values } = thread;
    const fn = this.#functions.get(id)!;
    for (const { operands: [type, id] } of fn.variables) {
      const pointer = this.#types.get(type)! as Type & { kind: "pointer" };
      values[id] = fresh(`variable ${id}`, pointer.to, false);
    }
    let label = fn.first, before = 0;
    block: for (;;) {
      for (const one of fn.blocks.get(label)!) {
        const { op, operands } = one;
        switch (op) {
          case "branch":
            before = label;
            label = operands[0];
            continue block;
          case "branchConditional":
            before = label;
            label = operands[values[operands[0]] ? 1 : 2];
            continue block;
          case "return":
            return undefined;
          case "returnValue":
            return values[operands[0]];
          case "unreachable":
            throw new Error("the unreachable is reached");
          case "controlBarrier":
            thread.who = { ...thread.who, epoch: yield };
            break;
          case "functionCall": {
            const [, result, callee, ...args] = operands;
            const { parameters } = this.#functions.get(callee)!;
            parameters.forEach((id, i) => values[id] = values[args[i]]);
            values[result] = yield* this.#execute(callee, thread);
            break;
          }
          case "phi": {
            const at = operands.indexOf(before, 2);
            values[operands[1]] = values[operands[at - 1]];
            break;
          }
          case "store":
            store(
              values[operands[0]] as Pointer,
              values[operands[1]],
              thread.who,
            );
            break;
          case "selectionMerge":
          case "loopMerge":
            break;
          default:
            values[operands[1]] = this.#compute(one, values, thread.who);
        }
      }
      throw new Error(`block ${label} has no end`);
    }
  }

  #compute(
    { op, operands }: Instruction,
    values: Value[],
    who: Accessor,
  ): Value {
    const type = this.#types.get(operands[0])!;
    const args = operands.slice(2);
    const [first, second] = args;
    switch (op) {
      case "load":
        return load(values[first] as Pointer, who);
      case "accessChain":
        return args.slice(1).reduce<Pointer>(
          (pointer, index) => part(pointer, values[index] as number),
          values[first] as Pointer,
        );
      case "compositeConstruct":
        // Vectors are also made of shorter ones.
        return type.kind === "struct"
          ? args.map((id) => values[id])
          : args.flatMap((id) => values[id] as Value[]);
      case "compositeExtract":
        return args.slice(1).reduce<Value>(
          (value, index) => (value as Value[])[index],
          values[first],
        );
      case "vectorExtractDynamic":
        return (values[first] as Value[])[values[second] as number];
      case "vectorShuffle": {
        const both = args.slice(0, 2).flatMap((id) => values[id] as Value[]);
        return args.slice(2).map((index) => both[index]);
      }
      case "vectorTimesScalar":
        return each(type, [values[first], values[second]], EACH.fMul!);
      case "dot": {
        const [a, b] = [values[first], values[second]] as number[][];
        return a.reduce(
          (sum, x, i) => Math.fround(sum + Math.fround(x * b[i])),
          0,
        );
      }
      case "any":
        return (values[first] as boolean[]).some(Boolean);
      case "all":
        return (values[first] as boolean[]).every(Boolean);
      case "bitcast":
        return recast(values[first], this.#typeOf[first], type);
      case "extInst": {
        const compute = EACH_GLSL[second];
        if (!compute) throw new Error(`function ${second} is not known`);
        return each(type, args.slice(2).map((id) => values[id]), compute);
      }
    }
    const compute = EACH[op];
    if (!compute) throw new Error(`${op} is not known`);
    return each(type, args.map((id) => values[id]), compute);
  }

  #declare({ op, operands }: Instruction): void {
    const [id, second, third] = operands;
    const type = (id: number) => this.#types.get(id)!;
    const is = (type: Type) => void this.#types.set(id, type);
    const constant = (value: Value) => {
      this.#typeOf[second] = type(id);
      this.#constants[second] = value;
    };
    switch (op) {
      case "entryPoint":
        this.#main = second;
        break;
      case "executionMode":
        this.#size = operands.slice(2);
        break;
      case "decorate": {
        const known = this.#decorations.get(id) ?? new Map<number, number>();
        this.#decorations.set(id, known.set(second, third));
        break;
      }
      case "typeVoid":
        return is({ kind: "void" });
      case "typeBool":
        return is({ kind: "scalar", name: "bool" });
      case "typeInt": {
        const name = second === 64 ? "u64" : third ? "i32" : "u32";
        return is({ kind: "scalar", name });
      }
      case "typeFloat": {
        const short = third === BFLOAT16 ? "bf16" : "f16";
        return is({ kind: "scalar", name: second === 16 ? short : "f32" });
      }
      case "typeVector":
        return is({ kind: "many", of: type(second), size: third });
      case "typeArray": {
        const size = this.#constants[third] as number;
        return is({ kind: "many", of: type(second), size });
      }
      case "typeRuntimeArray":
        return is({ kind: "many", of: type(second), size: Infinity });
      case "typeStruct":
        return is({ kind: "struct", members: operands.slice(1).map(type) });
      case "typePointer":
        return is({ kind: "pointer", storage: second, to: type(third) });
      case "typeFunction":
        return is({ kind: "function" });
      case "constantTrue":
      case "constantFalse":
        return constant(op === "constantTrue");
      case "constant":
        return constant(
          operands.length === 4
            ? BigInt(third) + (BigInt(operands[3]) << 32n)
            : ofBits(third, nameOf(type(id))),
        );
      case "constantComposite":
        return constant(operands.slice(2).map((id) => this.#constants[id]));
      case "constantNull":
        return constant(zero(type(id)));
      case "variable":
        this.#variables.push({
          ...{ id: second, type: type(id), initial: operands[3] },
        });
        break;
    }
  }

  #readFunctions(all: readonly Instruction[]): void {
    let fn: Fn, block: Instruction[];
    for (const one of all) {
      const { op, operands: [first, second] } = one;
      if (op === "function") {
        fn = { parameters: [], variables: [], first: 0, blocks: new Map() };
        this.#functions.set(second, fn);
      } else if (op === "functionParameter") {
        fn!.parameters.push(second);
      } else if (op === "label") {
        fn!.first ||= first;
        fn!.blocks.set(first, block = []);
      } else if (op === "variable") {
        fn!.variables.push(one);
      } else if (op !== "functionEnd") {
        block!.push(one);
      }
      const type = this.#types.get(first);
      if (type && op !== "label") this.#typeOf[second] = type;
    }
  }
}

/** Memory of its own for a variable. */
function fresh(name: string, type: Type, isShared: boolean): Pointer {
  const memory = new Memory(name, { size: sizeOf(type), isShared });
  return { memory, at: 0, type };
}

/** How many numbers a type has. */
function sizeOf(type: Type): number {
  switch (type.kind) {
    case "many":
      return type.size === Infinity ? Infinity : type.size * sizeOf(type.of);
    case "struct":
      return type.members.reduce((sum, member) => sum + sizeOf(member), 0);
    default:
      return 1;
  }
}

/** Element or member of what a pointer is to. */
function part({ memory, at, type }: Pointer, index: number): Pointer {
  if (type.kind === "struct") {
    const before = type.members.slice(0, index);
    const from = before.reduce((sum, member) => sum + sizeOf(member), 0);
    return { memory, at: at + from, type: type.members[index] };
  }
  if (type.kind !== "many" || !(index >= 0 && index < type.size)) {
    throw new Error(`index ${index} is outside of its array`);
  }
  return { memory, at: at + index * sizeOf(type.of), type: type.of };
}

function load({ memory, at, type }: Pointer, who: Accessor): Value {
  if (type.kind !== "many" && type.kind !== "struct") {
    return memory.read(at, who);
  }
  const count = type.kind === "many" ? type.size : type.members.length;
  return Array.from(
    { length: count },
    (_, i) => load(part({ memory, at, type }, i), who),
  );
}

function store(to: Pointer, value: Value, who: Accessor): void {
  if (!Array.isArray(value)) return to.memory.write(to.at, value as Leaf, who);
  value.forEach((one, i) => store(part(to, i), one, who));
}

function zero(type: Type): Value {
  if (type.kind === "many") {
    return Array.from({ length: type.size }, () => zero(type.of));
  }
  if (type.kind === "struct") return type.members.map(zero);
  if (type.kind !== "scalar" || type.name === "bool") return false;
  return type.name === "u64" ? 0n : 0;
}

/** Of each of the numbers, as one of the type; single ones are for all. */
function each(
  type: Type,
  operands: readonly Value[],
  compute: (...numbers: Leaf[]) => Leaf,
): Value {
  if (type.kind !== "many") {
    return asOne(compute(...operands as Leaf[]), type);
  }
  return Array.from({ length: type.size }, (_, i) =>
    each(
      type.of,
      operands.map((one) => Array.isArray(one) ? one[i] : one),
      compute,
    ));
}

function asOne(leaf: Leaf, type: Type): Leaf {
  if (type.kind !== "scalar" || typeof leaf !== "number") return leaf;
  switch (type.name) {
    case "u32":
      return leaf >>> 0;
    case "i32":
      return leaf | 0;
    case "f16":
      return Math.f16round(leaf);
    case "bf16":
      return ofBits(bitsOf(leaf, "bf16"), "bf16");
    default:
      return leaf;
  }
}

function nameOf(type: Type): string {
  if (type.kind === "many") return nameOf(type.of);
  return type.kind === "scalar" ? type.name : type.kind;
}

/** The same bits as numbers of another type, more or fewer. */
function recast(value: Value, from: Type, to: Type): Value {
  const width = (type: Type) => BITS_IN[nameOf(type) as keyof typeof BITS_IN];
  let bits = 0n;
  for (const leaf of [value].flat().toReversed() as Leaf[]) {
    bits = bits << BigInt(width(from)) | BigInt(bitsOf(leaf, nameOf(from)));
  }
  return each(to, [], () => {
    const leaf = Number(BigInt.asUintN(width(to), bits));
    bits >>= BigInt(width(to));
    return ofBits(leaf, nameOf(to));
  });
}

/** How the numbers of a buffer are stored. */
function storedIn(type: Type): Stored {
  if (type.kind === "struct") return storedIn(type.members[0]);
  return nameOf(type) as Stored;
}
