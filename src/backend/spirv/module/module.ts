/**
 * A SPIR-V module as it grows: types, constants and variables, each once, and
 * the code of functions.
 *
 * Source: SPIR-V, section 2.4, "Logical Layout of a Module".
 *
 * @module
 */

import { bitsOf } from "../fold.ts";
import { type Scalar, strideOf, type Type } from "../types.ts";
import { CAPABILITY, DECORATION, OP, STORAGE } from "./spirv.ts";
import { Words } from "./words.ts";

/** Something that a device must have, by its name in {@linkcode CAPABILITY}. */
export type Capability = keyof typeof CAPABILITY;
/** Where a variable is, by its name in {@linkcode STORAGE}. */
export type StorageClass = keyof typeof STORAGE;

const MAGIC = 0x07230203;
/** SPIR-V 1.3, of Vulkan 1.1. */
const VERSION = 0x00010300;
const ADDRESSING_LOGICAL = 0, MEMORY_GLSL450 = 1, MEMORY_VULKAN = 3;
const GL_COMPUTE = 5, LOCAL_SIZE = 17;
const MATRIX_USES = { A: 0, B: 1, C: 2 } as const;
const SUBGROUP_SCOPE = 3;
/** What {@linkcode OP.typeFloat} says of a bf16. */
const BFLOAT16_ENCODING = 0;

/** Builds a module. */
export class ModuleBuilder {
  readonly #capabilities = new Set<Capability>(["shader"]);
  readonly #extensions = new Set<string>();
  readonly #decorations = new Words();
  readonly #globals = new Words();
  readonly #functions = new Words(4096);
  readonly #types = new Map<Type, number>();
  readonly #laidOut = new Map<Type, number>();
  /** Ids of what is declared here, by the words of its instruction. */
  readonly #known = new Map<string, number>();
  readonly #inputs: number[] = [];
  #glsl = 0;
  #ids = 1;

  /** A number for something new. */
  newId(): number {
    return this.#ids++;
  }

  /** What a device must have so far. */
  get capabilities(): ReadonlySet<Capability> {
    return this.#capabilities;
  }

  /** Asks it of the device. */
  require(capability: Capability, extension?: string): void {
    this.#capabilities.add(capability);
    if (extension) this.#extensions.add(extension);
  }

  /** The set of functions of GLSL.std.450. */
  get glsl(): number {
    return this.#glsl ||= this.newId();
  }

  /**
   * The id of a type. In buffers, and only there, it says where its elements
   * lie.
   */
  type(type: Type, isLaidOut = false): number {
    const known = isLaidOut && type.kind === "array"
      ? this.#laidOut
      : this.#types;
    const found = known.get(type);
    if (found !== undefined) return found;
    const id = this.#declareType(type, isLaidOut);
    known.set(type, id);
    return id;
  }

  /** The id of a function's type; without a result it is void. */
  functionType(result: Type | undefined, parameters: readonly Type[]): number {
    return this.#declare(
      OP.typeFunction,
      this.resultType(result),
      ...parameters.map((type) => this.type(type)),
    );
  }

  /** The id of what a function returns. */
  resultType(result: Type | undefined): number {
    return result ? this.type(result) : this.#declare(OP.typeVoid);
  }

  /** The id of a pointer to something. */
  pointer(storage: StorageClass, type: Type): number {
    const target = this.type(type, storage === "storageBuffer");
    return this.#declare(OP.typePointer, STORAGE[storage], target);
  }

  /** The id of a number, or of a truth (0 or 1). */
  scalar(type: Scalar, number: number): number {
    const typeId = this.type(type);
    switch (type.name) {
      case "bool": {
        const truth = number ? OP.constantTrue : OP.constantFalse;
        return this.#declareTyped(truth, typeId);
      }
      case "u64": {
        const high = Math.floor(number / 2 ** 32);
        return this.#declareTyped(OP.constant, typeId, number >>> 0, high);
      }
      default: {
        const bits = bitsOf(number, type.name);
        return this.#declareTyped(OP.constant, typeId, bits);
      }
    }
  }

  /** The id of a number that is an index or an option. */
  u32(value: number): number {
    return this.#declareTyped(
      OP.constant,
      this.#declare(OP.typeInt, 32, 0),
      value,
    );
  }

  /** The id of something that has parts, which are constants. */
  composite(type: Type, parts: readonly number[]): number {
    return this.#declareTyped(OP.constantComposite, this.type(type), ...parts);
  }

  /** The id of zeros. */
  zero(type: Type): number {
    return this.#declareTyped(OP.constantNull, this.type(type));
  }

  /** A variable of the whole module. */
  variable(storage: StorageClass, type: Type, value?: number): number {
    const id = this.newId();
    this.#globals.op(
      OP.variable,
      this.pointer(storage, type),
      id,
      STORAGE[storage],
      ...(value === undefined ? [] : [value]),
    );
    return id;
  }

  /** The variable of something that a shader is given. */
  input(type: Type, builtIn: number): number {
    const id = this.variable("input", type);
    this.#inputs.push(id);
    this.decorate(id, DECORATION.builtIn, builtIn);
    return id;
  }

  /**
   * The variable of a buffer; its only member is the array.
   *
   * @param array Of no fixed length.
   */
  buffer(
    array: Type,
    { group, binding, isWritten }: {
      group: number;
      binding: number;
      isWritten: boolean;
    },
    id: number,
  ): void {
    const block = this.newId();
    this.#globals.op(OP.typeStruct, block, this.type(array, true));
    this.decorate(block, DECORATION.block);
    this.#decorations.op(OP.memberDecorate, block, 0, DECORATION.offset, 0);
    if (!isWritten) {
      this.#decorations.op(
        OP.memberDecorate,
        block,
        0,
        DECORATION.nonWritable,
      );
    }
    const pointer = this.#declare(
      OP.typePointer,
      STORAGE.storageBuffer,
      block,
    );
    this.#globals.op(OP.variable, pointer, id, STORAGE.storageBuffer);
    this.decorate(id, DECORATION.descriptorSet, group);
    this.decorate(id, DECORATION.binding, binding);
    // No two bindings of a dispatch are the same memory if one is written.
    this.decorate(id, DECORATION.restrict);
  }

  /** Says something of an id. */
  decorate(id: number, decoration: number, ...operands: number[]): void {
    this.#decorations.op(OP.decorate, id, decoration, ...operands);
  }

  /** Adds the code of a function. */
  addFunction(code: Words): void {
    this.#functions.addAll(code);
  }

  /** The whole module. */
  finish(
    main: number,
    workgroupSize: readonly [number, number, number],
  ): Uint32Array<ArrayBuffer> {
    const words = new Words(this.#functions.length + 4096);
    for (const word of [MAGIC, VERSION, 0, this.#ids, 0]) words.add(word);
    for (const capability of this.#capabilities) {
      words.op(OP.capability, CAPABILITY[capability]);
    }
    for (const text of this.#extensions) words.opText(OP.extension, { text });
    if (this.#glsl) {
      const text = "GLSL.std.450";
      words.opText(OP.extInstImport, { before: [this.#glsl], text });
    }
    words.op(
      OP.memoryModel,
      ADDRESSING_LOGICAL,
      this.#capabilities.has("vulkanMemoryModel")
        ? MEMORY_VULKAN
        : MEMORY_GLSL450,
    );
    words.opText(OP.entryPoint, {
      before: [GL_COMPUTE, main],
      text: "main",
      behind: this.#inputs,
    });
    words.op(OP.executionMode, main, LOCAL_SIZE, ...workgroupSize);
    words.addAll(this.#decorations);
    words.addAll(this.#globals);
    words.addAll(this.#functions);
    return words.view().slice();
  }

  #declareType(type: Type, isLaidOut: boolean): number {
    switch (type.kind) {
      case "scalar":
        return this.#declareScalar(type.name);
      case "vector":
        return this.#declare(OP.typeVector, this.type(type.of), type.size);
      case "array": {
        const of = this.type(type.of, isLaidOut);
        // Equal types of other layouts are different types.
        const id = this.newId();
        if (type.length === undefined) {
          this.#globals.op(OP.typeRuntimeArray, id, of);
        } else {
          const length = this.u32(type.length);
          this.#globals.op(OP.typeArray, id, of, length);
        }
        if (isLaidOut) {
          this.decorate(id, DECORATION.arrayStride, strideOf(type));
          if (sixteenBits(type)) {
            this.require("storageBuffer16BitAccess");
          }
        }
        return id;
      }
      case "struct": {
        const members = type.members.map(({ type }) => this.type(type));
        const id = this.newId();
        this.#globals.op(OP.typeStruct, id, ...members);
        return id;
      }
      case "matrix":
        this.require("vulkanMemoryModel", "SPV_KHR_vulkan_memory_model");
        this.require("cooperativeMatrix", "SPV_KHR_cooperative_matrix");
        if (type.of.name === "bf16") {
          this.require("bFloat16CooperativeMatrix", "SPV_KHR_bfloat16");
        }
        return this.#declare(
          OP.typeCooperativeMatrix,
          this.type(type.of),
          this.u32(SUBGROUP_SCOPE),
          this.u32(type.rows),
          this.u32(type.columns),
          this.u32(MATRIX_USES[type.use]),
        );
    }
  }

  #declareScalar(name: string): number {
    switch (name) {
      case "bool":
        return this.#declare(OP.typeBool);
      case "u32":
        return this.#declare(OP.typeInt, 32, 0);
      case "u64":
        this.require("int64");
        return this.#declare(OP.typeInt, 64, 0);
      case "i32":
        return this.#declare(OP.typeInt, 32, 1);
      case "f32":
        return this.#declare(OP.typeFloat, 32);
      case "f16":
        this.require("float16");
        return this.#declare(OP.typeFloat, 16);
      case "bf16":
        this.require("bFloat16Type", "SPV_KHR_bfloat16");
        return this.#declare(OP.typeFloat, 16, BFLOAT16_ENCODING);
    }
    throw new TypeError(`SPIR-V has no type "${name}"`);
  }

  /** The id of an instruction without a type. */
  #declare(op: number, ...operands: number[]): number {
    const key = `${op} ${operands.join(" ")}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const id = this.newId();
    this.#globals.op(op, id, ...operands);
    this.#known.set(key, id);
    return id;
  }

  /** The id of an instruction of a type. */
  #declareTyped(op: number, type: number, ...operands: number[]): number {
    const key = `${op} ${type} ${operands.join(" ")}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const id = this.newId();
    this.#globals.op(op, type, id, ...operands);
    this.#known.set(key, id);
    return id;
  }
}

/** Whether there are numbers of two bytes in it. */
function sixteenBits(type: Type): boolean {
  switch (type.kind) {
    case "scalar":
      return type.name === "f16" || type.name === "bf16";
    case "vector":
    case "array":
    case "matrix":
      return sixteenBits(type.of);
    case "struct":
      return type.members.some(({ type }) => sixteenBits(type));
  }
}
