import assert from "node:assert/strict";
import { CheckpointStore } from "../../../src/run/checkpoints/checkpoint_store.ts";
import { inTempDir } from "../_helpers.ts";
import { snapshotAt } from "../_snapshot.ts";

const PYTHON = Deno.env.get("HEARTH_PYTHON") || "python3";

async function python(...args: string[]) {
  try {
    const { success, stdout } = await new Deno.Command(PYTHON, {
      args,
      stderr: "null",
    }).output();
    return success ? new TextDecoder().decode(stdout) : null;
  } catch {
    return null; // there is no such program
  }
}

const version = await python(
  "-c",
  "import safetensors, numpy; print(safetensors.__version__, end='')",
);
const found = version === null
  ? `skipped, ${PYTHON} has no safetensors; set HEARTH_PYTHON`
  : `safetensors ${version}`;

Deno.test({
  name: `model.safetensors opens in Python with the same tensors (${found})`,
  ignore: version === null,
  fn: () =>
    inTempDir(async (dir) => {
      const snapshot = snapshotAt(7);
      snapshot.params = [
        {
          name: "wte.weight",
          shape: [2, 3],
          data: Float32Array.of(1, 2, 3, -4, 5e-30, 6.5),
        },
        { name: "lnF.bias", shape: [0], data: new Float32Array(0) },
        { name: "scale", shape: [], data: Float32Array.of(0.1) },
      ];
      const store = new CheckpointStore(dir, { keep: 1, neededBytes: 1 });
      await store.save(snapshot, {
        step: 7,
        best: false,
        periodic: true,
      });
      const script = `
import json, sys
from safetensors import safe_open
with safe_open(sys.argv[1], framework="np") as f:
    print(json.dumps({
        "metadata": f.metadata(),
        "tensors": [[name, f.get_tensor(name).dtype.name, f.get_tensor(name).shape,
                     f.get_tensor(name).flatten().tolist()] for name in sorted(f.keys())],
    }))`;
      const output = await python(
        "-c",
        script,
        `${dir}/step-00000007/model.safetensors`,
      );
      assert.deepEqual(JSON.parse(output!), {
        metadata: { format: "pt", step: "7" },
        tensors: [
          ["lnF.bias", "float32", [0], []],
          ["scale", "float32", [], [Math.fround(0.1)]],
          ["wte.weight", "float32", [2, 3], [
            1,
            2,
            3,
            -4,
            Math.fround(5e-30),
            6.5,
          ]],
        ],
      });
    }),
});
