import assert from "node:assert/strict";
import { VERSION } from "../../../src/base/version.ts";
import { appendModel } from "../../../src/export/bundle/model_section.ts";
import { loadChosen } from "../../../src/run/checkpoints/checkpoint_ref.ts";
import { run } from "../_fake_io.ts";
import { Workspace } from "../_workspace.ts";

/** Trains `owl-1` and puts its model behind what stands in for a program. */
async function withBundle(
  use: (workspace: Workspace, bundledModel: string) => Promise<void>,
): Promise<void> {
  await using workspace = await Workspace.create();
  const { code, err } = await workspace.train(["--steps", "4", "--quiet"]);
  assert.equal(code, 0, err);
  const path = await workspace.write("poet", "#!/bin/sh");
  const { runId, name, content } = await loadChosen(workspace.root, "owl-1");
  const { sha256 } = await appendModel(path, {
    ...{ ...content, runId, tensors: content.params },
    ...{ checkpoint: name, step: content.trainer.step, dtype: "F32" },
  });
  await use(workspace, `9            ${sha256} ${path}`);
}

Deno.test("a bundle writes what hearth generate writes", async () => {
  await withBundle(async (workspace, bundledModel) => {
    const flags = ["--max-new-tokens", "9", "--temperature", "0.5", "--quiet"];
    const prompt = ["--prompt", "the cat"];
    const wanted = await workspace.run(["generate", ...prompt, ...flags]);
    assert.equal(wanted.code, 0);
    assert.match(wanted.out, /^the cat./);
    // As it is given, or from a pipe.
    assert.deepEqual(
      await run([...prompt, ...flags], { bundledModel, tty: true }),
      wanted,
    );
    assert.deepEqual(
      await run(flags, { bundledModel, stdin: "the cat\n" }),
      wanted,
    );
    const json = await run([...flags, ...prompt, "--json"], { bundledModel });
    const { ids, text } = JSON.parse(json.out);
    assert.equal(`the cat${text}\n`, wanted.out);
    assert.equal(ids.length, 9);
    // Nothing in the pipe: the model begins by itself.
    assert.deepEqual(
      await run(flags, { bundledModel }),
      await workspace.run(["generate", ...flags]),
    );
  });
});

Deno.test("a bundle continues what is typed, line by line", async () => {
  await withBundle(async (workspace, bundledModel) => {
    const flags = ["--max-new-tokens", "4", "--quiet"];
    const texts: string[] = [];
    for (const prompt of ["the", "a mat"]) {
      const { out } = await workspace.run(
        ["generate", "--prompt", prompt, ...flags],
      );
      texts.push(out);
    }
    const typed = ["the", "a mat"];
    assert.deepEqual(await run(flags, { bundledModel, tty: true, typed }), {
      code: 0,
      out: `>${texts[0]}>${texts[1]}>`,
      err: "",
    });
  });
});

Deno.test("a bundle ends a text at Ctrl+C, and is ready for the next", async () => {
  await withBundle(async (_, bundledModel) => {
    let listening = 0;
    const { code, out } = await run(["--max-new-tokens", "1000000"], {
      ...{ bundledModel, tty: true, typed: ["the", "the cat"] },
      onListening: (press) => {
        listening++;
        queueMicrotask(press);
      },
    });
    assert.deepEqual([code, listening], [0, 2]);
    assert.match(out, />the cat[^>]*>$/);
  });
});

Deno.test("a bundle tells what it is, and takes no commands", async () => {
  await withBundle(async (_, bundledModel) => {
    assert.deepEqual(await run(["--version"], { bundledModel }), {
      code: 0,
      out: `owl-1, step 4 (hearth ${VERSION})\n`,
      err: "",
    });
    const help = await run(["--help"], { bundledModel });
    assert.match(help.out, /^Usage: poet \[options\]\n\nWrite text with the/);
    assert.doesNotMatch(help.out, /Commands:|--root/);
    for (const argv of [["train"], ["--root", "."], ["generate", "owl-1"]]) {
      const { code, out, err } = await run(argv, { bundledModel });
      assert.deepEqual([code, out], [2, ""]);
      assert.match(err, /^error: .*\nhint: .*--\w+.*\n$/);
    }
    const cold = await run(["--temperature", "-1"], { bundledModel });
    assert.match(cold.err, /^error: Cannot use --temperature -1: expected/);
  });
});

Deno.test("a bundle with a damaged model says so", async () => {
  await withBundle(async (_, bundledModel) => {
    const path = bundledModel.slice(78);
    const bytes = await Deno.readFile(path);
    bytes[bytes.length - 5] ^= 1;
    await Deno.writeFile(path, bytes);
    assert.deepEqual(await run(["--prompt", "a"], { bundledModel }), {
      code: 1,
      out: "",
      err: `error: Cannot use the model in "${path}": its checksum differs\n` +
        "hint: copy or download the file again\n",
    });
    const { code, err } = await run([], { bundledModel: "12 no sum" });
    assert.equal(code, 1);
    assert.match(err, /its script is damaged\n/);
  });
});

Deno.test("the process of a bundle may neither write, send, start nor import", async () => {
  const io = new URL("../../../src/cli/process_io.ts", import.meta.url);
  const code = `const { processIo } = await import("${io}");
    processIo();
    const names = ["read", "env", "sys", "ffi", "write", "net", "run", "import"];
    for (const name of names) {
      console.log(name, Deno.permissions.querySync({ name }).state);
    }`;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-prompt",
      "--no-check",
      `data:text/javascript,${encodeURIComponent(code)}`,
    ],
    env: { HEARTH_BUNDLED_MODEL: "set" },
  }).output();
  assert.equal(
    new TextDecoder().decode(stdout),
    "read granted\nenv granted\nsys granted\nffi granted\n" +
      "write prompt\nnet prompt\nrun prompt\nimport prompt\n",
  );
});

Deno.test("a bundle's name and run do not drive the terminal", {
  ignore: Deno.build.os === "windows", // no file is called so
}, async () => {
  await using workspace = await Workspace.create();
  const path = await workspace.write("poet\x1b[2J", "#!/bin/sh");
  const { sha256 } = await appendModel(path, {
    ...{ runId: "\x1b]0;owned\x07", checkpoint: "5", step: 5, dtype: "F32" },
    ...{ modelConfig: {}, tokenizerJson: "{}", tensors: [] },
  });
  const bundledModel = `9 ${sha256} ${path}`;
  for (const flag of ["--help", "--version"]) {
    const { code, out } = await run([flag], { bundledModel, tty: true });
    assert.equal(code, 0);
    assert.match(out, /\ufffd\]0;owned\ufffd, step 5/);
    // deno-lint-ignore no-control-regex -- all but line ends
    assert.doesNotMatch(out, /[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
  }
});
