"""Labels of one picture by a network with filled weights, timed: what the other sides of the inference benchmarks share."""

import json
import sys
import time

import torch

from fill import fill_into


def fill_model(model, rules):
    """Every tensor of the model but its fixed ones gets its rule's numbers; a difference in names is an error."""
    fixed = {name for name, p in model.named_parameters() if not p.requires_grad}
    tensors = model.state_dict()
    names = {name for name in tensors if name not in fixed and not name.endswith("num_batches_tracked")}
    assert names == {rule["name"] for rule in rules}
    for rule in rules:
        fill_into(tensors[rule["name"]].view(-1).numpy(), rule["bound"], rule["seed"])
        if rule.get("base"):
            tensors[rule["name"]] += rule["base"]


@torch.inference_mode()
def serve(make):
    """`make()` gives a network whose first output is the scores at the picture's size."""
    model = image = None
    for line in sys.stdin:
        setup = json.loads(line)
        if model is None:
            torch.set_num_threads(setup["threads"])
            model = make().eval()
            fill_model(model, setup["rules"])
            image = torch.empty(1, 3, setup["size"], setup["size"])
            fill_into(image.view(-1).numpy(), 2, 1000)
        began = time.perf_counter()
        labels = model(image)[0].argmax(1).to(torch.uint8)
        seconds = time.perf_counter() - began
        reply = {"seconds": seconds, "labels": labels.view(-1).tolist(), "version": f"torch {torch.__version__}"}
        print(json.dumps(reply), flush=True)
