/**
 * Opens libraries that every system has.
 *
 * @module
 */

/** Names of the C library on this system, the likeliest first. */
export const C_LIBRARIES: readonly string[] = Deno.build.os === "darwin"
  ? ["libSystem.dylib"]
  : Deno.build.os === "windows"
  ? ["ucrtbase.dll", "msvcrt.dll"]
  : ["libc.so.6", "libc.musl-x86_64.so.1"];

/**
 * Opens the first library that exists.
 *
 * @throws {AggregateError} If none does.
 */
export function openFirst<const S extends Deno.ForeignLibraryInterface>(
  names: readonly string[],
  symbols: S,
): Deno.DynamicLibrary<S> {
  const errors: unknown[] = [];
  for (const name of names) {
    try {
      return Deno.dlopen(name, symbols);
    } catch (error) {
      errors.push(error);
    }
  }
  throw new AggregateError(errors, `Cannot open ${names.join(" or ")}`);
}
