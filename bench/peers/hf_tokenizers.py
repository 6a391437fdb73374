"""Trains and runs a byte-level BPE tokenizer with Hugging Face's library.

The other half of bench/peers/hf_tokenizers.ts and of
tests/tokenizer/python_tokenizers_test.ts, which start it with one JSON object
as its argument and read one from its output. RAYON_NUM_THREADS sets threads.
"""

import json
import resource
import sys
import time

import tokenizers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

END = "<|endoftext|>"


def lines_of(path):
    # Lines end with "\n" alone, and keep it.
    with open(path, encoding="utf-8", newline="\n") as file:
        yield from file


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        return file.read()


def train(job):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=job["vocabSize"], min_frequency=job["minFrequency"],
        special_tokens=[END], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    start = time.perf_counter()
    tokenizer.train_from_iterator(lines_of(job["text"]), trainer)
    ms = 1000 * (time.perf_counter() - start)
    tokenizer.save(job["out"])
    return [ms]


def write_ids(path, ids):
    import array
    with open(path, "wb") as file:
        array.array("I", ids).tofile(file)


def encode(job):
    tokenizer = Tokenizer.from_file(job["tokenizer"])
    text = read(job["text"])
    lines = list(lines_of(job["text"])) if job["lines"] else None
    ms = []
    for _ in range(job["times"]):
        start = time.perf_counter()
        if lines is None:
            ids = tokenizer.encode(text).ids
        else:
            ids = [i for one in tokenizer.encode_batch(lines) for i in one.ids]
        ms.append(1000 * (time.perf_counter() - start))
    write_ids(job["out"], ids)
    return ms


def strings(job):
    tokenizer = Tokenizer.from_file(job["tokenizer"])
    ids = []
    for one in json.loads(read(job["strings"])):
        ids += tokenizer.encode(one).ids + [2 ** 32 - 1]
    write_ids(job["out"], ids)
    return []


job = json.loads(sys.argv[1])
ms = {"train": train, "encode": encode, "strings": strings}[job["do"]](job)
peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"ms": ms, "peakBytes": peak, "version": tokenizers.__version__}))
