/**
 * A machine that executes SPIR-V modules of compute shaders, slowly and
 * strictly: no index outside of its array, no memory read that nobody wrote,
 * no two threads at one place between barriers, all threads at each barrier.
 *
 * @module
 */

import { BUILT_IN } from "../../../src/backend/spirv/module/spirv.ts";
import { EACH, EACH_GLSL } from "./_arithmetic.ts";
import type { Workgroups } from "../../../src/backend/webgpu/dispatch.ts";
import { ofBits } from "./_bits.ts";
import {
  loadMatrix,
  type MatrixPlace,
  multiplyAdd,
  storeMatrix,
} from "./_matrices.ts";
import { type Accessor, Memory } from "./_memory.ts";
import { type Instruction, instructionsOf } from "./_reader.ts";
import {
  each,
  fresh,
  load,
  type MatrixType,
  nameOf,
  part,
  type Pointer,
  recast,
  store,
  storedIn,
  type Type,
  type Value,
  zero,
} from "./_values.ts";

/** Where a thread waits, and what it lets those of its subgroup know. */
interface Waiting {
  readonly until: "subgroup" | "workgroup";
  readonly value?: Value;
}

/** A thread, which is told what others of its subgroup let it know. */
type Run = Generator<Waiting, Value, Value[] | undefined>;

interface Fn {
  readonly parameters: number[];
  readonly variables: Instruction[];
  first: number;
  /** By label. */
  readonly blocks: Map<number, Instruction[]>;
}

const STORAGE_WORKGROUP = 4, STORAGE_PRIVATE = 6;
/** A scope. */
const SUBGROUP = 3;
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
  readonly #lanes: number;
  #main = 0;
  #size = [1, 1, 1];

  /** @param lanes Threads of a subgroup. */
  constructor(words: Uint32Array, lanes = 32) {
    this.#lanes = lanes;
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
    workgroups: Workgroups,
    buffers: readonly Uint8Array<ArrayBuffer>[],
  ): void {
    const groups: Workgroups[] = [];
    for (let z = 0; z < workgroups[2]; z++) {
      for (let y = 0; y < workgroups[1]; y++) {
        for (let x = 0; x < workgroups[0]; x++) groups.push([x, y, z]);
      }
    }
    this.runSome(groups, { workgroups, buffers });
  }

  /** Runs some of so many workgroups. */
  runSome(
    groups: readonly Workgroups[],
    { workgroups, buffers }: {
      workgroups: Workgroups;
      buffers: readonly Uint8Array<ArrayBuffer>[];
    },
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
    groups.forEach((group, number) =>
      this.#runGroup({ group, workgroups, number, shared })
    );
  }

  #runGroup(
    { group, workgroups, number, shared }: {
      group: Workgroups;
      workgroups: Workgroups;
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
        subgroup_id: Math.floor(thread / this.#lanes),
        subgroup_invocation_id: thread % this.#lanes,
        global_invocation_id: group.map((g, i) => g * this.#size[i] + local[i]),
      };
      const subgroup = Math.floor(thread / this.#lanes);
      const who = { group: number, thread, epoch: 0, subgroup, step: 0 };
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
    const subgroups = [
      ...Map.groupBy(
        runs.keys(),
        (thread) => Math.floor(thread / this.#lanes),
      ).values(),
    ].map((threads) => threads.map((thread) => runs[thread]));
    for (;;) {
      const ended = subgroups.filter((some) => runSubgroup(some)).length;
      if (ended === subgroups.length) return;
      if (ended > 0) throw new Error("some subgroups missed a barrier");
    }
  }

  /** Runs a function; yields where it waits for others. */
  *#execute(
    id: number,
    thread: { values: Value[]; who: Accessor },
  ): Run {
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
          case "controlBarrier": {
            const { who } = thread;
            if (values[operands[0]] === SUBGROUP) {
              yield { until: "subgroup" };
              thread.who = { ...who, step: who.step + 1 };
            } else {
              yield { until: "workgroup" };
              thread.who = { ...who, epoch: who.epoch + 1 };
            }
            break;
          }
          case "groupNonUniformAny": {
            const [, result, , value] = operands;
            const all = yield { until: "subgroup", value: values[value] };
            values[result] = all!.some(Boolean);
            break;
          }
          case "groupNonUniformShuffleXor": {
            const [, result, , value, mask] = operands;
            const others = yield { until: "subgroup", value: values[value] };
            const lane = thread.who.thread % this.#lanes;
            values[result] = others![lane ^ values[mask] as number];
            break;
          }
          case "cooperativeMatrixStore":
            storeMatrix(values[operands[1]] as number[], {
              columns: (this.#typeOf[operands[1]] as MatrixType).columns,
              place: placeOf([operands[0], ...operands.slice(2)], values),
              lanes: this.#lanes,
            }, thread.who);
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
    one: Instruction,
    values: Value[],
    who: Accessor,
  ): Value {
    const { op, operands } = one;
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
      case "cooperativeMatrixLoad":
        return loadMatrix(type as MatrixType, placeOf(args, values), who);
      case "cooperativeMatrixMulAdd":
        return multiplyAdd(args.map((id) => values[id] as number[]), {
          depth: (this.#typeOf[first] as MatrixType).columns,
          columns: (type as MatrixType).columns,
        });
      case "matrixTimesScalar":
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
      case "typeCooperativeMatrix": {
        const [rows, columns] = operands.slice(3)
          .map((id) => this.#constants[id] as number);
        return is({ kind: "matrix", of: type(second), rows, columns });
      }
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

/** Runs threads that wait for each other; whether they ended. */
function runSubgroup(runs: readonly Run[]): boolean {
  let told: Value[] | undefined;
  for (;;) {
    const all = runs.map((run) => run.next(told));
    const [first] = all;
    const isSame = all.every(({ done, value }) =>
      done === first.done &&
      (done || (value as Waiting).until === (first.value as Waiting).until)
    );
    if (!isSame) throw new Error("some threads missed a barrier");
    if (first.done) return true;
    if ((first.value as Waiting).until === "workgroup") return false;
    told = all.map(({ value }) => (value as Waiting).value);
  }
}

/** Where a matrix lies: what pointer, order and stride are. */
function placeOf(
  ids: readonly number[],
  values: readonly Value[],
): MatrixPlace {
  const [pointer, layout, stride] = ids.map((id) => values[id]);
  return {
    pointer: pointer as Pointer,
    isRows: layout === 0,
    stride: stride as number,
  };
}
