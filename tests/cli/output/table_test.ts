import assert from "node:assert/strict";
import { formatFields, formatTable } from "../../../src/cli/output/table.ts";
import { safeText } from "../../../src/base/safe_text.ts";
import { wrapText } from "../../../src/cli/output/wrap_text.ts";

Deno.test("formatTable() aligns columns and ends no line in spaces", () => {
  assert.equal(
    formatTable([["run", "left"], ["step", "right"], ["note", "left"]], [
      ["owl-1", "7", "short"],
      ["x", "1200", ""],
    ]),
    [
      "run    step  note",
      "owl-1     7  short",
      "x      1200",
    ].join("\n"),
  );
});

Deno.test("formatTable() leaves out columns, then cuts", () => {
  const columns = [["run", "left"], ["a", "right", 1], [
    "b",
    "right",
    0,
  ]] as const;
  const rows = [["owl-1", "12", "34"]];
  const at = (width: number) => formatTable(columns, rows, width).split("\n");
  assert.deepEqual(at(13), ["run     a   b", "owl-1  12  34"]);
  assert.deepEqual(at(12), ["run     b", "owl-1  34"]);
  assert.deepEqual(at(8), ["run", "owl-1"]);
  assert.deepEqual(at(3), ["run", "owl"]);
});

Deno.test("formatFields() lines up values", () => {
  assert.equal(
    formatFields([["run", "owl-1"], ["status", "stopped"]]),
    "run     owl-1\nstatus  stopped",
  );
});

Deno.test("wrapText() breaks between words and keeps line breaks", () => {
  assert.equal(
    wrapText("one two three\n\nfour incomprehensible", {
      columns: 10,
      indent: "  ",
    }),
    "  one two\n  three\n\n  four\n  incomprehensible",
  );
});

Deno.test("safeText() replaces what could steer a terminal", () => {
  assert.equal(
    safeText("a\tb\n\x1b[31mred\x07\r\x9b1m é \u{1f600}"),
    "a\tb\n\ufffd[31mred\ufffd\ufffd\ufffd1m é \u{1f600}",
  );
});
