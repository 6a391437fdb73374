/**
 * What tuning found out on this machine, so that the next run need not: a
 * small file for each adapter, in the user's folder for such.
 *
 * It is a convenience: a file that is damaged or of another version is as good
 * as none, and where nothing can be written nothing is.
 *
 * @module
 */

import { join } from "node:path";
import { makeDirectories } from "../../../base/atomic_file.ts";
import { readJson, writeJson } from "../../../base/json_file.ts";
import { isRecord } from "../../../base/parse_json.ts";
import { Graph } from "../../../graph/graph.ts";
import { plan } from "../../../graph/plan.ts";
import type { KernelChoices } from "../../backend.ts";
import { cacheFolder } from "../../cache_folder.ts";
import { attentionChoices } from "../choice/attention_choice.ts";
import type { AttentionChoice } from "../attention/attention_tile.ts";
import type { AdapterInfo } from "../device/adapters.ts";
import type { MatrixUnit } from "../device/matrix_unit.ts";
import { gemmCandidates } from "../choice/gemm_choice.ts";
import type { GemmVariant } from "../gemm/gemm_variant.ts";
import { formatUnit, matrixCandidates } from "../choice/matrix_choice.ts";
import { lower } from "../lowering/lower.ts";
import { formatChoice, type KernelChoice } from "./kernel_choice.ts";
import { recordSite } from "./kernel_sites.ts";
import type { RefusedWay } from "./tune_kernels.ts";

/** A file of choices. */
export interface TuningCache {
  load(): Promise<KernelChoices>;
  /**
   * Adds to what is there; never fails.
   *
   * @param refused What did not compile, for who looks into the file.
   */
  save(choices: KernelChoices, refused?: readonly RefusedWay[]): Promise<void>;
}

/** The cache of an adapter. @param folder Null if there is none. */
export function openTuningCache(
  adapter:
    & Pick<AdapterInfo, "name" | "vendorId" | "deviceId" | "vulkan">
    & { unit?: MatrixUnit | null },
  folder: string | null = cacheFolder(),
): TuningCache {
  const { name, vendorId, deviceId, vulkan, unit } = adapter;
  // WebGPU does not tell the driver's version; a new one is mostly as fast.
  const key = {
    ...{ name, vendorId, deviceId, deno: Deno.version.deno },
    ...vulkan && { vulkanDriver: vulkan.driverVersion },
    // Products that may use it choose among others than those that may not.
    ...unit && { matrixUnit: formatUnit(unit) },
  };
  const hash = hashOf(JSON.stringify(key) + kernelText());
  const path = folder && join(folder, `kernels-${hash}.json`);
  /** A part of the file. */
  const loadPart = async (
    part: "choices" | "refused",
  ): Promise<KernelChoices> => {
    if (!path) return {};
    try {
      const file = await readJson(path);
      return isRecord(file) && isRecord(file[part]) ? textsOf(file[part]) : {};
    } catch {
      return {}; // damaged, or not to be read
    }
  };
  return {
    load: () => loadPart("choices"),
    async save(choices, refused = []) {
      if (!path || !folder) return;
      const reasons = Object.fromEntries(
        refused.map(({ site, way, why }) => [
          `${formatChoice(way)} for ${site}`,
          why,
        ]),
      );
      try {
        await makeDirectories(folder);
        await writeJson(path, {
          adapter: key,
          choices: { ...await loadPart("choices"), ...choices },
          refused: { ...await loadPart("refused"), ...reasons },
        });
      } catch {
        // A home that is read-only or full costs two seconds a run.
      }
    },
  };
}

const SOME_UNIT = { M: 16, N: 16, K: 16, scalar: "f16", lanes: 32 } as const;

/** Changes whenever the shaders do. */
function kernelText(): string {
  const limits = {
    maxComputeInvocationsPerWorkgroup: 1024,
    maxComputeWorkgroupStorageSize: 65536,
  };
  const product = new Graph();
  const side = 256;
  const shape = { M: side, N: side, K: side, transA: false, transB: false };
  const attrs = { B: 1, T: 128, H: 1, Hkv: 1, D: 64, p: 0.5, site: 0 };
  recordSite(product, { kind: "matmul", shape, sums: { addTo: false } });
  const textOf = (g: Graph, choice: KernelChoice) =>
    lower(plan({ g }), {
      ...{ maxBindingBytes: 2 ** 27, maxBindings: 8 },
      workgroupBytes: limits.maxComputeWorkgroupStorageSize,
      gemmVariant: () => choice as GemmVariant, // the product's is one
      attention: () => choice as AttentionChoice, // and attention's is one
      ...{ precision: "fp32", fuse: true },
    }).phases.get("g")!.map(({ code }) => code).join();
  return [
    ...[...gemmCandidates(limits), ...matrixCandidates(SOME_UNIT, limits)].map(
      (tile) => textOf(product, { ...tile, splitK: 1 }),
    ),
    ...(["attention", "attentionBackward"] as const).flatMap((kind) => {
      const attention = new Graph();
      recordSite(attention, { kind, attrs });
      return attentionChoices(kind, { limits, unit: SOME_UNIT }).map((choice) =>
        textOf(attention, choice)
      );
    }),
  ].join();
}

/** FNV-1a, 64 bits in hexadecimal. Source: http://www.isthe.com/chongo/tech/comp/fnv. */
function hashOf(text: string): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(text)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return hash.toString(16).padStart(16, "0");
}

function textsOf(choices: Record<string, unknown>): KernelChoices {
  return Object.fromEntries(
    Object.entries(choices).filter((entry): entry is [string, string] =>
      typeof entry[1] === "string"
    ),
  );
}
