"""The other side of train-fcn8s: the same network and optimiser as one would write them in PyTorch."""

import json
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

from fill import fill_into, squares

BLOCKS = [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)]


class FCN8s(nn.Module):
    def __init__(self, classes, dropout):
        super().__init__()
        channels, self.blocks = 3, []
        for block, (width, count) in enumerate(BLOCKS, 1):
            names = [f"conv{block}_{i}" for i in range(1, count + 1)]
            for name in names:
                self.add_module(name, nn.Conv2d(channels, width, 3, padding=1))
                channels = width
            self.blocks.append(names)
        self.fc6 = nn.Conv2d(512, 4096, 7, padding=3)
        self.fc7 = nn.Conv2d(4096, 4096, 1)
        self.score_fr = nn.Conv2d(4096, classes, 1)
        self.score_pool4 = nn.Conv2d(512, classes, 1)
        self.score_pool3 = nn.Conv2d(256, classes, 1)
        self.relu = nn.ReLU(inplace=True)
        self.drop = nn.Dropout(0.5 if dropout else 0.0)
        self.up2 = self.bilinear(classes, 2)
        self.up2b = self.bilinear(classes, 2)
        self.up8 = self.bilinear(classes, 8)

    @staticmethod
    def bilinear(classes, factor):
        up = nn.ConvTranspose2d(classes, classes, 2 * factor, factor, factor // 2, groups=classes, bias=False)
        line = 1 - (torch.arange(2 * factor) - (factor - 0.5)).abs() / factor
        up.weight.data.copy_(line[:, None] * line[None, :])
        up.weight.requires_grad_(False)
        return up

    def forward(self, x):
        pools = []
        for names in self.blocks:
            for name in names:
                x = self.relu(getattr(self, name)(x))
            x = F.max_pool2d(x, 2, 2, ceil_mode=True)
            pools.append(x)
        x = self.drop(self.relu(self.fc6(x)))
        x = self.drop(self.relu(self.fc7(x)))
        x = self.up2(self.score_fr(x)) + self.score_pool4(pools[3])
        x = self.up2b(x) + self.score_pool3(pools[2])
        return self.up8(x)


class Trainer:
    def __init__(self, setup):
        torch.set_num_threads(setup["threads"])
        size, classes = setup["size"], setup["classes"]
        self.model = FCN8s(classes, setup["dropout"])
        for name, seed in setup["seeds"].items():
            weight = self.model.get_parameter(name).data
            fan = weight[0].numel()
            bound = 0.0 if name.endswith(".bias") else (6 / fan) ** 0.5
            fill_into(weight.view(-1).numpy(), bound, seed)
        image = torch.empty(1, 3, size, size)
        fill_into(image.view(-1).numpy(), 1.7, 1000)
        self.image = image
        self.labels = torch.from_numpy(squares(size, classes, 1001).astype("int64"))[None]
        weights = [p for n, p in self.model.named_parameters() if n.endswith(".weight") and p.requires_grad]
        biases = [p for n, p in self.model.named_parameters() if n.endswith(".bias")]
        groups = [{"params": weights}, {"params": biases, "lr": 2 * setup["rate"], "weight_decay": 0}]
        self.optimizer = torch.optim.SGD(
            groups, lr=setup["rate"], momentum=setup["momentum"], weight_decay=setup["weightDecay"]
        )

    def step(self):
        began = time.perf_counter()
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.model(self.image), self.labels, ignore_index=255)
        loss.backward()
        self.optimizer.step()
        value = loss.item()
        return {"loss": value, "seconds": time.perf_counter() - began}


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
