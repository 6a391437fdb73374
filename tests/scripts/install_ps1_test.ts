/**
 * install.ps1 as text, for there is no PowerShell where most tests run: that
 * it asks for the same files as install.sh, by the names that releases have.
 */

import assert from "node:assert/strict";
import { executableName, TARGETS } from "../../scripts/compile.ts";

const read = (name: string) =>
  Deno.readTextFileSync(new URL(`../../scripts/${name}`, import.meta.url));
const POWERSHELL = read("install.ps1");
const SHELL = read("install.sh");
const only = (text: string, pattern: RegExp) => {
  const found = Array.from(text.matchAll(pattern), ([, group]) => group);
  assert.equal(found.length, 1, `${pattern} ${found.length} times`);
  return found[0];
};

Deno.test("install.ps1 finds the one line of SHA256SUMS that it is for", () => {
  const target = only(POWERSHELL, /^ *\$target = '([^']+)'$/gm);
  const pattern = only(POWERSHELL, /\$_ -match "(.+)"/g)
    .replaceAll("$target", target);
  const sum = "0123456789abcdef".repeat(4);
  const names = TARGETS.map(executableName);
  const lines = names.map((name) => `${sum}  ${name}`); // as compile() writes
  const found = lines.filter((line) => new RegExp(pattern).test(line));
  assert.deepEqual(found, [`${sum}  ${executableName(target)}`]);
  for (const name of ["../hearth-1-", "hearth-1/../x-", "x hearth-1-"]) {
    const line = `${sum}  ${name}${target}.exe`;
    assert.doesNotMatch(line, new RegExp(pattern));
  }
});

Deno.test("install.ps1 and install.sh ask for the same addresses", () => {
  const plain = (text: string) =>
    text.replaceAll("${HEARTH_RELEASES:-", "").replaceAll("$env:", "$");
  const addresses = (text: string) =>
    Array.from(
      plain(text).matchAll(
        /(https:\/\/[^'"}\s]+|\$(?:releases|base)\/[^"\s:,}]+)/g,
      ),
      ([, address]) => address,
    );
  assert.deepEqual(
    [...new Set(addresses(POWERSHELL))].sort(),
    [...new Set(addresses(SHELL))].sort(),
  );
  assert.ok(addresses(SHELL).includes("$base/SHA256SUMS"));
  const variables = (text: string) =>
    [...new Set(text.match(/HEARTH_[A-Z]+/g))].sort();
  assert.deepEqual(variables(POWERSHELL), variables(SHELL));
});

Deno.test("install.ps1 puts the file in its place once it is checked", () => {
  const order = [
    "-OutFile $part",
    "Get-FileHash -Algorithm SHA256 -Path $part).Hash.ToLower()",
    "if ($found -ne $sum)",
    "& $part --version",
    "Move-Item -Force -Path $part",
    "Remove-Item -Force -ErrorAction SilentlyContinue -Path $part",
  ].map((words) => POWERSHELL.indexOf(words));
  assert.ok(!order.includes(-1), `${order}`);
  assert.deepEqual(order.toSorted((a, b) => a - b), order);
  // Windows PowerShell takes a file without a mark as of the system's code page.
  // deno-lint-ignore no-control-regex
  assert.match(POWERSHELL, /^[\x00-\x7f]*$/);
});
