import assert from "node:assert/strict";
import {
  isNvidiaGpu,
  parseNvidiaLine,
} from "../../../src/run/telemetry/nvidia_smi.ts";

const MIB = 2 ** 20;

const PLACE = "0000:65:00.0";
const UUID = "6f0c1d2e3c5a71d29e40b6f1a8d0c733";
/** Both of them, as nvidia-smi prints them. */
const AT = "00000000:65:00.0, GPU-6f0c1d2e-3c5a-71d2-9e40-b6f1a8d0c733";

/** Lines as drivers print them for the query. */
const LINES: [what: string, line: string, expected: unknown][] = [
  [
    "driver 535, A100",
    `0, 0x20B210DE, ${AT}, 97, 35537, 81920, 312.45, 61, NVIDIA A100-SXM4-80GB`,
    [0, 0x20b210de, "A100-SXM4-80GB", [97, 35537, 81920, 312.45, 61]],
  ],
  [
    "driver 450, before names began with the maker",
    `1, 0x1DB510DE, ${AT}, 0, 3, 32510, 42.17, 33, Tesla V100-SXM2-32GB`,
    [1, 0x1db510de, "Tesla V100-SXM2-32GB", [0, 3, 32510, 42.17, 33]],
  ],
  [
    "driver 390, a laptop chip without sensors",
    `0, 0x134D10DE, ${AT}, [Not Supported], 12, 2004, [Not Supported], 52, ` +
    "GeForce 940MX",
    [0, 0x134d10de, "GeForce 940MX", [null, 12, 2004, null, 52]],
  ],
  [
    "MIG",
    `2, 0x233010DE, ${AT}, [N/A], 14366, 81559, 87.52, 33, NVIDIA H100 80GB HBM3`,
    [2, 0x233010de, "H100 80GB HBM3", [null, 14366, 81559, 87.52, 33]],
  ],
  [
    "MIG in a container without rights",
    `0, 0x20B210DE, ${AT}, [N/A], [Insufficient Permissions], ` +
    "[Insufficient Permissions], [Insufficient Permissions], 47, " +
    "NVIDIA A100-SXM4-80GB",
    [0, 0x20b210de, "A100-SXM4-80GB", [null, null, null, null, 47]],
  ],
  [
    "a card that is lost",
    `0, [GPU requires reset], ${AT}, [Unknown Error], 0, 97887, ERR!, ` +
    "[GPU requires reset], NVIDIA RTX PRO 6000",
    [0, null, "RTX PRO 6000", [null, 0, 97887, null, null]],
  ],
  [
    "units though told not to, and Windows line ends",
    `0, 0x268410DE, ${AT}, 35 %, 1024 MiB, 24564 MiB, 98.10 W, 44, ` +
    "NVIDIA GeForce RTX 4090\r",
    [0, 0x268410de, "GeForce RTX 4090", [35, 1024, 24564, 98.1, 44]],
  ],
  [
    "driver 418, before words were in brackets of [N/A]",
    `0, 0x118410DE, ${AT}, [Not Supported], 300, 1999, [Not Supported], 52, ` +
    "GeForce GTX 770",
    [0, 0x118410de, "GeForce GTX 770", [null, 300, 1999, null, 52]],
  ],
  [
    "driver 470 on Windows, where memory belongs to the system",
    `0, 0x220610DE, ${AT}, [N/A], 1211, 10240, [N/A], 54, NVIDIA GeForce RTX 3080\r`,
    [0, 0x220610de, "GeForce RTX 3080", [null, 1211, 10240, null, 54]],
  ],
  [
    "driver 550, a GH200",
    `0, 0x234210DE, ${AT}, 0, 1, 97871, 78.75, 28, NVIDIA GH200 480GB`,
    [0, 0x234210de, "GH200 480GB", [0, 1, 97871, 78.75, 28]],
  ],
  [
    "driver 570, a vGPU without power and temperature",
    `0, 0x27B810DE, ${AT}, 41, 3910, 12288, [N/A], [N/A], NVIDIA L4-12Q`,
    [0, 0x27b810de, "L4-12Q", [41, 3910, 12288, null, null]],
  ],
  [
    "driver 575, a sensor that fails",
    `3, 0x20B210DE, ${AT}, 12, 812, 81920, [Unknown Error], [Unknown Error], ` +
    "NVIDIA A100-SXM4-80GB",
    [3, 0x20b210de, "A100-SXM4-80GB", [12, 812, 81920, null, null]],
  ],
  [
    "a name with a comma, and one of no maker",
    `0, 0x0FF610DE, ${AT}, 0, 3, 1999, 8.10, 40, Quadro K1100M, rev. 2`,
    [0, 0x0ff610de, "Quadro K1100M, rev. 2", [0, 3, 1999, 8.1, 40]],
  ],
  [
    "shared memory, as on a GB10",
    `0, 0x2E1210DE, ${AT}, 12, [N/A], [N/A], 14.20, 41, NVIDIA GB10`,
    [0, 0x2e1210de, "GB10", [12, null, null, 14.2, 41]],
  ],
];

for (const [what, line, expected] of LINES) {
  Deno.test(`parseNvidiaLine() reads ${what}`, () => {
    const gpu = parseNvidiaLine(line)!;
    const { gpuUtilPct, vramUsedBytes, vramTotalBytes, powerW, tempC } =
      gpu.sample;
    const mebibytes = (bytes: number | null) => bytes && bytes / MIB;
    assert.deepEqual([gpu.pciAddress, gpu.uuid], [PLACE, UUID]);
    assert.deepEqual([gpu.index, gpu.pciDeviceId, gpu.name, [
      gpuUtilPct,
      mebibytes(vramUsedBytes),
      mebibytes(vramTotalBytes),
      powerW,
      tempC,
    ]], expected);
  });
}

for (
  const line of [
    "",
    "No devices were found",
    "Failed to initialize NVML: Driver/library version mismatch",
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA " +
    "driver. Make sure that the latest NVIDIA driver is installed and running.",
    'Field "pci.device_id" is not a valid field to query.',
    "NVIDIA-SMI couldn't find libnvidia-ml.so library in your system.",
    "Failed to initialize NVML: Unknown Error", // a container after a reload
    "Unable to determine the device handle for gpu 0000:C1:00.0: GPU is " +
    "lost.  Reboot the system to recover this GPU",
    "Unable to determine the device handle for GPU 0000:81:00.0: Unknown Error",
    "0, 0x20B210DE, 00000000:65:00.0, GPU-6f0c1d2e-3c5a", // killed in the middle
    "\0\0\xff, , , , , , , ",
  ]
) {
  Deno.test(`parseNvidiaLine() takes nothing from ${JSON.stringify(line)}`, () => {
    assert.equal(parseNvidiaLine(line), null);
  });
}

Deno.test("parseNvidiaLine() knows no place where none is told", () => {
  for (
    const [where, expected] of [
      ["0000:C1:00.0, GPU-6F0C1D2E-3C5A-71D2-9E40-B6F1A8D0C733", [
        "0000:c1:00.0",
        UUID,
      ]],
      ["[N/A], [N/A]", [null, null]],
      ["[Unknown Error], MIG-GPU-6f0c1d2e", [null, null]],
    ] as const
  ) {
    const gpu = parseNvidiaLine(`0, 0x20B710DE, ${where}, 1, 2, 3, 4, 5, A30`);
    assert.deepEqual([gpu?.pciAddress, gpu?.uuid], expected);
  }
});

/** What two equal cards of a machine with eight print, and one other. */
const H200S = [
  "0, 0x233510DE, 00000000:18:00.0, " +
  "GPU-11111111-aaaa-bbbb-cccc-1234567890ab, 3, 512, 143771, 75.20, 28, " +
  "NVIDIA H200",
  "1, 0x233510DE, 00000000:2A:00.0, " +
  "GPU-22222222-aaaa-bbbb-cccc-1234567890ab, 98, 90112, 143771, 655.31, 61, " +
  "NVIDIA H200",
  "2, 0x1EB810DE, 00000000:3B:00.0, " +
  "GPU-33333333-aaaa-bbbb-cccc-1234567890ab, 0, 1, 15360, 9.00, 30, Tesla T4",
].map((line) => parseNvidiaLine(line)!);

Deno.test("isNvidiaGpu() tells equal cards apart", () => {
  const h200 = { name: "NVIDIA H200", vendorId: "4318", deviceId: "9013" };
  const second = "22222222aaaabbbbcccc1234567890ab";
  const found = (where: { pciAddress?: string; uuid?: string }) =>
    H200S.filter((gpu) => isNvidiaGpu(gpu, { ...h200, ...where }))
      .map(({ index }) => index);
  assert.deepEqual(found({ pciAddress: "0000:2a:00.0" }), [1]);
  assert.deepEqual(found({ uuid: second }), [1]);
  assert.deepEqual(found({ pciAddress: "0000:18:00.0", uuid: second }), [0]);
  assert.deepEqual(found({ pciAddress: "0000:99:00.0" }), []);
  assert.deepEqual(found({ uuid: "0".repeat(32) }), []);
  assert.deepEqual(found({}), [0, 1]); // as WebGPU tells nothing

  const [, silent] = H200S.map((gpu) => ({
    ...gpu,
    pciAddress: null,
    uuid: null,
  }));
  assert.ok(isNvidiaGpu(silent, { ...h200, pciAddress: "0000:18:00.0" }));
});

Deno.test("isNvidiaGpu() goes by the PCI id, else by the name", () => {
  const a30 = { name: "NVIDIA A30", vendorId: "4318", deviceId: "8375" };
  const gpu = (pciDeviceId: number | null, name: string) => ({
    pciDeviceId,
    pciAddress: null,
    uuid: null,
    name,
  });
  assert.ok(isNvidiaGpu(gpu(0x20b710de, "A30"), a30));
  assert.ok(!isNvidiaGpu(gpu(0x20b210de, "A30"), a30));
  assert.ok(isNvidiaGpu(gpu(null, "A30"), a30));
  assert.ok(!isNvidiaGpu(gpu(null, ""), a30));
  const unknown = { ...a30, deviceId: "" };
  assert.ok(isNvidiaGpu(gpu(0x20b710de, "A30"), unknown));
  assert.ok(!isNvidiaGpu(gpu(0x20b710de, "A300"), unknown));
});
