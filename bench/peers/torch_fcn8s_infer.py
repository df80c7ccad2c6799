"""The other side of infer-fcn8s-int8: the network as one would write it in PyTorch, in evaluation mode."""

import json
import sys
import time

import torch

from fill import fill_into
from nets.fcn8s import FCN8s


def build(setup):
    torch.set_num_threads(setup["threads"])
    model = FCN8s(21, False).eval()
    learned = {name for name, p in model.named_parameters() if p.requires_grad}
    assert learned == {rule["name"] for rule in setup["rules"]}
    for rule in setup["rules"]:
        fill_into(model.get_parameter(rule["name"]).data.view(-1).numpy(), rule["bound"], rule["seed"])
    return model


@torch.inference_mode()
def main():
    model = image = None
    for line in sys.stdin:
        setup = json.loads(line)
        if model is None:
            model = build(setup)
            image = torch.empty(1, 3, setup["size"], setup["size"])
            fill_into(image.view(-1).numpy(), 2, 1000)
        began = time.perf_counter()
        labels = model(image)[0].argmax(1).to(torch.uint8)
        seconds = time.perf_counter() - began
        reply = {"seconds": seconds, "labels": labels.view(-1).tolist(), "version": f"torch {torch.__version__}"}
        print(json.dumps(reply), flush=True)


main()
