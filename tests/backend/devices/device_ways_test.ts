/** A card that WebGPU and Vulkan show, in one way or the other. */

import assert from "node:assert/strict";
import { readCpuInfo } from "../../../src/backend/cpu/cores.ts";
import type { DeviceSources } from "../../../src/backend/devices/device_sources.ts";
import { openBackend } from "../../../src/backend/devices/open_backend.ts";
import { describe } from "../../../src/backend/webgpu/device/adapters.ts";
import { UserError } from "../../../src/base/errors.ts";
import { adapter } from "./_fake_adapter.ts";
import { type Choice, choose, gpuMachine } from "./_gpu_machine.ts";

Deno.test("openBackend() takes a card in its usual way, or as asked", async () => {
  for (
    const [device, id] of [
      ["gpu", "vulkan:0"],
      ["cuda:1", "vulkan:1"],
      ["a30", "vulkan:0"],
      ["vulkan", "vulkan:0"],
      ["Vulkan:1", "vulkan:1"],
      ["vulkan:a30:1", "vulkan:1"],
      ["vulkan:cuda", "vulkan:0"],
      ["webgpu", "webgpu:0"],
      ["webgpu:0", "webgpu:0"],
      ["software", "software"],
    ]
  ) {
    const { sources } = gpuMachine();
    const chosen = await choose({ device }, sources);
    const warnings = device === "software" ? 1 : 0;
    assert.deepEqual(
      [chosen.id, chosen.warnings.length],
      [id, warnings],
      device,
    );
  }
});

Deno.test("openBackend() stays with WebGPU on other systems", async () => {
  const { sources, events } = gpuMachine({ os: "windows" });
  const chosen = await choose({ device: "auto" }, sources);
  assert.equal(chosen.id, "webgpu:0");
  assert.deepEqual([chosen.warnings, chosen.notes], [[], []]);
  // No driver is loaded for nothing.
  assert.deepEqual(events, ["list", "open webgpu:0 fp32", "close webgpu:0"]);
  assert.equal((await choose({ device: "vulkan" }, sources)).id, "vulkan:0");
});

Deno.test("openBackend() asks Vulkan for a card that WebGPU leaves out", async () => {
  const { sources } = gpuMachine();
  const hidden: DeviceSources = {
    ...sources,
    listAdapters: () => Promise.resolve([]),
    listCards: () => [{ vendorId: 0x10de, deviceId: 0x20b7, driver: "nvidia" }],
  };
  assert.equal((await choose({ device: "auto" }, hidden)).id, "vulkan:0");
});

Deno.test("openBackend() leaves Vulkan alone where WebGPU is asked for", async () => {
  const events = async (device: string, cardCount: number) => {
    const { sources, events } = gpuMachine({ cardCount });
    // Also where the run that goes on went through Vulkan.
    const previous = { backend: "vulkan" } as const;
    assert.equal((await choose({ device, previous }, sources)).id, "webgpu:0");
    return events.slice(0, -2).join(", ");
  };
  assert.equal(await events("webgpu", 1), "list");
  assert.equal(await events("webgpu:0", 1), "list");
  assert.equal(await events("webgpu:a30", 0), "list"); // the bus is hidden
  // Which number WebGPU's has among several, drivers tell.
  assert.equal(await events("webgpu", 2), "list, list vulkan");
  // Nor is it number 0 where WebGPU shows another one first.
  const { sources } = gpuMachine({ cardCount: 1 });
  const radeon = adapter({ name: "Radeon", vendor: 0x1002, device: 1 });
  const [a30] = await sources.listAdapters();
  const second: DeviceSources = {
    ...sources,
    listAdapters: () =>
      Promise.resolve([
        { ...a30, info: { id: "webgpu:0", ...describe(radeon, null) } },
        a30,
      ]),
  };
  assert.equal((await choose({ device: "webgpu:a30" }, second)).id, "webgpu:0");
  const { id } = await choose({ device: "webgpu:radeon" }, second);
  assert.equal(id, "webgpu:2"); // behind both of the driver
});

Deno.test("openBackend() takes WebGPU where there is no Vulkan", async () => {
  const missing = gpuMachine({ vulkan: new Error("the loader is missing") });
  for (const strict of [false, true]) {
    const device = strict ? "cuda:0" : "auto";
    const chosen = await choose({ device, strict }, missing.sources);
    assert.equal(chosen.id, "webgpu:0");
    assert.deepEqual(chosen.warnings, [
      "Cannot use gpu:0 (NVIDIA A30) through Vulkan: the loader is missing: " +
      "using WebGPU",
    ]);
  }
  const asked = await choose({ device: "webgpu" }, missing.sources);
  assert.deepEqual(asked.warnings, []);
  // A run that goes on misses nothing.
  const previous = { backend: "webgpu" } as const;
  const resumed = await choose({ device: "auto", previous }, missing.sources);
  assert.deepEqual([resumed.warnings, resumed.notes], [[], []]);
  const old = await choose(
    { device: "auto" },
    gpuMachine({ vulkan: () => [] }).sources,
  );
  assert.deepEqual(old.warnings, [
    "Cannot use gpu:0 (NVIDIA A30) through Vulkan: its driver shows none of " +
    "version 1.3 or newer: using WebGPU",
  ]);
});

Deno.test("openBackend() takes the same card in another way", async () => {
  const fails = { fails: "no such thing", failing: /^vulkan/ };
  const said = "Cannot open vulkan:0 (NVIDIA A30): no such thing";
  for (const device of ["auto", "gpu:0", "vulkan:0"]) {
    const chosen = await choose({ device }, gpuMachine(fails).sources);
    assert.equal(chosen.id, "webgpu:0");
    assert.deepEqual(chosen.warnings, [`${said}: using WebGPU`]);
  }
  const strict = true;
  // Strict is about the card, and the way where that is asked for.
  const { sources } = gpuMachine(fails);
  assert.equal(
    (await choose({ device: "gpu:0", strict }, sources)).id,
    "webgpu:0",
  );
  await assert.rejects(
    openBackend({ device: "vulkan:0", strict }, sources),
    (error) => error instanceof UserError && error.message === said,
  );
  // WebGPU shows no second one.
  const { id, warnings } = await choose({ device: "gpu:1" }, sources);
  assert.equal(id, "cpu");
  assert.deepEqual(warnings, [
    "Cannot open vulkan:1 (NVIDIA A30): no such thing: using cpu",
  ]);
});

Deno.test("openBackend() goes on in the way that it went before", async () => {
  const { sources } = gpuMachine();
  const opened = async (
    device: string,
    backend: NonNullable<Choice["previous"]>["backend"],
  ) => {
    const previous = { backend };
    const { id, warnings, notes } = await choose({ device, previous }, sources);
    assert.deepEqual(warnings, []);
    return [id, ...notes];
  };
  const note = "Device gpu:0 (NVIDIA A30) goes on through WebGPU as before, " +
    "for the same last bits; --device vulkan:0 changes over";
  assert.deepEqual(await opened("gpu:0", "webgpu"), ["webgpu:0", note]);
  assert.deepEqual(await opened("auto", "webgpu"), ["webgpu:0", note]);
  assert.deepEqual(await opened("auto", "vulkan"), ["vulkan:0"]);
  assert.deepEqual(await opened("vulkan", "webgpu"), ["vulkan:0"]);
  assert.deepEqual(await opened("webgpu", "vulkan"), ["webgpu:0"]);
  assert.deepEqual(await opened("gpu:1", "webgpu"), ["vulkan:1"]);
  assert.deepEqual(await opened("gpu", "cpu"), ["vulkan:0"]);
  const other = gpuMachine({ os: "windows" }).sources;
  const previous = { backend: "vulkan" } as const;
  const same = await choose({ device: "gpu", previous }, other);
  assert.equal(same.id, "vulkan:0"); // it had been asked for
});

Deno.test("openBackend() says that CUDA's variable has no effect", async () => {
  const notes = async (device: string, value: string) => {
    const { sources } = gpuMachine({ env: { CUDA_VISIBLE_DEVICES: value } });
    return (await choose({ device }, sources)).notes;
  };
  const note = (value: string, instead: string) => [
    `CUDA_VISIBLE_DEVICES=${value} has no effect here: the GPU is gpu:0 ` +
    `(NVIDIA A30); ${instead}`,
  ];
  const second = "--device cuda:1 takes the one it names";
  assert.deepEqual(await notes("auto", "1"), note("1", second));
  assert.deepEqual(await notes("vulkan", "1"), note("1", second));
  assert.deepEqual(await notes("a30", "7, 1"), note("7, 1", second));
  const cpu = "--device cpu leaves GPUs alone";
  assert.deepEqual(await notes("gpu", ""), note("", cpu));
  assert.deepEqual(await notes("gpu", "-1,0"), note("-1,0", cpu));
  assert.deepEqual(
    await notes("cuda", "MIG-1"),
    note("MIG-1", "hearth devices shows what there is"),
  );
  for (const fits of ["0", "1,0", "GPU-00000000-00", "gpu-0"]) {
    assert.deepEqual(await notes("auto", fits), [], fits);
  }
  for (const asked of ["gpu:0", "vulkan:0", "cuda:1", "cpu", "software"]) {
    assert.deepEqual(await notes(asked, "1"), [], asked);
  }
  const failing = { fails: "no", env: { CUDA_VISIBLE_DEVICES: "1" } };
  const onCpu = await choose({ device: "gpu" }, gpuMachine(failing).sources);
  assert.deepEqual([onCpu.id, ...onCpu.notes], ["cpu"]);
  // With CUDA that would be the first of those that it names.
  assert.deepEqual(await notes("cuda:0", "1"), note("1", second));
  assert.deepEqual(await notes("vulkan:CUDA:0", "1"), note("1", second));
});

Deno.test("openBackend() says that a name is the CPU's alone", async () => {
  const { name } = readCpuInfo();
  const { sources } = gpuMachine();
  const notes = async (device: string) => {
    const chosen = await choose({ device, strict: true }, sources);
    assert.deepEqual([chosen.id, chosen.warnings], ["cpu", []]);
    return chosen.notes;
  };
  // Who asks for radeon may get the processor that has one inside.
  assert.deepEqual(await notes(name), [
    `Device "${name}" is the CPU (${name}): no GPU is called so`,
  ]);
  assert.deepEqual(await notes("cpu"), []);
  assert.deepEqual(await notes(" CPU:0"), []);
});

Deno.test("openBackend() needs something to be asked for", async () => {
  for (const device of ["", " "]) {
    const { sources, events } = gpuMachine();
    await assert.rejects(choose({ device }, sources), {
      name: "UserError",
      message: "Cannot use an empty text as device",
    });
    assert.deepEqual(events, []);
  }
});
