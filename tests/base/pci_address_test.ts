import assert from "node:assert/strict";
import {
  formatPciAddress,
  normalizePciAddress,
} from "../../src/base/pci_address.ts";

Deno.test("formatPciAddress() writes addresses as Linux does", () => {
  assert.equal(
    formatPciAddress({ domain: 0, bus: 0x65, device: 0, function: 0 }),
    "0000:65:00.0",
  );
  assert.equal(
    formatPciAddress({ domain: 0x10000, bus: 0xe1, device: 0x1f, function: 7 }),
    "10000:e1:1f.7",
  );
});

Deno.test("normalizePciAddress() takes what tools write", () => {
  for (
    const [text, expected] of [
      ["00000000:65:00.0", "0000:65:00.0"], // nvidia-smi
      ["0000:C1:00.0", "0000:c1:00.0"], // before driver 375
      ["00010000:E1:1F.7", "10000:e1:1f.7"],
      ["0000:65:00.0", "0000:65:00.0"],
      ["[Unknown Error]", null],
      ["65:00.0", null],
      ["0000:65:00.0 ", null],
      ["", null],
    ] as const
  ) {
    assert.equal(normalizePciAddress(text), expected, text);
  }
});
