import assert from "node:assert/strict";
import { permissionFlags } from "../../../src/export/bundle/permissions.ts";

const READS = {
  linux: "/proc/self/stat",
  darwin: "/etc/hosts",
  windows: "C:\\Windows\\win.ini",
}[Deno.build.os as string];

Deno.test({
  name: "an executable may look at processes, and imports code only if it must",
  ignore: READS === undefined,
  async fn() {
    const flags = permissionFlags(Deno.build.target);
    assert.equal(await reads(flags), true);
    // Where this fails, the flag is no longer needed: see permissions.ts.
    const withoutImport = flags.filter((flag) => flag !== "--allow-import");
    assert.equal(await reads(withoutImport), Deno.build.os !== "linux");
  },
});

Deno.test("no executable asks questions or has a flag for all", () => {
  for (const target of ["x86_64-unknown-linux-gnu", "aarch64-apple-darwin"]) {
    assert.ok(permissionFlags(target).includes("--no-prompt"));
    assert.ok(!permissionFlags(target).includes("--allow-all"));
  }
  assert.ok(
    !permissionFlags("x86_64-pc-windows-msvc").includes("--allow-import"),
  );
});

async function reads(flags: string[]): Promise<boolean> {
  const code = `await Deno.readTextFile(${JSON.stringify(READS)})`;
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-config",
      "--quiet",
      ...flags,
      "data:text/javascript," + code,
    ],
    stdout: "null",
    stderr: "null",
  }).output();
  return success;
}
