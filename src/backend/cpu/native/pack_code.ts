/**
 * Machine code that packs parts of A and B for gemm_block_code.ts.
 *
 * The native twin of kernels/gemm_pack.ts: strips of `mr` rows of A as
 * [strip][k][mr], panels of `nr` columns of B as [panel][k][nr], zeros beyond
 * the edges. What is stored along k is copied; what is stored across it is
 * transposed in registers, 16 x 16 or 8 x 8 at a time. Memory bound.
 *
 * A vector may be wider than a strip. AVX-512 masks what would be too far. In
 * AVX2, which has no fast way for that, the next vector overwrites it, so that
 * the last one needs room for it, and no two threads may pack neighboring
 * strips. Panels are whole vectors.
 *
 * In the format bf16, which AVX-512 alone has, each packed word holds two
 * neighbors in k, rounded to nearest even; an odd depth ends with a zero.
 *
 * @module
 */

import type { Assembler } from "./assembler.ts";
import { type Address, CONDITION, R } from "./encoding.ts";
import { type Format, TILE_SHAPE } from "./tile_shape.ts";

/** The 32-bit words of the arguments, in order. */
const PACK_ARGS = [
  "to",
  "from",
  /** Bytes between rows as stored. */
  "stride",
  /** Rows of A, or columns of B. */
  "count",
  "depth",
  /** AVX2 only: as in `GEMM_BLOCK_ARGS`. */
  "masks",
] as const;

const BASE = R.rdi, ARGS = R.rsi;
const TO = R.rbx, FROM = R.rbp, STRIDE = R.r8, LEFT = R.r9, DEPTH = R.r10;
const K_LEFT = R.r11, PUT = R.r12, GET = R.r13, ROW = R.r14, ROWS = R.r15;
const COUNT = R.rcx, SCRATCH = R.rdx, MASKS = R.rax;
/** AVX-512 needs no masks from memory. */
const AHEAD = R.rax;
const PUT_SKIP = R.r14, GET_SKIP = R.r11;
/**
 * Rows that are copied side by side, each from its beginning to its end, and
 * how far ahead of them memory is asked for. Single vectors of many rows far
 * apart come at 3e9 elements a second from memory on one core, these at 6.5
 * (2048 x 1536 to panels of bf16; AMD Zen 5, November 2026).
 */
const BLOCK_ROWS = 16, BYTES_AHEAD = 512;
/**
 * AVX-512 mask registers of the columns copied, of a depth's tail, and of what
 * is stored of the last vector of a group.
 */
const COL_MASK = [1, 2], DEPTH_MASK = [3, 4], GROUP_MASK = 5;

/** What is packed: `a` in groups of mr, `b` in groups of nr. */
export type Side = "a" | "b";

/** Which packing a kernel is for. */
export interface PackedAs {
  readonly side: Side;
  readonly format: Format;
}

function groupSize(asm: Assembler, side: Side): number {
  const { mr, nr } = TILE_SHAPE[asm.width];
  return side === "a" ? mr : nr;
}

/** Emits the body that packs what is stored along k: rows are k. */
export function emitPackCopy(
  asm: Assembler,
  { side, format }: PackedAs,
): void {
  const { lanes } = TILE_SHAPE[asm.width];
  const group = groupSize(asm, side);
  const vectors = Math.ceil(group / lanes);
  // AVX2 keeps its masks in the last registers.
  const maskVector = (v: number) => 14 + v;
  // Where a vector writes too far, all k of a group must come before the next.
  const rowsPerBlock = asm.width === 256 && side === "a" ? 1 << 30 : BLOCK_ROWS;
  emitLoadArguments(asm);
  const nextBlock = asm.here();

  // 1. From one group to the next, behind the rows of a block.
  emitMin(asm, COUNT, DEPTH, rowsPerBlock);
  asm.movImm(GET_SKIP, group * 4);
  asm.mov(SCRATCH, STRIDE);
  asm.imul(SCRATCH, COUNT);
  asm.sub(GET_SKIP, SCRATCH);
  if (format === "bf16") emitPairs(asm, COUNT);
  asm.load32(PUT_SKIP, argument("depth"));
  if (format === "bf16") emitPairs(asm, PUT_SKIP);
  asm.sub(PUT_SKIP, COUNT);
  asm.movImm(SCRATCH, group * 4);
  asm.imul(PUT_SKIP, SCRATCH);
  asm.mov(GET, FROM);
  asm.mov(PUT, TO);
  asm.load32(LEFT, argument("count"));

  // 2. The rows of a block, group by group.
  const nextGroup = asm.here();
  emitMin(asm, COUNT, LEFT, group);
  if (asm.width === 512) {
    emitBitMask(asm);
    for (let v = 0; v < vectors; v++) {
      asm.kmov(COL_MASK[v], SCRATCH);
      asm.shrImm(SCRATCH, lanes);
    }
  } else {
    emitMaskTableOffset(asm);
    for (let v = 0; v < vectors; v++) {
      const disp = v * asm.vectorBytes;
      asm.vload(maskVector(v), { base: MASKS, index: SCRATCH, scale: 4, disp });
    }
  }
  emitMin(asm, ROWS, DEPTH, rowsPerBlock);
  const nextK = asm.here();
  if (format === "bf16") emitCopyPair(asm, vectors, group);
  else {
    for (let v = 0; v < vectors; v++) {
      const from = { base: GET, disp: v * asm.vectorBytes };
      asm.prefetch({ ...from, disp: from.disp + BYTES_AHEAD });
      if (asm.width === 512) asm.vload(v, from, COL_MASK[v]);
      else asm.vmaskLoad(v, maskVector(v), from);
      storeOfGroup(asm, v, { base: PUT, disp: v * asm.vectorBytes }, group);
    }
    asm.add(GET, STRIDE);
    asm.subImm(ROWS, 1);
  }
  // The flags of the subtraction must live: lea leaves them alone.
  asm.lea(PUT, { base: PUT, disp: group * 4 });
  asm.jump(nextK, CONDITION.greater);
  asm.add(GET, GET_SKIP);
  asm.add(PUT, PUT_SKIP);
  asm.subImm(LEFT, group);
  asm.jump(nextGroup, CONDITION.greater);

  // 3. The next block of rows.
  asm.mov(SCRATCH, STRIDE);
  asm.movImm(COUNT, rowsPerBlock);
  asm.imul(SCRATCH, COUNT);
  asm.add(FROM, SCRATCH);
  const words = format === "bf16" ? rowsPerBlock / 2 : rowsPerBlock;
  if (rowsPerBlock === BLOCK_ROWS) asm.addImm(TO, words * group * 4);
  asm.subImm(DEPTH, rowsPerBlock);
  asm.jump(nextBlock, CONDITION.greater);
}

/** Copies two rows, or the last one and zeros, as pairs of bf16. */
function emitCopyPair(asm: Assembler, vectors: number, group: number): void {
  const even = (v: number) => v, odd = (v: number) => vectors + v;
  const oddDepth = asm.label();
  for (let v = 0; v < vectors; v++) {
    const disp = v * 64 + BYTES_AHEAD;
    asm.prefetch({ base: GET, disp });
    asm.prefetch({ base: GET, index: STRIDE, disp });
    asm.vload(even(v), { base: GET, disp: v * 64 }, COL_MASK[v]);
    asm.vzero(odd(v));
  }
  asm.add(GET, STRIDE);
  asm.cmpImm(ROWS, 1);
  asm.jump(oddDepth, CONDITION.equal);
  for (let v = 0; v < vectors; v++) {
    asm.vload(odd(v), { base: GET, disp: v * 64 }, COL_MASK[v]);
  }
  asm.add(GET, STRIDE);
  asm.bind(oddDepth);
  for (let v = 0; v < vectors; v++) {
    for (const half of [even(v), odd(v)]) {
      asm.vcvtToBf16(half, half);
      asm.vwiden16(half, half);
    }
    asm.vshl32(odd(v), odd(v), 16);
    asm.vor(even(v), even(v), odd(v));
    storeOfGroup(asm, even(v), { base: PUT, disp: v * 64 }, group);
  }
  asm.subImm(ROWS, 2);
}

/** Stores a vector of a packed k, which has `group` elements. */
function storeOfGroup(
  asm: Assembler,
  v: number,
  to: Address,
  group: number,
): void {
  const { lanes } = TILE_SHAPE[asm.width];
  const isPart = asm.width === 512 && group < lanes;
  asm.vstore(v, to, isPart ? GROUP_MASK : 0);
}

/** Emits the body that packs what is stored across k: columns are k. */
export function emitPackTranspose(
  asm: Assembler,
  { side, format }: PackedAs,
): void {
  const { lanes } = TILE_SHAPE[asm.width];
  const group = groupSize(asm, side);
  const rowsPerBlock = Math.min(group, lanes);
  emitLoadArguments(asm);
  const nextGroup = asm.here();
  for (let at = 0; at < group; at += lanes) {
    emitBlocks(asm, { at, rowsPerBlock, toStride: group * 4, format });
  }
  // The next group begins where the last block's rows end.
  asm.mov(SCRATCH, DEPTH);
  if (format === "bf16") emitPairs(asm, SCRATCH);
  asm.movImm(COUNT, group * 4);
  asm.imul(SCRATCH, COUNT);
  asm.add(TO, SCRATCH);
  asm.subImm(LEFT, rowsPerBlock);
  asm.jump(nextGroup, CONDITION.greater);
}

/**
 * Packs up to `rowsPerBlock` rows, along all of the depth, to the elements
 * from `at` of each packed k. Moves FROM to the next rows; when the group has
 * more of them, counts them off LEFT.
 */
function emitBlocks(
  asm: Assembler,
  { at, rowsPerBlock, toStride, format }: {
    at: number;
    rowsPerBlock: number;
    toStride: number;
    format: Format;
  },
): void {
  const { lanes } = TILE_SHAPE[asm.width];
  const depthPerBlock = format === "bf16" ? 2 * lanes : lanes;
  if (at > 0) asm.subImm(LEFT, rowsPerBlock);
  asm.mov(GET, FROM);
  asm.lea(PUT, { base: TO, disp: at * 4 });
  asm.mov(K_LEFT, DEPTH);
  const nextBlock = asm.here();

  // 1. Load the rows there are, and of each the depth that is left.
  emitMin(asm, COUNT, K_LEFT, depthPerBlock);
  if (asm.width === 512) {
    emitBitMask(asm);
    for (const mask of DEPTH_MASK) {
      asm.kmov(mask, SCRATCH);
      asm.shrImm(SCRATCH, lanes);
    }
  } else {
    emitMaskTableOffset(asm);
    const masks = { base: MASKS, index: SCRATCH, scale: 4 } as const;
    asm.vload(2 * lanes - 1, masks);
  }
  for (let i = 0; i < lanes; i++) asm.vzero(i);
  if (asm.width === 512) {
    // Rows of the next group are asked for: 3.9 -> 7.0e9 elements a second,
    // measured as above. Beyond the last row that does no harm.
    asm.movImm(AHEAD, rowsPerBlock);
    asm.imul(AHEAD, STRIDE);
  }
  const loaded = asm.label();
  asm.mov(ROW, GET);
  asm.mov(ROWS, LEFT);
  for (let i = 0; i < rowsPerBlock; i++) {
    asm.cmpImm(ROWS, i);
    asm.jump(loaded, CONDITION.lessOrEqual);
    if (asm.width === 512) {
      asm.prefetch({ base: ROW, index: AHEAD });
      if (format === "bf16") {
        asm.prefetch({ base: ROW, index: AHEAD, disp: 64 });
      }
    }
    if (format === "bf16") {
      const [low, high] = [lanes, lanes + 1];
      asm.vload(low, { base: ROW }, DEPTH_MASK[0]);
      asm.vload(high, { base: ROW, disp: 64 }, DEPTH_MASK[1]);
      asm.vcvtTwoToBf16(i, high, low);
    } else if (asm.width === 512) asm.vload(i, { base: ROW }, DEPTH_MASK[0]);
    else asm.vmaskLoad(i, 2 * lanes - 1, { base: ROW });
    asm.add(ROW, STRIDE);
  }
  asm.bind(loaded);

  // 2. Transpose, and store a row of lanes for each k.
  const columns = emitTranspose(asm);
  if (format === "bf16") emitPairs(asm, COUNT);
  const stored = asm.label();
  for (let k = 0; k < lanes; k++) {
    storeOfGroup(
      asm,
      columns[k],
      { base: PUT, disp: k * toStride },
      toStride / 4,
    );
    if (k === lanes - 1) continue;
    asm.subImm(COUNT, 1);
    asm.jump(stored, CONDITION.equal);
  }
  asm.bind(stored);
  asm.addImm(GET, depthPerBlock * 4);
  asm.addImm(PUT, lanes * toStride);
  asm.subImm(K_LEFT, depthPerBlock);
  asm.jump(nextBlock, CONDITION.greater);

  // 3. The rows after these.
  asm.mov(SCRATCH, STRIDE);
  asm.movImm(COUNT, rowsPerBlock);
  asm.imul(SCRATCH, COUNT);
  asm.add(FROM, SCRATCH);
}

/**
 * Transposes the square matrix in registers 0 … lanes-1.
 *
 * @returns The register of each column.
 */
function emitTranspose(asm: Assembler): number[] {
  const { lanes } = TILE_SHAPE[asm.width];
  const [low, high] = ["low", "high"] as const;
  // 1. Pairs of rows, then groups of four: afterwards register 4g + c holds
  // columns c, 4 + c, … of rows 4g … 4g + 3, one in each 128 bits.
  const t = (i: number) => lanes + i;
  for (let i = 0; i < lanes; i += 2) {
    asm.vunpack32(t(i), i, i + 1, low);
    asm.vunpack32(t(i + 1), i, i + 1, high);
  }
  for (let g = 0; g < lanes; g += 4) {
    asm.vunpack64(g, t(g), t(g + 2), low);
    asm.vunpack64(g + 1, t(g), t(g + 2), high);
    asm.vunpack64(g + 2, t(g + 1), t(g + 3), low);
    asm.vunpack64(g + 3, t(g + 1), t(g + 3), high);
  }
  // 2. Collect the 128-bit quarters (or halves) of one column.
  for (let c = 0; c < 4; c++) {
    if (asm.width === 256) {
      asm.vpermute128(t(c), c, 4 + c, 0x20);
      asm.vpermute128(t(4 + c), c, 4 + c, 0x31);
      continue;
    }
    const [even, odd, even2, odd2] = [0, 1, 2, 3].map((i) => t(4 * c + i));
    asm.vshuffle128(even, c, 4 + c, 0x88);
    asm.vshuffle128(odd, c, 4 + c, 0xdd);
    asm.vshuffle128(even2, 8 + c, 12 + c, 0x88);
    asm.vshuffle128(odd2, 8 + c, 12 + c, 0xdd);
    asm.vshuffle128(c, even, even2, 0x88);
    asm.vshuffle128(4 + c, odd, odd2, 0x88);
    asm.vshuffle128(8 + c, even, even2, 0xdd);
    asm.vshuffle128(12 + c, odd, odd2, 0xdd);
  }
  const inPlace = asm.width === 512;
  return Array.from({ length: lanes }, (_, k) => inPlace ? k : t(k));
}

function emitLoadArguments(asm: Assembler): void {
  for (const [register, name] of [[TO, "to"], [FROM, "from"]] as const) {
    asm.load32(register, argument(name));
    asm.add(register, BASE);
  }
  asm.load32(STRIDE, argument("stride"));
  asm.load32(LEFT, argument("count"));
  asm.load32(DEPTH, argument("depth"));
  if (asm.width === 512) {
    asm.movImm(SCRATCH, (1 << TILE_SHAPE[512].mr) - 1);
    asm.kmov(GROUP_MASK, SCRATCH);
    return;
  }
  asm.load32(MASKS, argument("masks"));
  asm.add(MASKS, BASE);
}

/** `register = min(from, most)`. */
function emitMin(
  asm: Assembler,
  register: number,
  from: number,
  most: number,
): void {
  asm.movImm(register, most);
  asm.cmp(from, register);
  asm.cmov(CONDITION.less, register, from);
}

/** SCRATCH = as many low bits as COUNT says, at most 32. */
function emitBitMask(asm: Assembler): void {
  asm.movImm(SCRATCH, 1);
  asm.shlByCl(SCRATCH);
  asm.subImm(SCRATCH, 1);
}

/** `register` = as many pairs as hold so many. */
function emitPairs(asm: Assembler, register: number): void {
  asm.addImm(register, 1);
  asm.shrImm(register, 1);
}

/** SCRATCH = index of the first of COUNT words of -1 in the mask table. */
function emitMaskTableOffset(asm: Assembler): void {
  asm.movImm(SCRATCH, TILE_SHAPE[256].nr);
  asm.sub(SCRATCH, COUNT);
}

function argument(name: typeof PACK_ARGS[number]): Address {
  return { base: ARGS, disp: 4 * PACK_ARGS.indexOf(name) };
}
