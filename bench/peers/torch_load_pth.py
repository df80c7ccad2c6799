"""The other side of load-pth: makes the file that both read, and reads it with torch.load."""

import json
import math
import sys
import time
from collections import OrderedDict

import torch

from fill import fill_into


def peak_memory():
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def make(message):
    tensors = OrderedDict()
    for seed, parameter in enumerate(message["parameters"]):
        tensors[parameter["name"]] = torch.empty(parameter["shape"])
        fill_into(tensors[parameter["name"]].view(-1).numpy(), message["bound"], seed)
    torch.save(tensors, message["make"])
    return {}


def load(file):
    before = peak_memory()
    began = time.perf_counter()
    tensors = torch.load(file, weights_only=True)
    seconds = time.perf_counter() - began
    values = [t.view(-1) for t in tensors.values()]
    return {
        "seconds": seconds,
        "bytes": peak_memory() - before,
        "elements": sum(v.numel() for v in values),
        "sum": math.fsum(v[:: 100_003].double().sum().item() for v in values),
        "version": f"torch {torch.__version__}",
    }


for line in sys.stdin:
    message = json.loads(line)
    print(json.dumps(make(message) if "make" in message else load(message["file"])), flush=True)
