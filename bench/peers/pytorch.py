"""The PyTorch side of pytorch.ts: the same model on the same shapes.

Reads one JSON object from argv[1], prints one JSON object:

- bench "train": steps of a GPT-2-like model with random tokens, eager or by
  torch.compile, fp32 or bf16 autocast, fused AdamW, scaled-dot-product
  attention, gradient clipping;
- bench "gemm": one matrix product;
- bench "generate": single tokens with the key-value cache of transformers.

"device" is "cpu" or "cuda"; there, "tf32" lets tensor cores round the factors
of fp32 products to 10 bits, which is off otherwise, as it is in PyTorch. A
step ends when the loss is on the host, a product when the device has done it;
products are queued many at a time.

The warm-up and the quartiles are those of src/cli/bench/timing.ts.
"""

import json
import math
import resource
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

LR = 1e-4
WARM_UP, WARM_UP_SHARE, MIN_RUNS = 3, 0.25, 5
# Milliseconds of products between two waits for a GPU.
QUEUED_MS = 20


class Block(nn.Module):
    def __init__(self, shape):
        super().__init__()
        C, bias = shape["nEmbd"], shape["bias"]
        self.heads = shape["nHead"]
        self.norm1 = nn.LayerNorm(C, bias=bias)
        self.qkv = nn.Linear(C, 3 * C, bias=bias)
        self.att_proj = nn.Linear(C, C, bias=bias)
        self.norm2 = nn.LayerNorm(C, bias=bias)
        self.fc = nn.Linear(C, shape["ffnDim"], bias=bias)
        self.fc_proj = nn.Linear(shape["ffnDim"], C, bias=bias)
        self.gelu = nn.GELU("tanh" if shape["gelu"] == "tanh" else "none")
        self.p = shape["dropout"]
        self.dropout = nn.Dropout(self.p)

    def forward(self, x):
        B, T, C = x.shape
        qkv = self.qkv(self.norm1(x)).view(B, T, 3, self.heads, C // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        att = F.scaled_dot_product_attention(
            q, k, v, is_causal=True, dropout_p=self.p if self.training else 0.0
        )
        att = self.att_proj(att.transpose(1, 2).reshape(B, T, C))
        x = x + self.dropout(att)
        return x + self.dropout(self.fc_proj(self.gelu(self.fc(self.norm2(x)))))


class GPT(nn.Module):
    def __init__(self, shape):
        super().__init__()
        V, C = shape["vocabSize"], shape["nEmbd"]
        self.wte = nn.Embedding(V, C)
        self.wpe = nn.Embedding(shape["seqLen"], C)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape["nLayer"]))
        self.dropout = nn.Dropout(shape["dropout"])
        self.norm = nn.LayerNorm(C, bias=shape["bias"])
        self.head = nn.Linear(C, V, bias=False)
        self.head.weight = self.wte.weight
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Embedding)):
                nn.init.normal_(module.weight, std=0.02)

    def forward(self, ids, targets):
        x = self.wte(ids) + self.wpe(torch.arange(ids.size(1), device=ids.device))
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x)
        logits = self.head(self.norm(x))
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def measure(run, seconds):
    """Milliseconds of each run that counts."""

    def times_of(limit, at_least):
        times, total = [], 0.0
        while len(times) < at_least or total < limit:
            start = time.perf_counter()
            run()
            times.append(1000 * (time.perf_counter() - start))
            total += times[-1] / 1000
        return times

    times_of(seconds * WARM_UP_SHARE, WARM_UP)
    return times_of(seconds, MIN_RUNS)


def summarize(times):
    times = sorted(times)
    at = lambda part: times[math.floor(part * (len(times) - 1))]
    return {
        "medianMs": at(0.5),
        "lowMs": at(0.25),
        "highMs": at(0.75),
        "bestMs": times[0],
        "runs": len(times),
    }


def train(settings):
    shape, device = settings["shape"], settings["device"]
    model = GPT(shape).to(device)
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in model.parameters() if p.dim() >= 2]},
            {
                "params": [p for p in model.parameters() if p.dim() < 2],
                "weight_decay": 0.0,
            },
        ],
        lr=LR,
        betas=(0.9, 0.99),
        weight_decay=0.1,
        fused=True,
    )
    size = (shape["batchSize"], shape["seqLen"])
    ids, targets = (
        torch.randint(shape["vocabSize"], size).to(device) for _ in range(2)
    )
    forward = torch.compile(model) if settings["compile"] else model

    def step():
        with torch.autocast(device, torch.bfloat16, enabled=settings["bf16"]):
            loss = forward(ids, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.item()

    timing = summarize(measure(step, settings["seconds"]))
    rate = shape["batchSize"] * shape["seqLen"] / timing["medianMs"] * 1000
    return {"tokensPerSec": rate, "step": timing}


def gemm(settings):
    M, N, K = settings["M"], settings["N"], settings["K"]
    dtype = torch.bfloat16 if settings["bf16"] else torch.float32
    # Random, as constant numbers take less power and give higher clocks.
    a, b = (torch.rand(size).mul(2).sub(1) for size in ((M, K), (K, N)))
    a, b = (factor.to(settings["device"], dtype) for factor in (a, b))
    out = torch.empty(M, N, dtype=dtype, device=settings["device"])
    run = lambda: torch.mm(a, b, out=out)
    measure_products = measure_queued if a.is_cuda else measure
    timing = summarize(measure_products(run, settings["seconds"]))
    return {"gflops": 2 * M * N * K / timing["medianMs"] / 1e6, "time": timing}


def measure_queued(run, seconds):
    """The same on a GPU, of so many runs that waiting for them is little."""
    count = 1

    def all_runs():
        for _ in range(count):
            run()
        torch.cuda.synchronize()

    while min(measure(all_runs, 0)) < QUEUED_MS:
        count *= 2
    return [ms / count for ms in measure(all_runs, seconds)]


@torch.inference_mode()
def generate(settings):
    from transformers import GPT2Config, GPT2LMHeadModel

    shape, device = settings["shape"], settings["device"]
    config = GPT2Config(
        vocab_size=shape["vocabSize"],
        n_positions=shape["seqLen"],
        n_embd=shape["nEmbd"],
        n_layer=shape["nLayer"],
        n_head=shape["nHead"],
    )
    model = GPT2LMHeadModel(config).eval().to(device)
    prompt = torch.randint(shape["vocabSize"], (1, settings["promptTokens"]))
    prompt = prompt.to(device)

    def draw(count):
        out = model(prompt, use_cache=True)
        times = []
        for _ in range(count):
            start = time.perf_counter()
            probs = torch.softmax(out.logits[:, -1].topk(200).values / 0.8, -1)
            token = torch.multinomial(probs, 1)
            out = model(token, past_key_values=out.past_key_values, use_cache=True)
            token.item()  # a person sees every token
            times.append(1000 * (time.perf_counter() - start))
        return times

    draw(8)
    timing = summarize(draw(settings["newTokens"]))
    return {"tokensPerSec": 1000 / timing["medianMs"], "token": timing}


settings = {"device": "cpu", "tf32": False, **json.loads(sys.argv[1])}
torch.manual_seed(0)
torch.set_num_threads(settings["threads"])
on_gpu = settings["device"] == "cuda"
if on_gpu:
    torch.cuda.init()
    torch.backends.cuda.matmul.allow_tf32 = settings["tf32"]
    torch.backends.cudnn.allow_tf32 = settings["tf32"]
figures = {"train": train, "gemm": gemm, "generate": generate}[settings["bench"]](
    settings
)
print(
    json.dumps(
        {
            **figures,
            "threads": settings["threads"],
            "torch": torch.__version__,
            "device": torch.cuda.get_device_name() if on_gpu else "cpu",
            "peakDeviceBytes": torch.cuda.max_memory_allocated() if on_gpu else None,
            "peakRssBytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        }
    )
)
