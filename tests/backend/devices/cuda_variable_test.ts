import assert from "node:assert/strict";
import { cudaNote } from "../../../src/backend/devices/cuda_variable.ts";
import { joinCards } from "../../../src/backend/devices/gpu_cards.ts";
import { describe } from "../../../src/backend/webgpu/device/adapters.ts";
import { adapter, vulkanAdapter } from "./_fake_adapter.ts";

const os = "linux";
const rtx = adapter({
  name: "NVIDIA GeForce RTX 4090",
  vendor: 0x10de,
  device: 0x2684,
});
const t4 = adapter({ name: "NVIDIA T4", vendor: 0x10de, device: 0x1eb8 });

Deno.test("cudaNote() counts different cards for nobody", () => {
  const cards = joinCards({
    os,
    webgpu: [],
    vulkan: [rtx, t4].map((gpu) => vulkanAdapter(gpu)),
  });
  const [card] = cards;
  // CUDA_DEVICE_ORDER decides which one CUDA calls 1.
  assert.equal(
    cudaNote("1", { card, cards }),
    "CUDA_VISIBLE_DEVICES=1 has no effect here: the GPU is gpu:0 (NVIDIA " +
      "GeForce RTX 4090); hearth devices shows what there is",
  );
  assert.equal(cudaNote("0", { card, cards }), null);
});

Deno.test("cudaNote() does not doubt a UUID that nobody tells", () => {
  const info = { id: "webgpu:0", ...describe(t4, null) };
  const webgpu = [{ info, request: () => Promise.resolve(null) }];
  const cards = joinCards({ os, webgpu, vulkan: [] });
  const note = (value: string) => cudaNote(value, { card: cards[0], cards });
  assert.equal(note("GPU-8932f937-d72c"), null);
  assert.match(note("MIG-8932f937-d72c")!, /has no effect here/);
});
