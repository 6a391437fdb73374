import assert from "node:assert/strict";
import { dirname } from "node:path";
import { gatherGpuFindings } from "../../../src/backend/devices/gpu_findings.ts";

const WEB_GPU = { hasWebGpu: true, adapters: [] };

/** Files, and links that begin with an arrow. */
async function fakeRoot(files: Record<string, string>) {
  const root = await Deno.makeTempDir();
  for (const [name, text] of Object.entries(files)) {
    const path = root + name;
    await Deno.mkdir(dirname(path), { recursive: true });
    if (text.startsWith("->")) await Deno.symlink(text.slice(2), path);
    else await Deno.writeTextFile(path, text);
  }
  return {
    root,
    [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }),
  };
}

const linux = { ignore: Deno.build.os !== "linux" };

Deno.test(
  "gatherGpuFindings() reads what a machine with NVIDIA tells",
  linux,
  async () => {
    await using fake = await fakeRoot({
      "/.dockerenv": "",
      "/proc/version": "Linux version 6.8.0",
      "/proc/driver/nvidia/version":
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  " +
        "575.57.08  Release Build\nGCC version:  gcc 13.3.0\n",
      "/sys/bus/pci/devices/0000:00:00.0/class": "0x060000\n",
      "/sys/bus/pci/devices/0000:c1:00.0/class": "0x030200\n",
      "/sys/bus/pci/devices/0000:c1:00.0/vendor": "0x10de\n",
      "/sys/bus/pci/devices/0000:c1:00.0/device": "0x2330\n",
      "/sys/bus/pci/devices/0000:c1:00.0/driver": "->../drivers/nvidia",
      "/sys/bus/pci/devices/0000:c2:00.0/class": "0x030000\n",
      "/sys/bus/pci/devices/0000:c2:00.0/vendor": "0x1a03\n",
      "/sys/bus/pci/devices/0000:c2:00.0/device": "0x2000\n",
      "/dev/nvidia0": "",
      "/dev/nvidiactl": "",
      "/dev/dri/card0": "",
      "/dev/dri/renderD128": "",
      "/etc/vulkan/icd.d/nvidia_icd.json":
        '{"ICD": {"library_path": "libGLX_nvidia.so.0"}}',
      "/usr/share/vulkan/icd.d/lvp_icd.x86_64.json":
        '{"ICD": {"library_path": "../lib/libvulkan_lvp.so"}}',
      "/usr/share/vulkan/icd.d/torn.json": '{"ICD": {',
      "/usr/share/vulkan/icd.d/README": "",
      "/usr/lib/x86_64-linux-gnu/libGLX_nvidia.so.0":
        "->libGLX_nvidia.so.570.124.06",
    });
    const asked: string[] = [];
    const findings = gatherGpuFindings(WEB_GPU, {
      root: fake.root,
      env: { CUDA_VISIBLE_DEVICES: "0", PATH: "/bin", HOME: "/root" },
      load(library) {
        asked.push(library);
        return library.startsWith("libGLX") ? "libXext.so.6: no" : null;
      },
    });
    assert.deepEqual(findings, {
      os: "linux",
      ...WEB_GPU,
      env: { CUDA_VISIBLE_DEVICES: "0" },
      isContainer: true,
      isWsl: false,
      cards: [
        { vendorId: 0x10de, deviceId: 0x2330, driver: "nvidia" },
        { vendorId: 0x1a03, deviceId: 0x2000, driver: null },
      ],
      loaderProblem: null,
      icds: [
        {
          path: "/etc/vulkan/icd.d/nvidia_icd.json",
          library: "libGLX_nvidia.so.0",
          problem: "libXext.so.6: no",
        },
        {
          path: "/usr/share/vulkan/icd.d/lvp_icd.x86_64.json",
          library: "../lib/libvulkan_lvp.so",
          problem: null,
        },
        {
          path: "/usr/share/vulkan/icd.d/torn.json",
          library: null,
          problem: "the file names no library",
        },
      ],
      renderNodes: [{
        path: `${fake.root}/dev/dri/renderD128`,
        access: "open",
      }],
      nvidiaNodes: [{ path: `${fake.root}/dev/nvidia0`, access: "open" }],
      nvidiaKernelVersion: "575.57.08",
      nvidiaLibraryVersion: "570.124.06",
    });
    assert.deepEqual(asked.sort(), [
      "/usr/share/vulkan/icd.d/../lib/libvulkan_lvp.so",
      "libGLX_nvidia.so.0",
      "libvulkan.so.1",
    ]);
  },
);

Deno.test(
  "gatherGpuFindings() finds nothing on an empty machine",
  linux,
  async () => {
    await using fake = await fakeRoot({
      "/proc/version": "Linux version 5.15.153.1-microsoft-standard-WSL2",
      "/proc/driver/nvidia/version":
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  470.82.01  Wed\n",
    });
    const load = () => "not there";
    const env = { VK_DRIVER_FILES: "/a.json:/b.json" };
    const findings = gatherGpuFindings(WEB_GPU, { root: fake.root, env, load });
    assert.deepEqual(findings.icds, [
      { path: "/a.json", library: null, problem: "the file cannot be read" },
      { path: "/b.json", library: null, problem: "the file cannot be read" },
    ]);
    assert.deepEqual(findings.cards, []);
    assert.equal(findings.isContainer, false);
    assert.equal(findings.isWsl, true);
    assert.equal(findings.loaderProblem, "not there");
    assert.equal(findings.nvidiaKernelVersion, "470.82.01");
    assert.equal(findings.nvidiaLibraryVersion, null);
  },
);

Deno.test(
  "gatherGpuFindings() tells a file without a device from one of others",
  linux,
  async () => {
    const dir = await Deno.makeTempDir();
    // The path of a socket has at most 107 bytes.
    const short = await Deno.makeTempDir({ dir: "/tmp" });
    try {
      // What opens a socket gets ENXIO, as with a device file that leads nowhere.
      const dri = `${dir}/dev/dri`;
      await Deno.mkdir(dri, { recursive: true });
      const path = `${short}/socket`;
      const socket = Deno.listen({ transport: "unix", path });
      await Deno.symlink(path, `${dri}/renderD128`);
      await Deno.writeTextFile(`${dri}/renderD129`, "");
      await Deno.chmod(`${dri}/renderD129`, 0o000);
      const { renderNodes } = gatherGpuFindings(WEB_GPU, {
        root: dir,
        env: {},
        load: () => null,
      });
      socket.close();
      const isRoot = Deno.uid() === 0; // it may open what it likes
      assert.deepEqual(renderNodes.map(({ access }) => access), [
        "dead",
        isRoot ? "open" : "denied",
      ]);
    } finally {
      await Deno.remove(dir, { recursive: true });
      await Deno.remove(short, { recursive: true });
    }
  },
);
