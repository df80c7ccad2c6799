"""The other side of the training benchmarks: the same network, loss and optimiser as one would write them in PyTorch."""

import json
import sys
import time
from collections import defaultdict

import torch
import torch.nn.functional as F

from fill import fill_into, squares
from nets import NETWORKS


class Trainer:
    def __init__(self, setup):
        torch.set_num_threads(setup["threads"])
        size, classes, batch = setup["size"], setup["classes"], setup["batch"]
        self.setup = setup
        self.model = NETWORKS[setup["network"]](classes, setup["dropout"])
        groups = defaultdict(list)
        for name, p in setup["parameters"].items():
            parameter = self.model.get_parameter(name)
            weight = parameter.data
            if weight.dim() > 1:
                fill_into(weight.view(-1).numpy(), (6 / weight[0].numel()) ** 0.5, p["seed"])
            else:
                weight.fill_(1.0 if name.endswith(".weight") else 0.0)
            groups[p["rate"], p["decay"]].append(parameter)
        unnamed = {n for n, p in self.model.named_parameters() if p.requires_grad} - setup["parameters"].keys()
        assert not unnamed, unnamed
        image = torch.empty(batch, 3, size, size)
        fill_into(image.view(-1).numpy(), 1.7, 1000)
        self.image = image
        labels = [squares(size, classes, 1001 + i)[:: setup["step"], :: setup["step"]] for i in range(batch)]
        self.labels = torch.stack([torch.from_numpy(part.astype("int64")) for part in labels])
        self.optimizer = torch.optim.SGD(
            [
                {"params": params, "lr": setup["rate"] * rate, "weight_decay": setup["weightDecay"] * decay}
                for (rate, decay), params in groups.items()
            ],
            lr=setup["rate"],
            momentum=setup["momentum"],
        )

    def step(self):
        began, before = time.perf_counter(), time.process_time()
        self.optimizer.zero_grad()
        losses = [F.cross_entropy(scores, self.labels, ignore_index=255) for scores in self.model(self.image)]
        loss = losses[0] + sum(self.setup["auxiliary"] * other for other in losses[1:])
        loss.backward()
        self.optimizer.step()
        value = loss.item()
        seconds, processor = time.perf_counter() - began, time.process_time() - before
        return {"loss": value, "seconds": seconds, "processor": processor}


def peak_memory():
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def main():
    trainer = None
    for line in sys.stdin:
        message = json.loads(line)
        if message["kind"] == "start":
            trainer = Trainer(message)
            reply = {}
        elif message["kind"] == "step":
            reply = trainer.step()
        else:
            reply = {"bytes": peak_memory(), "version": f"torch {torch.__version__}"}
        print(json.dumps(reply), flush=True)


main()
