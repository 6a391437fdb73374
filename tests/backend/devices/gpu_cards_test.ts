import assert from "node:assert/strict";
import {
  isAlike,
  joinCards,
  lacksVulkan,
} from "../../../src/backend/devices/gpu_cards.ts";
import { numberDevices } from "../../../src/backend/vulkan/adapters.ts";
import {
  describe,
  type FoundAdapter,
} from "../../../src/backend/webgpu/device/adapters.ts";
import { adapter, vulkanAdapter } from "./_fake_adapter.ts";

const h200 = adapter({ name: "NVIDIA H200", vendor: 0x10de, device: 0x2335 });
const nvk = adapter({
  name: "NVIDIA H200 (NVK GH100)",
  vendor: 0x10de,
  device: 0x2335,
});
const t4 = adapter({ name: "NVIDIA T4", vendor: 0x10de, device: 0x1eb8 });
const iris = adapter({ name: "Intel Iris Xe", vendor: 0x8086, device: 0x9a49 });
const radeon = adapter({ name: "Radeon", vendor: 0x1002, device: 0x73ff });
const llvmpipe = adapter({
  name: "llvmpipe (LLVM 15.0.6, 256 bits)",
  vendor: 0x10005,
  isFallback: true,
});

/** As WebGPU shows it. */
function shown(gpu: GPUAdapter): FoundAdapter {
  return {
    info: { id: "webgpu:9", ...describe(gpu, null) },
    request: () => Promise.resolve(null),
  };
}

/** Cards in short: how each is taken, then how it can be. */
function ways(shownBy: Partial<Parameters<typeof joinCards>[0]>): string[] {
  const cards = joinCards({ os: "linux", webgpu: [], vulkan: [], ...shownBy });
  return cards.map(({ id, name, usual, vulkan, webgpu }) =>
    [
      `${id} ${name}:`,
      usual.map(({ info }) => info.id).join("+") || "-",
      "of",
      [vulkan, webgpu].flatMap((one) => one?.info.id ?? []).join(" "),
    ].join(" ")
  );
}

Deno.test("joinCards() takes NVIDIA's driver on Linux through Vulkan", () => {
  const one = { webgpu: [shown(h200)], vulkan: [vulkanAdapter(h200)] };
  assert.deepEqual(ways(one), [
    "gpu:0 NVIDIA H200: vulkan:0+webgpu:0 of vulkan:0 webgpu:0",
  ]);
  for (const os of ["windows", "freebsd"] as const) {
    assert.deepEqual(ways({ ...one, os }), [
      "gpu:0 NVIDIA H200: webgpu:0 of vulkan:0 webgpu:0",
    ]);
  }
  const mesa = vulkanAdapter(nvk, { isNvidiaDriver: false });
  assert.deepEqual(ways({ webgpu: [shown(nvk)], vulkan: [mesa] }), [
    "gpu:0 NVIDIA H200 (NVK GH100): webgpu:0 of vulkan:0 webgpu:0",
  ]);
});

Deno.test("joinCards() leaves other makers and software to WebGPU", () => {
  assert.deepEqual(
    ways({
      webgpu: [shown(radeon), shown(iris), shown(llvmpipe)],
      vulkan: [iris, radeon, llvmpipe].map((one) => vulkanAdapter(one)),
    }),
    [
      "gpu:0 Radeon: webgpu:0 of vulkan:0 webgpu:0",
      "gpu:1 Intel Iris Xe: webgpu:1 of vulkan:1 webgpu:1",
      "software llvmpipe (LLVM 15.0.6, 256 bits): software of " +
      "vulkan:software software",
    ],
  );
});

Deno.test("joinCards() numbers software from the second on", () => {
  const swiftshader = adapter({ name: "SwiftShader", isFallback: true });
  assert.deepEqual(
    ways({
      webgpu: [shown(llvmpipe), shown(swiftshader)],
      vulkan: [vulkanAdapter(swiftshader)],
    }),
    [
      "software llvmpipe (LLVM 15.0.6, 256 bits): software of software",
      "software:1 SwiftShader: software:1 of vulkan:software:1 software:1",
    ],
  );
});

Deno.test("isAlike() goes by both ids, else by the name", () => {
  const alike = (a: GPUAdapter, b: GPUAdapter) =>
    isAlike(describe(a, null), describe(b, "vulkan"));
  const called = (name: string, vendor: number, device: number) =>
    adapter({ name, vendor, device });
  assert.ok(alike(called("A", 0x1002, 1), called("B", 0x1002, 1)));
  assert.ok(!alike(called("A", 0x1002, 1), called("A", 0x1002, 2)));
  assert.ok(!alike(called("A", 0x1002, 1), called("A", 0x10de, 1)));
  // A maker alone tells no model.
  assert.ok(!alike(called("A", 0x1002, 0), called("B", 0x1002, 0)));
  assert.ok(alike(called("A", 0x1002, 0), called("A", 0, 0)));
  const software = adapter({ name: "A", isFallback: true });
  assert.ok(!alike(called("A", 0, 0), software));
});

Deno.test("joinCards() gives equal cards one number each", () => {
  // The loader names the third one first, so that is the one of WebGPU.
  const vulkan = [1, 2, 0].map((place) => vulkanAdapter(h200, { place }));
  assert.deepEqual(ways({ webgpu: [shown(h200)], vulkan }), [
    "gpu:0 NVIDIA H200: vulkan:0 of vulkan:0",
    "gpu:1 NVIDIA H200: vulkan:1 of vulkan:1",
    "gpu:2 NVIDIA H200: vulkan:2+webgpu:2 of vulkan:2 webgpu:2",
  ]);
});

Deno.test("joinCards() numbers what goes through Vulkan first", () => {
  // WebGPU shows a fast and a frugal adapter, and none by NVIDIA.
  assert.deepEqual(
    ways({
      webgpu: [shown(radeon), shown(iris)],
      vulkan: [radeon, h200, t4, iris].map((one) => vulkanAdapter(one)),
    }),
    [
      "gpu:0 NVIDIA H200: vulkan:0 of vulkan:0",
      "gpu:1 NVIDIA T4: vulkan:1 of vulkan:1",
      "gpu:2 Radeon: webgpu:2 of vulkan:2 webgpu:2",
      "gpu:3 Intel Iris Xe: webgpu:3 of vulkan:3 webgpu:3",
    ],
  );
});

Deno.test("joinCards() numbers alike whether or not Vulkan is asked", () => {
  // Where it is the usual way to nothing, it adds cards after the others.
  const webgpu = [shown(iris), shown(radeon), shown(llvmpipe)];
  const vulkan = [0, 1].map((place) => vulkanAdapter(radeon, { place }));
  assert.deepEqual(ways({ webgpu, vulkan }), [
    "gpu:0 Intel Iris Xe: webgpu:0 of webgpu:0",
    "gpu:1 Radeon: webgpu:1 of vulkan:1 webgpu:1",
    "gpu:2 Radeon: - of vulkan:2",
    "software llvmpipe (LLVM 15.0.6, 256 bits): software of software",
  ]);
  assert.deepEqual(
    ways({ webgpu }).map((one) => one.split(":").slice(0, 2)),
    ways({ webgpu, vulkan }).map((one) => one.split(":").slice(0, 2))
      .toSpliced(2, 1),
  );
});

Deno.test("joinCards() prefers the driver that WebGPU has taken", () => {
  const other = adapter({
    name: "Radeon (AMDVLK)",
    vendor: 0x1002,
    device: 0x73ff,
  });
  const vulkan = [
    vulkanAdapter(other, { place: 0 }),
    vulkanAdapter(radeon, { place: 1 }),
  ];
  const [card, rest] = joinCards({
    os: "linux",
    webgpu: [shown(radeon)],
    vulkan,
  });
  assert.equal(card.vulkan?.info.name, "Radeon");
  assert.equal(rest.vulkan?.info.name, "Radeon (AMDVLK)");
});

Deno.test("joinCards() takes each device for one adapter", () => {
  // Names of other interfaces, as of Direct3D, need not be those of Vulkan.
  const called = (name: string) =>
    shown(adapter({ name, vendor: 0x1002, device: 0x73ff }));
  assert.deepEqual(
    ways({
      webgpu: [called("Radeon 1"), called("Radeon 2")],
      vulkan: [0, 1].map((place) => vulkanAdapter(radeon, { place })),
    }),
    [
      "gpu:0 Radeon 1: webgpu:0 of vulkan:0 webgpu:0",
      "gpu:1 Radeon 2: webgpu:1 of vulkan:1 webgpu:1",
    ],
  );
  const [first, second] = joinCards({
    os: "windows",
    webgpu: [called("Radeon 1"), called("Radeon 2")],
    vulkan: [1, 0].map((place) => vulkanAdapter(radeon, { place })),
  });
  assert.equal(first.vulkan?.info.vulkan?.place, 0);
  assert.equal(second.vulkan?.info.vulkan?.place, 1);
});

Deno.test("lacksVulkan() is about NVIDIA's own driver on Linux", () => {
  const lacking = (gpu: GPUAdapter, os: typeof Deno.build.os = "linux") =>
    lacksVulkan(joinCards({ os, webgpu: [shown(gpu)], vulkan: [] })[0], os);
  assert.equal(lacking(h200), true);
  assert.equal(lacking(nvk), false);
  const wsl = adapter({
    name: "Microsoft Direct3D12 (NVIDIA RTX A2000)",
    vendor: 0x10de,
  });
  assert.equal(lacking(wsl), false);
  assert.equal(lacking(radeon), false);
  assert.equal(lacking(h200, "windows"), false);
});

Deno.test("numberDevices() orders by kind, memory and place on the bus", () => {
  const device = (
    deviceId: number,
    gibibytes: number,
    pciAddress: string | null,
    kind: "discrete" | "integrated" | "cpu" = "discrete",
  ) => ({
    ...{ kind, vendorId: 1, deviceId, pciAddress },
    memoryBytes: gibibytes * 2 ** 30,
  });
  const last = device(3, 99, null, "cpu");
  const chip = device(4, 64, "0000:00:02.0", "integrated");
  const small = device(1, 8, "0000:01:00.0");
  const far = device(2, 24, "10000:01:00.0");
  const second = device(2, 23.4, "0000:b1:00.0"); // shares some with a screen
  const first = device(2, 24, "0000:21:00.0");
  const unknown = device(2, 24, null);
  const devices = [last, chip, small, unknown, far, second, first];
  const ordered = [first, second, far, unknown, small, chip, last];
  assert.deepEqual(numberDevices(devices), ordered);
  assert.deepEqual(numberDevices(devices.toReversed()), ordered);
  // The larger size of a model is that of all, wherever it was told.
  const between = device(5, 24, "0000:99:00.0");
  assert.deepEqual(numberDevices([first, between, second]), [
    ...[first, between, second],
  ]);
});
