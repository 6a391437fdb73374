/**
 * `hearth bench`: how fast this machine is, with random numbers in place of
 * text. Nothing is read from or written to disk.
 *
 * @module
 */

import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import type { Backend } from "../../backend/backend.ts";
import { EXIT, UserError } from "../../base/errors.ts";
import type { App } from "../app.ts";
import type { BenchModel } from "../bench/bench_model.ts";
import { BENCH_SHAPES } from "../bench/shapes.ts";
import { addConfigFlags, readConfigFlags } from "../flags/config_flags.ts";
import { examples } from "../flags/examples.ts";
import { countFlag, numberFlag } from "../flags/numbers.ts";
import { exitOnStop } from "../stop_signal.ts";

/** Settings of the machine that every measurement takes. */
const MACHINE_SETTINGS = [
  "device",
  "precision",
  "threads",
  "gemm",
];

const SECONDS_HELP = "time to go on for";

/** Adds the command and its subcommands. */
export function addBenchCommand(program: CommandUnknownOpts, app: App): void {
  const bench = program.command("bench")
    .summary("measure the speed of this machine")
    .description(
      "Measure the speed of this machine, with random numbers in place of " +
        "text. The warm-up does not count; times are medians. The last line " +
        "is JSON; with --json it is the only one.",
    )
    .helpCommand(false)
    .addHelpText(
      "after",
      examples(
        "hearth bench train --profile char",
        "hearth bench gemm --threads 1 --json",
      ),
    );
  addGemm(bench, app);
  addOps(bench, app);
  addTrain(bench, app);
  addGenerate(bench, app);
}

function addGemm(bench: CommandUnknownOpts, app: App): void {
  const command = bench.command("gemm")
    .summary("matrix products")
    .description(
      "Time matrix products at the shapes of real models. ms is the median, " +
        "spread how far its quartiles lie apart; GB/s is the speed at which " +
        "a single row has its matrix read.",
    )
    .argument(
      "[shapes...]",
      "MxNxK in place of those shapes: M rows, N columns, sums of K " +
        "products; MxNxKTN with A transposed",
    )
    .option("--seconds <n>", `${SECONDS_HELP}, each`, seconds, 0.3)
    .option("--variants", "on a GPU: every way to compute them")
    .addHelpText(
      "after",
      examples(
        "hearth bench gemm 1024x1024x1024 --gemm wasm",
        "hearth bench gemm 4096x4096x4096 --device gpu --variants",
      ),
    );
  addConfigFlags(command, MACHINE_SETTINGS);
  command.action(async (shapes, { seconds, variants }) => {
    const gemm = await import("../bench/bench_gemm.ts");
    const products = shapes.length > 0
      ? shapes.map(gemm.parseProduct)
      : gemm.PRODUCTS;
    const { config } = await modelOf(command, "char-cpu");
    await onDevice(app, { config }, async (backend) => {
      const figures = [];
      for (const product of products) {
        const options = { seconds, variants };
        figures.push(...await gemm.benchProduct(backend, product, options));
      }
      const gflops = Math.max(...figures.map((one) => one.gflops));
      return {
        text: gemm.formatProducts(figures),
        json: { bench: "gemm", gflops, products: figures },
      };
    });
  });
}

function addOps(bench: CommandUnknownOpts, app: App): void {
  const command = bench.command("ops")
    .summary("every op of a training step")
    .description(
      "Show where the time of a training step goes, op by op: ms of all its " +
        "calls, the part in which threads wait for the slowest, and GB/s with " +
        "each tensor of a call counted once.",
    )
    .option("--profile <name>", profileHelp(), "char-cpu")
    .option("--calls", "every single call as well")
    .option("--seconds <n>", SECONDS_HELP, seconds, 2)
    .addHelpText(
      "after",
      examples(
        "hearth bench ops --profile char",
        "hearth bench ops --profile gpt2 --calls",
      ),
    );
  addStepFlags(command);
  command.action(async ({ profile, calls = false, seconds }) => {
    const { benchOps, formatOps } = await import("../bench/bench_ops.ts");
    const model = await modelOf(command, profile);
    await onDevice(app, model, async (backend) => {
      const figures = await benchOps(profiled(backend), model, { seconds });
      return {
        text: formatOps(figures, { calls }),
        json: {
          ...{ bench: "ops", profile, ...figures },
          calls: calls ? figures.calls : undefined,
        },
      };
    });
  });
}

function addTrain(bench: CommandUnknownOpts, app: App): void {
  const command = bench.command("train")
    .summary("whole training steps")
    .description("Time whole training steps.")
    .option("--profile <name>", profileHelp(), "char-cpu")
    .option("--seconds <n>", SECONDS_HELP, seconds, 5)
    .addHelpText(
      "after",
      examples(
        "hearth bench train --profile gpt2 --seconds 20",
        "hearth bench train --profile small --batch-size 4 --json",
      ),
    );
  addStepFlags(command);
  command.action(async ({ profile, seconds }) => {
    const { benchTrain, formatTrain } = await import("../bench/bench_train.ts");
    const model = await modelOf(command, profile);
    await onDevice(app, model, async (backend) => {
      const figures = await benchTrain(backend, model, { seconds });
      return {
        text: formatTrain(figures),
        json: { bench: "train", profile, ...figures },
      };
    });
  });
}

function addGenerate(bench: CommandUnknownOpts, app: App): void {
  const command = bench.command("generate")
    .summary("tokens one after another")
    .description(
      "Time the drawing of tokens one after another, in a short and a full " +
        "context, the reading of a prompt, and the speed of memory that " +
        "limits it.",
    )
    .option("--profile <name>", profileHelp(), "gpt2")
    .option("--seq-len <n>", "tokens of the context", countFlag("--seq-len", 1))
    .option(
      "--prompt-tokens <n>",
      "tokens to begin with",
      countFlag("--prompt-tokens", 1),
      32,
    )
    .option(
      "--max-new-tokens <n>",
      "tokens to draw",
      countFlag("--max-new-tokens", 5),
      100,
    )
    .addHelpText(
      "after",
      examples(
        "hearth bench generate --profile gpt2",
        "hearth bench generate --profile char --threads 1",
      ),
    );
  addConfigFlags(command, MACHINE_SETTINGS);
  command.action(async ({ profile, promptTokens, maxNewTokens }) => {
    const { benchGenerate, formatGenerate } = await import(
      "../bench/bench_generate.ts"
    );
    const model = await modelOf(command, profile);
    await onDevice(app, model, async (backend) => {
      const counts = { promptTokens, newTokens: maxNewTokens };
      const figures = await benchGenerate(backend, model, counts);
      return {
        text: formatGenerate(figures),
        json: { bench: "generate", profile, ...figures },
      };
    });
  });
}

/** Parses `--seconds`. */
function seconds(text: string): number {
  const value = numberFlag("--seconds")(text);
  if (value >= 0) return value;
  throw new UserError(
    `Cannot measure for ${value} seconds: expected 0 or more`,
    {
      hint: "put a number after --seconds, or leave it out",
      exitCode: EXIT.usage,
    },
  );
}

function profileHelp(): string {
  const shapes = Object.entries(BENCH_SHAPES)
    .map(([name, shape]) => `${name} (${shape.about})`);
  return `${shapes.join(", ")}, or a profile of hearth train`;
}

/** Flags of a training step, beside those of the machine. */
function addStepFlags(command: CommandUnknownOpts): void {
  command
    .option("--batch-size <n>", "sequences", countFlag("--batch-size", 1))
    .option("--seq-len <n>", "tokens each", countFlag("--seq-len", 1));
  addConfigFlags(command, [...MACHINE_SETTINGS, "tune"]);
}

async function modelOf(
  command: CommandUnknownOpts,
  profile: string,
): Promise<BenchModel> {
  const { benchModel } = await import("../bench/bench_model.ts");
  return await benchModel(profile, readConfigFlags(command));
}

/** Opens the device, measures, prints. */
async function onDevice(
  app: App,
  { config }: Pick<BenchModel, "config">,
  work: (backend: Backend) => Promise<{ text: string; json: object }>,
): Promise<void> {
  using _ = exitOnStop(app);
  const { openBackend } = await import("../../backend/devices/open_backend.ts");
  const { formatDevice } = await import("../../run/log_line.ts");
  const { peakRssBytes, surroundings } = await import("../bench/machine.ts");
  const { device, threads, gemm, precision } = config;
  // A figure of something else than was asked for would mislead.
  const choice = { device, threads, gemm, precision, strict: true };
  const { backend, warnings, notes } = await openBackend(choice).catch(
    (cause) => {
      if (!(cause instanceof UserError)) throw cause;
      const { message, exitCode } = cause;
      const hint = cause.hint.replace(/, or leave out --strict-device$/, "");
      throw new UserError(message, { hint, exitCode, cause });
    },
  );
  try {
    warnings.forEach((warning) => app.warn(warning));
    notes.forEach((note) => app.note(note));
    const { kernels } = backend.device;
    app.note(`${formatDevice(backend.device)}, ${kernels}, ${precision}`);
    const { text, json } = await work(backend);
    if (!app.json) app.print(`${text}\n`);
    app.printJson({
      peakRssBytes: peakRssBytes(),
      ...json, // may have looked before it did more than it measures
      precision,
      ...await surroundings(backend.device),
      ...{ warnings, notes },
    });
  } finally {
    await backend.dispose();
  }
}

/** Either kind of device can time single calls. */
function profiled(backend: Backend) {
  // What is not a CPU's is an adapter's; the reference has no command.
  return backend as
    | import("../../backend/cpu/cpu_backend.ts").CpuBackend
    | import("../../backend/webgpu/webgpu_backend.ts").WebGpuBackend;
}
