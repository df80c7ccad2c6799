"""The other side of infer-fcn-resnet50: the network as torchvision has it, written out, in evaluation mode."""

import json
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

from fill import fill_into


class Bottleneck(nn.Module):
    def __init__(self, inputs, width, stride, dilation, downsample):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if downsample:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, 4 * width, 1, stride, bias=False), nn.BatchNorm2d(4 * width)
            )

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        y += x if self.downsample is None else self.downsample(x)
        return self.relu(y)


class Backbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        inputs, before = 64, 1
        for layer, (count, stride, dilation) in enumerate([(3, 1, 1), (4, 2, 1), (6, 1, 2), (3, 1, 4)], 1):
            width, blocks = 32 * 2**layer, []
            for i in range(count):
                hole = before if i == 0 else dilation
                blocks.append(Bottleneck(inputs, width, stride if i == 0 else 1, hole, i == 0))
                inputs = 4 * width
            before = dilation
            self.add_module(f"layer{layer}", nn.Sequential(*blocks))

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x)), inplace=True), 3, 2, 1)
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))


class FCNResNet50(nn.Module):
    def __init__(self, classes=21):
        super().__init__()
        self.backbone = Backbone()
        self.classifier = nn.Sequential(
            nn.Conv2d(2048, 512, 3, padding=1, bias=False),
            nn.BatchNorm2d(512),
            nn.ReLU(inplace=True),
            nn.Dropout(0.1),
            nn.Conv2d(512, classes, 1),
        )

    def forward(self, x):
        scores = self.classifier(self.backbone(x))
        return F.interpolate(scores, x.shape[-2:], mode="bilinear", align_corners=False)


def build(setup):
    torch.set_num_threads(setup["threads"])
    model = FCNResNet50().eval()
    tensors = model.state_dict()
    names = {name for name in tensors if not name.endswith("num_batches_tracked")}
    assert names == {rule["name"] for rule in setup["rules"]}
    for rule in setup["rules"]:
        fill_into(tensors[rule["name"]].view(-1).numpy(), rule["bound"], rule["seed"])
        if rule["base"]:
            tensors[rule["name"]] += rule["base"]
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
        labels = model(image).argmax(1).to(torch.uint8)
        seconds = time.perf_counter() - began
        reply = {"seconds": seconds, "labels": labels.view(-1).tolist(), "version": f"torch {torch.__version__}"}
        print(json.dumps(reply), flush=True)


main()
