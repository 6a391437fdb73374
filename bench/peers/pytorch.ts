/**
 * Hearth against PyTorch on the same machine, in turns.
 *
 *     deno task bench:peers [case…] [--device cuda] [--rounds 5] [--seconds 8]
 *         [--setting "compiled, 2 threads"] [--prefix "…"]
 *
 * For each case PyTorch first shows which of its settings is fastest here
 * (eager or compiled, one thread or one per core); then both run in turns, and
 * each round gives one ratio. `--setting` leaves out that search, which takes
 * most of the time. `--prefix` is put before both commands, such as
 * `chrt -f 10` on a machine that others use. With `--device cuda` both use the
 * NVIDIA GPU, the cases are larger, and each round has every setting: eager
 * and compiled, fp32 with and without TF32. `HEARTH_PYTHON` names a Python
 * that has torch (and transformers for `generate`); `python3` otherwise.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { readCpuInfo } from "../../src/backend/cpu/cores.ts";
import { formatTable } from "../../src/cli/output/table.ts";

/** One comparison. */
interface Case {
  readonly name: string;
  /** What follows `hearth bench`. */
  readonly argv: readonly string[];
  readonly bf16: boolean;
  /** Least ratio that is aimed at; null if none is. */
  readonly goal: number | null;
}

/** What both sides print, as far as it is read here. */
interface Figures {
  readonly tokensPerSec?: number;
  readonly gflops?: number;
  readonly peakRssBytes: number;
  readonly kernels?: string;
  readonly shape?: Record<string, unknown>;
  readonly torch?: string;
}

/** A way to run PyTorch. */
interface Setting {
  readonly threads: number;
  readonly compile: boolean;
  /** Whether factors of fp32 products are rounded to 10 bits on a GPU. */
  readonly tf32?: boolean;
}

const PROMPT_TOKENS = 32;
const NEW_TOKENS = 60;
const SQUARE = 1024, GPU_SQUARE = 4096;

/** GPT-2 124M, for cases whose figures do not hold a shape. */
const GPT2 = {
  ...{ nLayer: 12, nHead: 12, nEmbd: 768, seqLen: 256, vocabSize: 50304 },
};

const train = (
  profile: string,
  bf16: boolean,
  goal: number | null,
  flags: readonly string[] = [],
): Case => ({
  name: `${profile} ${bf16 ? "bf16" : "fp32"}`,
  argv: ["train", "--profile", profile, ...flags],
  bf16,
  goal,
});

const generate = (goal: number | null): Case => ({
  name: "generate fp32",
  argv: [
    ...["generate", "--profile", "gpt2"],
    ...["--prompt-tokens", `${PROMPT_TOKENS}`],
    ...["--max-new-tokens", `${NEW_TOKENS}`],
  ],
  bf16: false,
  goal,
});

const CASES: readonly Case[] = [
  train("char-cpu", false, 2),
  train("char", false, 2),
  train("gpt2", false, 2),
  train("char-cpu", true, 1.5),
  train("char", true, 1.2),
  train("gpt2", true, 1.2),
  {
    name: "gemm fp32",
    argv: ["gemm", `${SQUARE}x${SQUARE}x${SQUARE}`, "--threads", "1"],
    bf16: false,
    goal: 2.2,
  },
  generate(1.5),
];

const CHAR_ON_GPU = ["--batch-size", "64"];
const GPT2_ON_GPU = ["--batch-size", "8", "--seq-len", "1024"];

const GPU_CASES: readonly Case[] = [
  train("char", false, 1, CHAR_ON_GPU),
  train("gpt2", false, null, GPT2_ON_GPU),
  train("char", true, null, CHAR_ON_GPU),
  train("gpt2", true, null, GPT2_ON_GPU),
  {
    name: "gemm fp32",
    argv: ["gemm", `${GPU_SQUARE}x${GPU_SQUARE}x${GPU_SQUARE}`],
    bf16: false,
    goal: null,
  },
  generate(null),
];

const { values: flags, positionals } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "8" },
    setting: { type: "string" },
    prefix: { type: "string", default: "" },
    device: { type: "string", default: "cpu" },
  },
});
const seconds = Number(flags.seconds);
const python = Deno.env.get("HEARTH_PYTHON") ?? "python3";
const root = new URL("../../", import.meta.url).pathname;
const { name: cpu, cores } = readCpuInfo();
const onGpu = flags.device === "cuda";

const chosen = (onGpu ? GPU_CASES : CASES).filter(({ name }) =>
  positionals.length === 0 || positionals.some((part) => name.includes(part))
);
console.log(`${cpu}, ${cores} cores`);
const results = [];
for (const one of chosen) results.push(...await compare(one));
console.log(
  "\n" + formatTable(
    [
      ["case", "left"],
      ["hearth", "right"],
      ["pytorch", "right"],
      ["ratio", "right"],
      ["from", "right"],
      ["to", "right"],
      ["goal", "right"],
      ["hearth MB", "right"],
      ["pytorch MB", "right"],
      ["pytorch's setting", "left"],
    ],
    results.map((one) => [
      one.name,
      one.hearth.toFixed(1),
      one.pytorch.toFixed(1),
      one.ratio.toFixed(2),
      one.ratios[0].toFixed(2),
      one.ratios.at(-1)!.toFixed(2),
      one.goal?.toFixed(1) ?? "",
      (one.hearthPeakBytes / 1e6).toFixed(0),
      (one.pytorchPeakBytes / 1e6).toFixed(0),
      one.setting,
    ]),
  ),
);
console.log(JSON.stringify({ cpu, cores, results }));

async function compare({ name, argv, bf16, goal }: Case) {
  const hearthArgv = [
    ...argv,
    ...bf16 ? ["--precision", "bf16"] : [],
    ...onGpu ? ["--device", "cuda"] : [],
  ];
  // 1. One short run here says what the shape is.
  const { shape } = await runHearth(hearthArgv, 0.5);
  const side = onGpu ? GPU_SQUARE : SQUARE;
  const settingsOf = (setting: Setting, seconds: number) => ({
    ...{ bench: argv[0], ...setting, bf16, seconds, device: flags.device },
    shape: shape ?? GPT2,
    ...{ M: side, N: side, K: side },
    ...{ promptTokens: PROMPT_TOKENS, newTokens: NEW_TOKENS },
  });

  // 2. PyTorch's best setting; a GPU's are all of interest.
  const settings = onGpu
    ? gpuSettings(argv, bf16)
    : [await bestSetting({ name, argv, seconds }, settingsOf)];

  // 3. In turns.
  const rounds: { hearth: Figures; pytorch: Figures[] }[] = [];
  while (rounds.length < Number(flags.rounds)) {
    const hearth = await runHearth(hearthArgv, seconds);
    const pytorch = [];
    for (const setting of settings) {
      const figures = await runPython(settingsOf(setting, seconds));
      pytorch.push(figures);
      console.log(
        `${name}: hearth ${rateOf(hearth).toFixed(1)}, pytorch ` +
          `${inWords(setting)} ${rateOf(figures).toFixed(1)}, ratio ` +
          (rateOf(hearth) / rateOf(figures)).toFixed(2),
      );
    }
    rounds.push({ hearth, pytorch });
  }
  return settings.map((setting, i) => {
    const sides = rounds.map(({ hearth, pytorch }) => ({
      hearth,
      pytorch: pytorch[i],
    }));
    const of = (side: "hearth" | "pytorch", figure: (f: Figures) => number) =>
      median(sides.map((round) => figure(round[side])));
    const ratios = sides
      .map(({ hearth, pytorch }) => rateOf(hearth) / rateOf(pytorch))
      .sort((a, b) => a - b);
    return {
      ...{ name, goal, ratio: median(ratios), ratios },
      hearth: of("hearth", rateOf),
      pytorch: of("pytorch", rateOf),
      hearthPeakBytes: of("hearth", ({ peakRssBytes }) => peakRssBytes),
      pytorchPeakBytes: of("pytorch", ({ peakRssBytes }) => peakRssBytes),
      kernels: sides[0].hearth.kernels,
      setting: `${sides[0].pytorch.torch} ${inWords(setting)}`,
    };
  });
}

/** The setting that is fastest here. */
async function bestSetting(
  { name, argv, seconds }: Pick<Case, "name" | "argv"> & { seconds: number },
  settingsOf: (setting: Setting, seconds: number) => object,
): Promise<Setting> {
  const all = candidates(argv);
  if (flags.setting !== undefined) {
    const known = all.find((one) => inWords(one) === flags.setting);
    if (known) return known;
    throw new Error(`--setting is one of ${all.map(inWords).join("; ")}`);
  }
  let best: { setting: Setting; rate: number } | null = null;
  for (const setting of all) {
    // The better of two: a machine that others use may stall in either.
    const short = settingsOf(setting, seconds / 2);
    const tries = [await runPython(short), await runPython(short)];
    const rate = Math.max(...tries.map(rateOf));
    console.log(`${name}: pytorch ${inWords(setting)}: ${rate.toFixed(1)}`);
    if (!best || rate > best.rate) best = { setting, rate };
  }
  return best!.setting;
}

/** What PyTorch may try: compiling does nothing for a single product. */
function candidates([bench]: readonly string[]): Setting[] {
  if (bench === "gemm") return [{ threads: 1, compile: false }];
  const threads = [...new Set([cores, 1])];
  const eager = threads.map((threads) => ({ threads, compile: false }));
  if (bench === "generate") return eager;
  return [...eager, { threads: cores, compile: true }];
}

/** The same on a GPU. */
function gpuSettings([bench]: readonly string[], bf16: boolean): Setting[] {
  const ways = bench === "train" ? [false, true] : [false];
  const tf32 = bf16 ? [false] : [false, true];
  return ways.flatMap((compile) =>
    tf32.map((tf32) => ({ threads: cores, compile, tf32 }))
  );
}

function inWords({ threads, compile, tf32 }: Setting): string {
  const way = compile ? "compiled" : "eager";
  if (onGpu) return tf32 ? `${way}, TF32` : way;
  return `${way}, ${threads} thread` + (threads === 1 ? "" : "s");
}

/** Tokens or 1e9 operations per second. */
function rateOf({ tokensPerSec, gflops }: Figures): number {
  return tokensPerSec ?? gflops!;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

function runHearth(argv: readonly string[], seconds: number): Promise<Figures> {
  const time = argv[0] === "generate" ? [] : ["--seconds", `${seconds}`];
  const script = ["run", "-A", `${root}mod.ts`, "bench", ...argv, ...time];
  return run([Deno.execPath(), ...script, "--json", "--quiet"]);
}

function runPython(settings: object): Promise<Figures> {
  const script = new URL("pytorch.py", import.meta.url).pathname;
  return run([python, script, JSON.stringify(settings)]);
}

/** Runs a command; its last line is the result. */
async function run(command: readonly string[]): Promise<Figures> {
  const words = [...flags.prefix.split(" ").filter(Boolean), ...command];
  const { success, stdout } = await new Deno.Command(words[0], {
    args: words.slice(1),
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`${words.join(" ")} failed`);
  const lines = new TextDecoder().decode(stdout).trimEnd().split("\n");
  return JSON.parse(lines.at(-1)!);
}
