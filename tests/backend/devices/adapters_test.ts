import assert from "node:assert/strict";
import {
  type AdapterSource,
  listAdapters,
  loaderVariables,
  pciId,
} from "../../../src/backend/webgpu/device/adapters.ts";
import { adapter } from "./_fake_adapter.ts";

/** Answers each wish as told. */
function source(
  answers: { fast?: GPUAdapter; frugal?: GPUAdapter; software?: GPUAdapter },
): AdapterSource & { asked: number } {
  const gpu = {
    asked: 0,
    requestAdapter(wish: GPURequestAdapterOptions = {}) {
      gpu.asked++;
      const answer = wish.forceFallbackAdapter
        ? answers.software
        : wish.powerPreference === "low-power"
        ? answers.frugal
        : answers.fast;
      return Promise.resolve(answer ?? null);
    },
  };
  return gpu;
}

const a30 = adapter({ name: "NVIDIA A30", vendor: 0x10de, device: 0x20b7 });
const iris = adapter({
  name: "Intel(R) Iris(R) Xe Graphics (TGL GT2)",
  vendor: 0x8086,
  device: 0x9a49,
});
const llvmpipe = adapter({
  name: "llvmpipe (LLVM 15.0.6, 256 bits)",
  vendor: 0x10005,
  isFallback: true,
});

async function ids(gpu: AdapterSource): Promise<string[]> {
  const found = await listAdapters(gpu);
  return found.map(({ info }) => `${info.id} ${info.vendor}`);
}

Deno.test("listAdapters() puts real adapters first and counts them", async () => {
  assert.deepEqual(
    await ids(source({ fast: a30, frugal: iris, software: llvmpipe })),
    ["webgpu:0 nvidia", "webgpu:1 intel", "software mesa"],
  );
});

Deno.test("listAdapters() merges answers that mean one adapter", async () => {
  assert.deepEqual(
    await ids(source({ fast: a30, frugal: a30 })),
    ["webgpu:0 nvidia"],
  );
});

Deno.test("listAdapters() asks once when there is nothing, or software", async () => {
  const none = source({});
  assert.deepEqual(await ids(none), []);
  assert.equal(none.asked, 1);
  const slow = source({ fast: llvmpipe, frugal: llvmpipe, software: llvmpipe });
  assert.deepEqual(await ids(slow), ["software mesa"]);
  assert.equal(slow.asked, 1);
});

Deno.test("listAdapters() knows software that does not say so", async () => {
  const google = adapter({ name: "SwiftShader Device (LLVM 10.0.0)" });
  assert.deepEqual(await ids(source({ fast: google })), ["software null"]);
});

Deno.test("listAdapters() finds none where a request fails, or no WebGPU is", async () => {
  const broken = { requestAdapter: () => Promise.reject(new Error("no")) };
  assert.deepEqual(await listAdapters(broken), []);
  assert.deepEqual(await listAdapters(null), []);
});

Deno.test("listAdapters() copies limits and features, and asks again", async () => {
  const gpu = source({ fast: a30 });
  const [{ info, request }] = await listAdapters(gpu);
  assert.equal(info.limits.maxBufferSize, 1 << 28);
  assert.deepEqual(info.features, ["shader-f16", "subgroups"]);
  assert.deepEqual(info.subgroupSizes, [32, 32]);
  assert.equal(await request(), a30);
});

Deno.test("pciId() writes ids as lspci does", () => {
  assert.equal(pciId({ vendorId: "4318", deviceId: "9008" }), "10de:2330");
  assert.equal(pciId({ vendorId: "65541", deviceId: "0" }), null);
  assert.equal(pciId({ vendorId: "", deviceId: "" }), null);
});

Deno.test("loaderVariables() leaves alone what the user has set", () => {
  assert.deepEqual(loaderVariables("linux", {}), {
    DENO_WEBGPU_BACKEND: "vulkan",
    NODEVICE_SELECT: "1",
  });
  assert.deepEqual(
    loaderVariables("linux", {
      DENO_WEBGPU_BACKEND: "gl",
      MESA_VK_DEVICE_SELECT: "10de:2330",
    }),
    {},
  );
  assert.deepEqual(
    loaderVariables("linux", { XDG_RUNTIME_DIR: "/run/user/1000" }),
    { DENO_WEBGPU_BACKEND: "vulkan" },
  );
  assert.deepEqual(loaderVariables("darwin", {}), {
    DENO_WEBGPU_BACKEND: "metal",
  });
  assert.deepEqual(loaderVariables("windows", {}), {});
});

const own = await listAdapters();

Deno.test({
  name: "listAdapters() lists what this machine has, and opens it",
  ignore: own.length === 0,
  async fn() {
    const ids = own.map(({ info }) => info.id);
    assert.equal(new Set(ids).size, ids.length);
    for (const { info, request } of own) {
      const adapter = await request();
      assert.equal(adapter?.info.description, info.name);
      assert.ok(info.limits.maxBufferSize >= 1 << 28); // WebGPU's least
      assert.equal(info.isSoftware, info.id.startsWith("software"));
    }
    // Real ones come first: `auto` takes the first of all.
    const order = own.map(({ info }) => Number(info.isSoftware));
    assert.deepEqual(order, order.toSorted());
  },
});
