import assert from "node:assert/strict";
import { parquetHeader } from "hyparquet/src/column.js";
import { checkPages } from "../../../src/data/text/parquet_pages.ts";

const REQUIRED = {
  isOptional: false,
  isPacked: false,
  readHeader: parquetHeader,
};
const OPTIONAL = { ...REQUIRED, isOptional: true };

/**
 * A page of the second kind with three values, in Thrift's compact form.
 *
 * @param fields Field 4 (encoding) and those behind it: lengths of levels.
 */
function page(
  body: number[],
  { size = body.length, fields }: { size?: number; fields: number[] },
): Uint8Array<ArrayBuffer> {
  const zigzag = (n: number) => [0x15, 2 * n];
  return Uint8Array.from([
    ...[...zigzag(3), ...zigzag(size), ...zigzag(size), 0x5c],
    ...[...zigzag(3), ...zigzag(0), ...zigzag(3)],
    ...[...fields.flatMap(zigzag), 0, 0, ...body],
  ]);
}

const check = (bytes: Uint8Array<ArrayBuffer>, column = REQUIRED) =>
  checkPages(bytes.buffer, column);

Deno.test("checkPages() takes pages with and without levels", () => {
  const plain = page([1, 2, 3, 4], { fields: [0, 0, 0] });
  check(plain);
  check(Uint8Array.from([...plain, ...plain]));
  // Three times 1; and a group of eight bits, of which three count.
  check(page([6, 1, 9, 9], { fields: [0, 2, 0] }), OPTIONAL);
  check(page([3, 7, 9, 9], { fields: [0, 2, 0] }), OPTIONAL);
});

Deno.test("checkPages() refuses headers that lack a length or claim too much", () => {
  for (
    const [bytes, reason] of [
      [
        page([0, 0, 0, 0], { fields: [0, 2] }),
        "levels of a page cannot be mis",
      ],
      [page([1, 2], { fields: [0, 0, 0], size: 60 }), "size of a page"],
      [page([1, 2], { fields: [0, 3, 0] }), "levels of a page cannot be 3"],
      [page([1, 2], { fields: [0, 1, 2] }), "levels of a page cannot be 1"],
    ] as const
  ) assert.throws(() => check(bytes, OPTIONAL), new RegExp(reason));
});

Deno.test("checkPages() refuses runs that do not end or are too long", () => {
  for (
    const [body, reason] of [
      [[0, 1], "end too early"],
      [[0xfe, 0xff, 0xff, 0xff, 0x07, 1], "a run of 1073741823 where"],
      [[0xff, 0xff, 0xff, 0xff, 0x07, 1], "a run of 8589934584 where"],
      [[0xff, 0xff, 0xff, 0xff, 0xff, 1], "end too early"],
      [[2, 1], "end too early"],
    ] as const
  ) {
    const bytes = page([...body], { fields: [0, body.length, 0] });
    assert.throws(() => check(bytes, OPTIONAL), new RegExp(reason));
  }
});

/** A page of the first kind, of three values, as a header alone. */
function firstKind(encoding: number, size: number): Uint8Array<ArrayBuffer> {
  const fields = [3, encoding, 3, 3].flatMap((n) => [0x15, 2 * n]);
  return Uint8Array.from([
    ...[0x15, 0, 0x15, 2 * size, 0x15, 2 * size, 0x2c],
    ...[...fields, 0, 0, ...new Array(size).fill(0)],
  ]);
}

Deno.test("checkPages() looks into packed pages once they are unpacked", () => {
  const dictionary = 8, long = [0xfe, 0xff, 0xff, 0xff, 0x07, 1];
  const unpacked = {
    // Three levels, the width of an index, three times index 1.
    good: [2, 0, 0, 0, 6, 1, 1, 6, 1],
    // A level for each but the last, whose index is not there.
    gap: [3, 0, 0, 0, 3, 3, 0, 1, 4, 1],
    levels: [6, 0, 0, 0, ...long, 1, 6, 1],
    indices: [2, 0, 0, 0, 6, 1, 1, ...long],
    wide: [2, 0, 0, 0, 6, 1, 33, 6, 1],
  };
  const pages = checkPages(
    firstKind(dictionary, 9).buffer,
    { ...OPTIONAL, isPacked: true },
  );
  assert.deepEqual(pages.map(({ size, length }) => [size, length]), [[9, 9]]);
  const look = (bytes: number[]) => pages[0].check(Uint8Array.from(bytes));
  look(unpacked.good);
  look(unpacked.gap);
  assert.throws(() => look(unpacked.levels), /a run of 1073741823 where 3/);
  assert.throws(() => look(unpacked.indices), /a run of 1073741823 where 3/);
  assert.throws(() => look(unpacked.wide), /indices of 33 bits/);
});
