import assert from "node:assert/strict";
import { NativeMemory } from "../../../src/backend/vulkan/api/native_memory.ts";
import { plain } from "../../../src/backend/vulkan/api/struct.ts";
import * as structs from "../../../src/backend/vulkan/api/structs.ts";
import layouts from "../../fixtures/vulkan_layouts.json" with { type: "json" };

const types = structs as unknown as Record<
  string,
  { sizeBytes: number; offsets: Record<string, number> }
>;

Deno.test("structures lie as a C compiler has them", () => {
  const ours = Object.fromEntries(
    Object.keys(layouts).map((place) => {
      const [name, field] = place.split(".");
      const { sizeBytes, offsets } = types[name];
      return [place, field ? offsets[field] : sizeBytes];
    }),
  );
  assert.deepEqual(ours, layouts);
  for (const name of Object.keys(types)) assert.ok(name in layouts, name);
});

Deno.test("structures are read as they were written", () => {
  const inner = plain({ small: "u8", large: "u64" });
  const outer = plain({ n: "i32", row: [inner, 2], f: "f32" });
  assert.deepEqual([outer.offsets.row, outer.offsets.f], [8, 40]);
  assert.equal(outer.sizeBytes, 48);
  const values = {
    n: -5,
    row: [{ small: 255, large: 2n ** 63n + 1n }, { small: 0, large: 7n }],
    f: 0.5,
  };
  const memory = new NativeMemory(100);
  const address = memory.write(outer, values);
  assert.deepEqual(memory.read(outer, address), values);
  assert.deepEqual(memory.read(inner, address + 8n), values.row[0]);
});

Deno.test("NativeMemory gives memory back, and no more than it has", () => {
  const memory = new NativeMemory(16);
  const first = memory.during(() => memory.writeHandles([3n, 4n]));
  assert.equal(memory.take(8), first);
  assert.equal(memory.readHandle(first), 0n); // it comes as zeros
  assert.equal(memory.readHandle(memory.writeText("hello")), 0x6f6c6c6568n);
  assert.throws(() => memory.take(1), /do not fit/);
});
