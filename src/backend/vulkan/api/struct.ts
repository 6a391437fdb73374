/**
 * The layout of C structures, computed from a description of their fields.
 *
 * A field is aligned to its own size, a structure to its largest field, as the
 * ABIs of all 64-bit systems have it. Handles, pointers and sizes are `u64`.
 *
 * @module
 */

/** Types of single numbers, and their bytes. */
const SIZES = { u8: 1, u32: 4, i32: 4, f32: 4, u64: 8 } as const;

/** What a field can be: a number, a structure, or a row of either. */
export type FieldType =
  | keyof typeof SIZES
  // deno-lint-ignore no-explicit-any -- a structure of whatever fields
  | StructType<any>
  | readonly [type: FieldType, length: number];

/** What is written to a field, and read from it. */
export type FieldValue<T> = T extends "u64" ? bigint
  : T extends keyof typeof SIZES ? number
  : T extends StructType<infer F> ? FieldValues<F>
  : T extends readonly [infer E, number] ? readonly FieldValue<E>[]
  : never;

/** Values of the fields that are set; what is absent is zero. */
export type FieldValues<F> = { readonly [K in keyof F]?: FieldValue<F[K]> };

/** A structure with the place of each field. */
export class StructType<F> {
  readonly sizeBytes: number;
  readonly alignment: number;
  /** Offset of each field in bytes. */
  readonly offsets: Readonly<Record<keyof F, number>>;
  readonly #fields: readonly (readonly [keyof F, FieldType])[];
  readonly #constants: FieldValues<F>;

  /** @param constants Values of fields that are always the same. */
  constructor(
    fields: F & Record<keyof F, FieldType>,
    constants: FieldValues<F> = {},
  ) {
    this.#fields = Object.entries(fields) as [keyof F, FieldType][];
    this.#constants = constants;
    const offsets = {} as Record<keyof F, number>;
    let end = 0, alignment = 1;
    for (const [name, type] of this.#fields) {
      const each = alignmentOf(type);
      offsets[name] = roundUp(end, each);
      end = offsets[name] + sizeOf(type);
      alignment = Math.max(alignment, each);
    }
    this.offsets = offsets;
    this.alignment = alignment;
    this.sizeBytes = roundUp(end, alignment);
  }

  /** Writes the fields that are given, and the constants; leaves the rest. */
  write(view: DataView, at: number, values: FieldValues<F>): void {
    for (const [name, type] of this.#fields) {
      const value = values[name] ?? this.#constants[name];
      if (value !== undefined) {
        writeField(view, at + this.offsets[name], { type, value });
      }
    }
  }

  read(view: DataView, at: number): Required<FieldValues<F>> {
    return Object.fromEntries(
      this.#fields.map(([name, type]) => [
        name,
        readField(view, at + this.offsets[name], type),
      ]),
    ) as Required<FieldValues<F>>;
  }
}

/** The first fields of a structure that others are chained to. */
const CHAIN = { sType: "u32", pNext: "u64" } as const;

/** A structure that begins with its type and the next of a chain. */
export function chained<const F extends Record<string, FieldType>>(
  sType: number,
  fields: F,
): StructType<typeof CHAIN & F> {
  return new StructType<typeof CHAIN & F>(
    { ...CHAIN, ...fields },
    { sType } as FieldValues<typeof CHAIN & F>,
  );
}

/** A structure without. */
export function plain<const F extends Record<string, FieldType>>(
  fields: F,
): StructType<F> {
  return new StructType<F>(fields);
}

/** Fields of one type, by their names in order. */
export function fieldsOf<const T extends FieldType, const N extends string>(
  type: T,
  ...names: N[]
): Record<N, T> {
  return Object.fromEntries(names.map((name) => [name, type])) as Record<N, T>;
}

/** Text of a row of bytes, up to its first zero. */
export function textOf(bytes: readonly number[]): string {
  const end = bytes.indexOf(0);
  const text = Uint8Array.from(end < 0 ? bytes : bytes.slice(0, end));
  return new TextDecoder().decode(text);
}

function sizeOf(type: FieldType): number {
  if (typeof type === "string") return SIZES[type];
  return type instanceof StructType
    ? type.sizeBytes
    : type[1] * sizeOf(type[0]);
}

function alignmentOf(type: FieldType): number {
  if (typeof type === "string") return SIZES[type];
  return type instanceof StructType ? type.alignment : alignmentOf(type[0]);
}

function roundUp(bytes: number, alignment: number): number {
  return Math.ceil(bytes / alignment) * alignment;
}

function writeField(
  view: DataView,
  at: number,
  { type, value }: { type: FieldType; value: unknown },
): void {
  if (type instanceof StructType) {
    type.write(view, at, value as FieldValues<unknown>);
  } else if (typeof type !== "string") {
    const [each] = type;
    (value as readonly unknown[]).forEach((one, i) =>
      writeField(view, at + i * sizeOf(each), { type: each, value: one })
    );
  } else if (type === "u64") {
    view.setBigUint64(at, value as bigint, true);
  } else if (type === "u32") {
    view.setUint32(at, value as number, true);
  } else if (type === "i32") {
    view.setInt32(at, value as number, true);
  } else if (type === "f32") {
    view.setFloat32(at, value as number, true);
  } else {
    view.setUint8(at, value as number);
  }
}

function readField(view: DataView, at: number, type: FieldType): unknown {
  if (type instanceof StructType) return type.read(view, at);
  if (typeof type !== "string") {
    const [each, length] = type;
    return Array.from(
      { length },
      (_, i) => readField(view, at + i * sizeOf(each), each),
    );
  }
  if (type === "u64") return view.getBigUint64(at, true);
  if (type === "u32") return view.getUint32(at, true);
  if (type === "i32") return view.getInt32(at, true);
  if (type === "f32") return view.getFloat32(at, true);
  return view.getUint8(at);
}
