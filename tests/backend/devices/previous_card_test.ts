/** A run that goes on stays with its card, whatever number that has now. */

import assert from "node:assert/strict";
import { chooseDevice } from "../../../src/backend/devices/choose_device.ts";
import { joinCards } from "../../../src/backend/devices/gpu_cards.ts";
import {
  previousCard,
  type PreviousDevice,
} from "../../../src/backend/devices/previous_card.ts";
import { describe } from "../../../src/backend/webgpu/device/adapters.ts";
import { adapter, vulkanAdapter } from "./_fake_adapter.ts";

const radeon = adapter({ name: "Radeon", vendor: 0x1002, device: 0x73ff });
const h200 = adapter({ name: "NVIDIA H200", vendor: 0x10de, device: 0x2335 });

/** WebGPU's first is the Radeon, then that H200 which the loader names first. */
const cards = joinCards({
  os: "linux",
  webgpu: [radeon, h200].map((gpu) => ({
    info: { id: "webgpu:9", ...describe(gpu, null) },
    request: () => Promise.resolve(null),
  })),
  vulkan: [
    vulkanAdapter(h200, { pciAddress: "0000:1b:00.0", place: 2 }),
    vulkanAdapter(h200, { pciAddress: "0000:43:00.0", place: 1 }),
    vulkanAdapter(h200, { pciAddress: "0000:52:00.0", place: 3 }),
    vulkanAdapter(radeon, { pciAddress: "0000:05:00.0", place: 0 }),
  ],
});

/** As meta.json has it. */
function previous(
  backend: PreviousDevice["backend"],
  gpu: GPUAdapter,
  pciAddress?: string,
): PreviousDevice {
  const { name, vendorId, deviceId, isSoftware } = describe(gpu, null);
  const adapter = { vendorId, deviceId, isSoftware, pciAddress };
  return { backend, name, adapter };
}

const was = (device: PreviousDevice) => previousCard(cards, device)?.id ?? null;

Deno.test("previousCard() knows a card by its place, else by its model", () => {
  assert.equal(was(previous("vulkan", h200, "0000:1b:00.0")), "gpu:0");
  assert.equal(was(previous("vulkan", h200, "0000:52:00.0")), "gpu:2");
  // It is in another slot by now, or its driver did not tell.
  assert.equal(was(previous("vulkan", h200, "0000:99:00.0")), "gpu:0");
  assert.equal(was(previous("vulkan", h200)), "gpu:0");
  // The place is another card's by now.
  assert.equal(was(previous("vulkan", h200, "0000:05:00.0")), "gpu:0");
  // WebGPU shows one of them.
  assert.equal(was(previous("webgpu", h200)), "gpu:1");
  assert.equal(was(previous("webgpu", radeon)), "gpu:3");
});

Deno.test("previousCard() knows no card that was none, or is gone", () => {
  const t4 = adapter({ name: "NVIDIA T4", vendor: 0x10de, device: 0x1eb8 });
  assert.equal(was(previous("webgpu", t4)), null);
  assert.equal(was({ backend: "cpu", name: "NVIDIA H200" }), null);
  // Files that tell no more.
  assert.equal(was({ backend: "webgpu" }), null);
  assert.equal(was({ backend: "webgpu", name: "NVIDIA H200" }), null);
  const { adapter: ids } = previous("webgpu", h200);
  assert.equal(was({ backend: "webgpu", adapter: ids }), null);
});

for (
  const [request, device, expected] of [
    ["auto", previous("webgpu", radeon), "webgpu:3"],
    ["gpu", previous("webgpu", radeon), "webgpu:3"],
    ["auto", previous("webgpu", h200), "vulkan:1 webgpu:1"],
    ["cuda", previous("vulkan", h200, "0000:52:00.0"), "vulkan:2"],
    ["vulkan", previous("vulkan", h200, "0000:52:00.0"), "vulkan:2"],
    ["webgpu", previous("vulkan", h200, "0000:43:00.0"), "webgpu:1"],
    // Not of the group, or asked for by its number.
    ["cuda", previous("webgpu", radeon), "vulkan:0"],
    ["webgpu", previous("vulkan", h200, "0000:52:00.0"), "webgpu:1"],
    ["gpu:0", previous("webgpu", radeon), "vulkan:0"],
    ["vulkan:1", previous("webgpu", radeon), "vulkan:1 webgpu:1"],
    ["auto", { backend: "cpu" }, "vulkan:0"],
  ] satisfies [string, PreviousDevice, string][]
) {
  const { backend, name = "", adapter } = device;
  const before = `${backend} ${name} ${adapter?.pciAddress ?? ""}`.trim();
  Deno.test(`chooseDevice() takes ${expected} for "${request}" after ${before}`, () => {
    const chosen = chooseDevice(request, { cpu: "EPYC", cards }, {
      previous: device,
    });
    assert.equal(chosen.ways.map(({ info }) => info.id).join(" "), expected);
    assert.deepEqual(chosen.warnings, []);
  });
}
