import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { UserError } from "../../src/base/errors.ts";
import {
  type ExportFormat,
  exportModel,
} from "../../src/export/export_model.ts";
import { sizeOf } from "../../src/graph/tensor.ts";
import {
  adapterParameters,
  type Lora,
  resolveLora,
} from "../../src/model/lora.ts";
import { mergedTensors } from "../../src/model/lora_merge.ts";
import type { ModelConfig } from "../../src/model/model_config.ts";
import type { ChosenCheckpoint } from "../../src/run/checkpoints/checkpoint_ref.ts";
import { inTempDir } from "../base/_helpers.ts";
import { readSafetensors } from "../base/_safetensors.ts";
import { hashU32 } from "../model/_oracle.ts";
import { checkpointOf, MODELS } from "./_checkpoint.ts";
import { findPackages, python } from "./_python.ts";

const { missing, found } = await findPackages("torch", "transformers", "peft");
const SCRIPT = fileURLToPath(
  new URL("../fixtures/load_adapter.py", import.meta.url),
);

/** The checkpoint of a run with adapters, as it is read. */
function withAdapters(config: ModelConfig, lora: Lora): ChosenCheckpoint {
  const frozen = checkpointOf(config);
  const factors = adapterParameters(config, lora).map(({ name, shape }) => ({
    name,
    shape,
    data: Float32Array.from(
      { length: sizeOf(shape) },
      (_, i) => 0.3 * (hashU32(name, i) / 2 ** 32 - 0.5),
    ),
  }));
  const { content } = frozen;
  const params = mergedTensors(config, { lora, base: content.params, factors });
  const base = { from: "owl-1/step-00000500", sha256: "" };
  const adapter = { lora, base };
  return { ...frozen, content: { ...content, params, factors, adapter } };
}

function write(chosen: ChosenCheckpoint, format: ExportFormat, output: string) {
  return exportModel({ chosen, meta: null, format, dtype: "f32", output });
}

Deno.test("exportModel() writes adapters under PEFT's names, parts of a matrix apart", () =>
  inTempDir(async (dir) => {
    const lora = resolveLora({ rank: 2, targets: "qkv,gateUp" }, MODELS.llama)!;
    const chosen = withAdapters(MODELS.llama, lora);
    await write(chosen, "peft", `${dir}/out`);
    const read = new Map(
      (await readSafetensors(`${dir}/out/adapter_model.safetensors`))
        .map((tensor) => [tensor.name, tensor]),
    );
    const part = (module: string, factor: "A" | "B") =>
      read.get(
        `base_model.model.model.layers.1.${module}.lora_${factor}.weight`,
      )!;
    const ours = new Map(chosen.content.factors!.map((t) => [t.name, t]));
    const values = (name: string) =>
      (ours.get(name) as { data: Float32Array }).data;
    // 64 channels; 4 heads of 16 ask 2 of keys and 2 of values.
    const modules: [
      module: string,
      weight: string,
      from: number,
      to: number,
    ][] = [
      ["self_attn.q_proj", "attn.qkv", 0, 64],
      ["self_attn.k_proj", "attn.qkv", 64, 96],
      ["self_attn.v_proj", "attn.qkv", 96, 128],
      ["mlp.gate_proj", "mlp.gateUp", 0, 96],
      ["mlp.up_proj", "mlp.gateUp", 96, 192],
    ];
    assert.equal(read.size, 2 * 2 * modules.length);
    for (const [module, weight, from, to] of modules) {
      assert.deepEqual(part(module, "A").shape, [2, 64]);
      assert.deepEqual(part(module, "A").data, values(`h.1.${weight}.loraA`));
      assert.deepEqual(part(module, "B").shape, [to - from, 2]);
      assert.deepEqual(
        part(module, "B").data,
        values(`h.1.${weight}.loraB`).subarray(2 * from, 2 * to),
      );
    }
    const config = JSON.parse(
      await Deno.readTextFile(`${dir}/out/adapter_config.json`),
    );
    assert.deepEqual(config.target_modules, modules.map(([name]) => name));
    assert.deepEqual(
      [config.r, config.lora_alpha, config.fan_in_fan_out],
      [2, 4, false],
    );
  }));

Deno.test("exportModel() refuses adapters of a run that has none", () =>
  inTempDir(async (dir) => {
    await assert.rejects(
      write(checkpointOf(MODELS.gpt2), "peft", `${dir}/out`),
      (error) =>
        error instanceof UserError && error.exitCode === 2 &&
        error.message ===
          'Cannot export "owl-1" as peft: all of its weights were trained, ' +
            "not adapters" &&
        error.hint === "use --format hf",
    );
    assert.deepEqual(await Array.fromAsync(Deno.readDir(dir)), []);
  }));

for (const [name, config] of Object.entries(MODELS)) {
  Deno.test({
    name: `PEFT loads exported adapters of a ${name} with the logits of the ` +
      `merged export (${found})`,
    ignore: missing,
    fn: () =>
      inTempDir(async (dir) => {
        const head = config.tieEmbeddings ? "" : ",lmHead";
        const lora = resolveLora({ rank: 3, targets: `all${head}` }, config)!;
        const chosen = withAdapters(config, lora);
        await write(checkpointOf(config), "hf", `${dir}/base`);
        await write(chosen, "peft", `${dir}/adapter`);
        await write(chosen, "hf", `${dir}/merged`);
        const folders = ["base", "adapter", "merged"];
        const answer = await python(
          [SCRIPT, ...folders.map((folder) => `${dir}/${folder}`)],
        );
        assert.ok(answer, "PEFT cannot load the folder");
        const { difference, largest, change } = JSON.parse(answer);
        assert.ok(change > 0.1 * largest, answer);
        // f32 rounding of sums in another order, a few 1e-7 each.
        assert.ok(difference < 1e-5 * largest, answer);
      }),
  });
}
