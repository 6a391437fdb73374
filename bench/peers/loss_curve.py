"""The PyTorch side of loss_curve.ts: the same weights, the same batches.

Reads DIR/settings.json, DIR/batches.bin (u32: step, input or target, B, T) and
a checkpoint that Hearth wrote; trains it as nanoGPT would, in f32 and again in
f64; prints one JSON object with the losses of both. Needs torch, transformers
and safetensors.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
import torch
import transformers
from transformers import AutoModelForCausalLM

directory = Path(sys.argv[1])
settings = json.loads((directory / "settings.json").read_text())
steps, B, T = settings["steps"], settings["batchSize"], settings["seqLen"]
torch.set_num_threads(settings["threads"])
batches = np.fromfile(directory / "batches.bin", dtype="<u4").reshape(-1, 2, B, T)


def learning_rate(step):
    """nanoGPT's get_lr."""
    warmup, lr, low = settings["warmupSteps"], settings["lr"], settings["minLr"]
    if step < warmup:
        return lr * (step + 1) / (warmup + 1)
    ratio = (step - warmup) / (steps - warmup)
    return low + 0.5 * (1 + math.cos(math.pi * ratio)) * (lr - low)


def loss_of(model, batch):
    ids = torch.from_numpy(batch.astype(np.int64))
    logits = model(input_ids=ids[0]).logits
    return torch.nn.functional.cross_entropy(
        logits.view(-1, logits.size(-1)), ids[1].view(-1)
    )


def losses_in(dtype):
    """The loss of each step, and the mean over the validation batches."""
    model = AutoModelForCausalLM.from_pretrained(
        settings["checkpoint"], attn_implementation="eager", dtype=dtype
    )
    model.train()  # dropout is 0 in the settings of this comparison
    parameters = list(model.parameters())
    optimizer = torch.optim.AdamW(
        [
            {
                "params": [p for p in parameters if p.dim() >= 2],
                "weight_decay": settings["weightDecay"],
            },
            {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
        ],
        lr=settings["lr"],
        betas=(settings["beta1"], settings["beta2"]),
        eps=settings["eps"],
    )
    losses = []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step)
        loss = loss_of(model, batches[step])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, settings["gradClip"])
        optimizer.step()
        losses.append(loss.item())
    model.eval()
    with torch.no_grad():
        val = [loss_of(model, batch).item() for batch in batches[steps:]]
    return {"trainLoss": losses, "valLoss": sum(val) / len(val)}


print(
    json.dumps(
        {
            "versions": f"torch {torch.__version__}, transformers {transformers.__version__}",
            "f32": losses_in(torch.float32),
            "f64": losses_in(torch.float64),
        }
    )
)
