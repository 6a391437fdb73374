/** Python with the packages that serve as oracle, where there is one. */

const PYTHON = Deno.env.get("HEARTH_PYTHON") || "python3";

/** What a script prints, given `input`; null if it fails. */
export async function python(
  args: string[],
  input = "",
): Promise<string | null> {
  try {
    const child = new Deno.Command(PYTHON, {
      args,
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
      // Nothing of these tests is fetched.
      env: { HF_HUB_OFFLINE: "1", TRANSFORMERS_VERBOSITY: "error" },
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
    const { success, stdout } = await child.output();
    return success ? new TextDecoder().decode(stdout) : null;
  } catch {
    return null; // there is no such program
  }
}

/** Whether a package is there, and words about it for the name of a test. */
export async function findPackages(
  ...names: string[]
): Promise<{ missing: boolean; found: string }> {
  const script = "import sys, importlib.metadata as m; " +
    "print(' '.join(f'{n} {m.version(n)}' for n in sys.argv[1:]))";
  const versions = await python(["-c", script, ...names]);
  return versions === null
    ? {
      missing: true,
      found: `skipped, ${PYTHON} lacks ${
        names.join(" or ")
      }; set HEARTH_PYTHON`,
    }
    : { missing: false, found: versions.trim() };
}
