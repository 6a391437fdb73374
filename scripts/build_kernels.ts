/**
 * Builds the CPU kernels: `deno run -A scripts/build_kernels.ts [--check]`.
 *
 * Writes src/backend/cpu/kernels/calls.ts from the call layout, compiles the
 * AssemblyScript in src/backend/cpu/kernels twice (with and without relaxed
 * SIMD), and writes both modules as base64 to src/backend/cpu/kernels_wasm.ts.
 * `--check` writes nothing and fails when what is committed differs.
 *
 * @module
 */

import asc from "assemblyscript/asc";
import { Buffer } from "node:buffer";
import { CALL_LAYOUT, OP_NAMES } from "../src/backend/cpu/call_layout.ts";

const CPU = new URL("../src/backend/cpu/", import.meta.url);

/** Committed files made here, by path inside src/backend/cpu. */
export interface BuiltFiles {
  "kernels/calls.ts": string;
  "kernels_wasm.ts": string;
}

/** Makes all files in memory. @throws {Error} With the compiler's words. */
export async function buildKernels(): Promise<BuiltFiles> {
  const calls = renderCalls();
  const plain = await compile(calls, []);
  const relaxed = await compile(calls, ["--enable", "relaxed-simd"]);
  return {
    "kernels/calls.ts": calls,
    "kernels_wasm.ts": renderWasm(plain, relaxed),
  };
}

/** The classes through which kernels read their calls. */
function renderCalls(): string {
  const lines = [
    "/**",
    " * The records of calls. Made by scripts/build_kernels.ts; not to be edited.",
    " *",
    " * @module",
    " */",
    "",
    "/** What every record starts with. */",
    "@unmanaged",
    "export class AnyCall {",
    "  opcode: u32;",
    "  bytes: u32;",
    "}",
    "",
    "/** Opcodes. */",
    "export const enum Op {",
    ...OP_NAMES.map((op) => `  ${op},`),
    "}",
  ];
  const types = { pointer: "usize", table: "usize" } as Record<string, string>;
  for (const op of OP_NAMES) {
    const name = op[0].toUpperCase() + op.slice(1);
    lines.push("", "@unmanaged", `export class ${name}Call extends AnyCall {`);
    for (const field of CALL_LAYOUT[op]) {
      lines.push(`  ${field.name}: ${types[field.type] ?? field.type};`);
    }
    lines.push("}");
  }
  return lines.join("\n") + "\n";
}

/** Runs the compiler on kernels/interpreter.ts. */
async function compile(
  calls: string,
  extra: string[],
): Promise<Uint8Array> {
  let wasm: Uint8Array | null = null;
  const { error, stderr } = await asc.main([
    "interpreter.ts",
    ...["--outFile", "kernels.wasm"],
    ...["-O3", "--noAssert", "--runtime", "stub"],
    ...["--enable", "simd", "--enable", "threads"],
    ...extra,
    ...["--importMemory", "--sharedMemory"],
    ...["--initialMemory", "1", "--maximumMemory", "65536"],
  ], {
    readFile(name) {
      if (name === "calls.ts") return calls;
      try {
        return Deno.readTextFileSync(new URL(`kernels/${name}`, CPU));
      } catch (error) {
        // The compiler asks for files that may not exist.
        if (error instanceof Deno.errors.NotFound) return null;
        throw error;
      }
    },
    writeFile(_name, contents) {
      wasm = contents as Uint8Array;
    },
    listFiles: () => [],
  });
  if (error) throw new Error(`${stderr}\n${error.message}`);
  if (!wasm) throw new Error("The compiler wrote no module");
  return wasm;
}

/** A module that holds both builds. */
function renderWasm(plain: Uint8Array, relaxed: Uint8Array): string {
  const text = (wasm: Uint8Array) => Buffer.from(wasm).toString("base64");
  return `// Made by scripts/build_kernels.ts; not to be edited.
// Base64 in a module, as every way to run, bundle or compile carries modules.

/** kernels/ compiled for plain SIMD: multiply, then add. */
export const PLAIN_WASM =
  "${text(plain)}";

/** kernels/ compiled for relaxed SIMD: one instruction for both. */
export const RELAXED_WASM =
  "${text(relaxed)}";
`;
}

if (import.meta.main) {
  const files = Object.entries(await buildKernels());
  for (const [path, text] of files) {
    const url = new URL(path, CPU);
    if (Deno.args.includes("--check")) {
      if (await Deno.readTextFile(url) !== text) {
        console.error(`${path} differs; run deno task kernels`);
        Deno.exitCode = 1;
      }
    } else await Deno.writeTextFile(url, text);
  }
}
