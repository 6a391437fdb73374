/**
 * What other programs call our settings: nanoGPT, llm.c, Hugging Face's
 * trainers, llama.cpp. Only for hints; nothing is accepted under such a name.
 *
 * @module
 */

/** By their letters alone, as `letters` gives them; ours in camelCase. */
export const OTHER_WORDS: Readonly<Record<string, readonly string[]>> = {
  adambeta1: ["beta1"],
  adambeta2: ["beta2"],
  adamepsilon: ["eps"],
  activationcheckpointing: ["recompute"],
  amp: ["precision"],
  bf16: ["precision"],
  blocksize: ["seqLen"],
  chunksize: ["seqLen"],
  contextlength: ["seqLen"],
  contextsize: ["seqLen"],
  corpus: ["dataset"],
  ctx: ["seqLen"],
  ctxsize: ["seqLen"],
  // Tokens need no workers to be made: a batch is read in microseconds.
  dataloadernumworkers: ["prefetchBatches"],
  dataworkers: ["prefetchBatches"],
  dmodel: ["nEmbd"],
  dtype: ["precision"],
  evaliters: ["evalBatches"],
  evalinterval: ["evalEvery"],
  evalsteps: ["evalEvery"],
  file: ["dataset", "config"],
  fp16: ["precision"],
  gradientaccumulationsteps: ["gradAccumSteps"],
  gradientcheckpointing: ["recompute"],
  hiddensize: ["nEmbd"],
  initfrom: ["from"],
  input: ["dataset", "prompt"],
  inputfile: ["dataset"],
  intermediatesize: ["ffnDim"],
  iterations: ["steps"],
  iters: ["steps"],
  learningrate: ["lr"],
  length: ["maxNewTokens", "seqLen"],
  loggingsteps: ["logEvery"],
  loginterval: ["logEvery"],
  loraalpha: ["lora.alpha"],
  loradropout: ["lora.dropout"],
  lorar: ["loraRank", "lora.rank"],
  lorarank: ["lora.rank"],
  loratargets: ["lora.targets"],
  lrdecayiters: ["steps"],
  lrscheduler: ["schedule"],
  lrschedulertype: ["schedule"],
  maxepochs: ["epochs"],
  maxgradnorm: ["gradClip"],
  maxiters: ["steps"],
  maxlength: ["maxNewTokens", "seqLen"],
  maxseqlength: ["seqLen"],
  maxsteps: ["steps"],
  mixedprecision: ["precision"],
  model: ["profile", "from", "arch"],
  modelnameorpath: ["from"],
  name: ["runId"],
  ngpulayers: ["device"],
  npredict: ["maxNewTokens"],
  numattentionheads: ["nHead"],
  numhiddenlayers: ["nLayer"],
  numiterations: ["steps"],
  numkeyvalueheads: ["nKvHead"],
  numtrainepochs: ["epochs"],
  numworkers: ["prefetchBatches"],
  outdir: ["root", "output"],
  outputdir: ["root", "output"],
  path: ["dataset"],
  perdevicetrainbatchsize: ["batchSize"],
  r: ["lora.rank"],
  resumefrom: ["from"],
  saveevery: ["checkpointEvery", "checkpoint.every"],
  saveinterval: ["checkpointEvery", "checkpoint.every"],
  savesteps: ["checkpointEvery", "checkpoint.every"],
  savetotallimit: ["checkpointKeep", "checkpoint.keep"],
  sequencelength: ["seqLen"],
  start: ["prompt"],
  targetmodules: ["loraTargets", "lora.targets"],
  temp: ["temperature"],
  text: ["dataset", "prompt"],
  textfile: ["dataset"],
  trainfile: ["dataset"],
  validationfile: ["valDataset"],
  warmupiters: ["warmupSteps"],
  warmupratio: ["warmupSteps"],
  workers: ["threads"],
};

/** What they call values that have another name here, in lower case. */
const OTHER_VALUES: Readonly<Record<string, string>> = {
  bfloat16: "bf16",
  f16: "fp16",
  f32: "fp32",
  false: "none", // of recompute, which is a switch elsewhere
  float: "fp32",
  float16: "fp16",
  float32: "fp32",
  half: "fp16",
  true: "full",
};

/** Our word for what another program calls `theirs`, if it is one of these. */
export function ourValue(
  theirs: string,
  allowed: readonly string[],
): string | null {
  const word = theirs.toLowerCase();
  const ours = Object.hasOwn(OTHER_VALUES, word) ? OTHER_VALUES[word] : null;
  return ours !== null && allowed.includes(ours) ? ours : null;
}

/** Our words for what another program calls `theirs`, likeliest first. */
export function ourWords(theirs: string): readonly string[] {
  return Object.hasOwn(OTHER_WORDS, theirs) ? OTHER_WORDS[theirs] : [];
}
