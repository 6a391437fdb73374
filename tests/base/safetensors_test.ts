import assert from "node:assert/strict";
import { UserError } from "../../src/base/errors.ts";
import {
  deferSafetensors,
  type NamedTensor,
  readSafetensorsHeader,
  valuesOf,
  writeSafetensors,
} from "../../src/base/safetensors.ts";
import { sealOf } from "../../src/base/sealed_file.ts";
import { inTempDir } from "./_helpers.ts";
import { readSafetensors } from "./_safetensors.ts";

const TENSORS: NamedTensor[] = [
  {
    name: "wte.weight",
    shape: [3, 2],
    data: Float32Array.of(1, -2, 3.5, -0, 5, Infinity),
  },
  { name: "empty", shape: [0, 4], data: new Float32Array(0) },
  { name: "scalar", shape: [], data: Float32Array.of(7) },
];

/** A file with this header and these data bytes, whatever they say. */
function rawFile(header: unknown, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const json = new TextEncoder().encode(
    typeof header === "string" ? header : JSON.stringify(header),
  );
  const bytes = new Uint8Array(8 + json.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.length);
  return bytes;
}

Deno.test("writeSafetensors() and deferSafetensors() return the same bits", () =>
  inTempDir(async (dir) => {
    await writeSafetensors(`${dir}/a`, TENSORS, {
      metadata: { step: "5" },
    });
    const back = await readSafetensors(`${dir}/a`);
    assert.deepEqual(
      back.map(({ name, shape }) => ({ name, shape })).sort((a, b) =>
        a.name < b.name ? -1 : 1
      ),
      [{ name: "empty", shape: [0, 4] }, { name: "scalar", shape: [] }, {
        name: "wte.weight",
        shape: [3, 2],
      }],
    );
    for (const { name, data } of TENSORS) {
      const got = back.find((tensor) => tensor.name === name)!;
      assert.deepEqual(
        new Uint8Array(got.data.buffer),
        new Uint8Array(data.buffer),
      );
    }
    const { metadata } = await readSafetensorsHeader(`${dir}/a`);
    assert.deepEqual(metadata, { format: "pt", step: "5" });
  }));

Deno.test("writeSafetensors() reads deferred tensors one after another", () =>
  inTempDir(async (dir) => {
    let reading = 0;
    const deferred = TENSORS.map(({ name, shape, data }) => ({
      name,
      shape,
      async read() {
        assert.equal(++reading, 1);
        await Promise.resolve();
        reading--;
        return data.slice();
      },
    }));
    await writeSafetensors(`${dir}/at-hand`, TENSORS);
    const seal = await writeSafetensors(`${dir}/deferred`, deferred);
    assert.deepEqual(seal, await sealOf(`${dir}/at-hand`));
    const again = await deferSafetensors(`${dir}/deferred`);
    for (const tensor of again.toReversed()) {
      const { data } = TENSORS.find(({ name }) => name === tensor.name)!;
      assert.deepEqual(await tensor.read(), data);
      assert.deepEqual(await valuesOf(tensor), data); // as often as one likes
    }
    const [wte] = deferred;
    await assert.rejects(
      writeSafetensors(`${dir}/c`, [{ ...wte, shape: [2, 2] }]),
      {
        name: "RangeError",
        message: 'Cannot write tensor "wte.weight": shape (2, 2) does not ' +
          "fit 6 values",
      },
    );
  }));

Deno.test("writeSafetensors() lays the file out as the format says", () =>
  inTempDir(async (dir) => {
    await writeSafetensors(`${dir}/a`, [
      { name: "x", shape: [2], data: Float32Array.of(1, -2) },
    ]);
    const bytes = await Deno.readFile(`${dir}/a`);
    const size = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    assert.equal(size % 8, 0);
    assert.equal(
      new TextDecoder().decode(bytes.subarray(8, 8 + size)).trimEnd(),
      '{"__metadata__":{"format":"pt"},' +
        '"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
    );
    // 1.0 = 0x3f800000 and -2.0 = 0xc0000000, little-endian.
    assert.deepEqual(
      [...bytes.subarray(8 + size)],
      [0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0],
    );
  }));

Deno.test("writeSafetensors() returns the size and checksum of the file", () =>
  inTempDir(async (dir) => {
    // Larger than one chunk, and a view into a larger buffer.
    const data = new Float32Array(700_000).map((_, i) => i).subarray(3);
    const seal = await writeSafetensors(`${dir}/a`, [
      { name: "x", shape: [data.length], data },
    ]);
    assert.deepEqual(seal, await sealOf(`${dir}/a`));
    assert.deepEqual((await readSafetensors(`${dir}/a`))[0].data, data);
  }));

Deno.test("writeSafetensors() takes data in shared memory", () =>
  inTempDir(async (dir) => {
    const data = new Float32Array(new SharedArrayBuffer(8)).fill(2.5);
    await writeSafetensors(`${dir}/a`, [{ name: "x", shape: [2], data }]);
    assert.deepEqual(
      [...(await readSafetensors(`${dir}/a`))[0].data],
      [2.5, 2.5],
    );
  }));

Deno.test("writeSafetensors() refuses what cannot be a file", () =>
  inTempDir(async (dir) => {
    const x = { name: "x", shape: [2], data: new Float32Array(2) };
    await assert.rejects(writeSafetensors(`${dir}/a`, [x, x]), RangeError);
    await assert.rejects(
      writeSafetensors(`${dir}/a`, [{ ...x, shape: [3] }]),
      /Cannot write tensor "x": shape \(3\) does not fit 2 values/,
    );
  }));

Deno.test("deferSafetensors() widens F16 and BF16", () =>
  inTempDir(async (dir) => {
    const header = {
      h: { dtype: "F16", shape: [2], data_offsets: [0, 4] },
      b: { dtype: "BF16", shape: [2], data_offsets: [4, 8] },
    };
    // F16: 1.5 = 0x3e00, -2 = 0xc000. BF16: 1.5 = 0x3fc0, -2 = 0xc000.
    const data = Uint8Array.of(0, 0x3e, 0, 0xc0, 0xc0, 0x3f, 0, 0xc0);
    await Deno.writeFile(`${dir}/a`, rawFile(header, data));
    const tensors = await readSafetensors(`${dir}/a`);
    assert.deepEqual(
      tensors.map(({ name, data }) => [name, ...data]),
      [["h", 1.5, -2], ["b", 1.5, -2]],
    );
  }));

const ENTRY = { dtype: "F32", shape: [2], data_offsets: [0, 8] };
const EIGHT = new Uint8Array(8);
for (
  const [what, bytes, message] of [
    ["an empty file", new Uint8Array(0), "it has 0 bytes, expected at least 8"],
    [
      "a file of another kind",
      new Uint8Array(64).fill(0xff),
      "it does not begin as a safetensors file does",
    ],
    [
      "a cut header",
      rawFile({ x: ENTRY }, EIGHT).subarray(0, 30),
      "it is 30 B, expected 62 B or more",
    ],
    [
      "cut data",
      rawFile({ x: ENTRY }, EIGHT.subarray(0, 5)),
      "it is 67 B, expected 70 B",
    ],
    [
      "bytes too many",
      rawFile({ x: ENTRY }, new Uint8Array(2000)),
      "it is 2.1 kB, expected 70 B",
    ],
    ["no JSON", rawFile("{", EIGHT), "its header is not JSON"],
    ["a list as header", rawFile([], EIGHT), "its header is not an object"],
    [
      "overlapping tensors",
      rawFile({ x: ENTRY, y: { ...ENTRY, data_offsets: [4, 12] } }, EIGHT),
      'tensor "y" begins at byte 4, expected 8',
    ],
    [
      "a hole between tensors",
      rawFile({ x: ENTRY, y: { ...ENTRY, data_offsets: [12, 20] } }, EIGHT),
      'tensor "y" begins at byte 12, expected 8',
    ],
    [
      "a shape that does not fit",
      rawFile({ x: { ...ENTRY, shape: [3] } }, EIGHT),
      'tensor "x" has 8 bytes, its shape (3) needs 12',
    ],
    [
      "a negative size",
      rawFile({ x: { ...ENTRY, shape: [-2] } }, EIGHT),
      'tensor "x" has no valid shape or offsets',
    ],
    [
      "integers",
      rawFile({ x: { ...ENTRY, dtype: "I64" } }, EIGHT),
      'tensor "x" has dtype I64, allowed are F32, F16, BF16',
    ],
  ] as const
) {
  Deno.test(`deferSafetensors() explains ${what}`, () =>
    inTempDir(async (dir) => {
      await Deno.writeFile(`${dir}/a`, bytes);
      await assert.rejects(
        readSafetensors(`${dir}/a`),
        (error) =>
          error instanceof UserError &&
          error.message === `Cannot read "${dir}/a": ${message}`,
      );
    }));
}
