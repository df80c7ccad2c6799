"""The other side of train-camvid: the same recipe as one would write it in PyTorch, from loader to score."""

import json
import os
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

VOID = 255


class Fire(nn.Module):
    def __init__(self, channels, squeeze, expand):
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x):
        x = F.relu(self.squeeze(x))
        return torch.cat([F.relu(self.expand1x1(x)), F.relu(self.expand3x3(x))], 1)


class Enlarge(nn.Module):
    """Fixed bilinear deconvolution whose cell i lies on row i * factor."""

    def __init__(self, channels, factor):
        super().__init__()
        self.factor, self.channels = factor, channels
        line = 1 - (torch.arange(2 * factor - 1) - (factor - 1)).abs() / factor
        kernel = (line[:, None] * line[None, :]).expand(channels, 1, -1, -1)
        self.register_buffer("kernel", kernel.contiguous())

    def forward(self, x, like):
        x = F.conv_transpose2d(x, self.kernel, stride=self.factor, groups=self.channels)
        begin = self.factor - 1
        return x[:, :, begin : begin + like.shape[2], begin : begin + like.shape[3]]


class Fcn8sSqueezenet(nn.Module):
    def __init__(self, classes):
        super().__init__()
        fires = {3: (96, 16, 64), 4: (128, 16, 64), 5: (128, 32, 128), 7: (256, 32, 128), 8: (256, 48, 192)}
        fires |= {9: (384, 48, 192), 10: (384, 64, 256), 12: (512, 64, 256)}
        layers = {"0": nn.Conv2d(3, 96, 7, 2, 3)}
        layers |= {str(i): Fire(*widths) for i, widths in fires.items()}
        self.features = nn.ModuleDict(layers)
        self.fc6, self.fc7 = nn.Conv2d(512, 256, 3, padding=1), nn.Conv2d(256, 256, 1)
        self.score_fr = nn.Conv2d(256, classes, 1)
        self.score_fire9 = nn.Conv2d(512, classes, 1)
        self.score_fire8 = nn.Conv2d(512, classes, 1)
        self.up2, self.up2b, self.up8 = Enlarge(classes, 2), Enlarge(classes, 2), Enlarge(classes, 8)
        for layer in (self.fc6, self.fc7):
            fan = layer.weight[0].numel()
            nn.init.normal_(layer.weight, std=(2 / fan) ** 0.5)
            nn.init.zeros_(layer.bias)
        for layer in (self.score_fr, self.score_fire9, self.score_fire8):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, image):
        f = self.features
        pool = lambda x: F.max_pool2d(x, 3, 2, 1)
        x = pool(F.relu(f["0"](image)))
        x = pool(f["5"](f["4"](f["3"](x))))
        fire8 = f["10"](f["9"](f["8"](f["7"](x))))
        fire9 = f["12"](pool(fire8))
        x = F.dropout(F.relu(self.fc6(pool(fire9) * 0.025)), 0.5, self.training)
        x = F.dropout(F.relu(self.fc7(x)), 0.5, self.training)
        x = self.score_fr(x)
        skip = self.score_fire9(fire9 * 0.025)
        x = self.up2(x, skip) + skip
        skip = self.score_fire8(fire8 * 0.02)
        x = self.up2b(x, skip) + skip
        return self.up8(x, image)


class Camvid(Dataset):
    def __init__(self, folder, split, recipe=None):
        self.folder, self.recipe = os.path.join(folder, split), recipe
        self.ids = sorted(n[:-4] for n in os.listdir(os.path.join(self.folder, "images")) if n.endswith(".jpg"))

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, index):
        name = self.ids[index]
        image = Image.open(os.path.join(self.folder, "images", f"{name}.jpg")).convert("RGB")
        mask = Image.open(os.path.join(self.folder, "labels", f"{name}.png"))
        if self.recipe is None:
            return self.tensors(image, mask)
        low, high = self.recipe["scale"]
        factor = low + (high - low) * torch.rand(1).item()
        size = [max(1, round(n * factor)) for n in image.size]
        image, mask = image.resize(size, Image.BILINEAR), mask.resize(size, Image.NEAREST)
        if torch.rand(1).item() < self.recipe["flip"]:
            image, mask = image.transpose(Image.FLIP_LEFT_RIGHT), mask.transpose(Image.FLIP_LEFT_RIGHT)
        height, width = self.recipe["crop"]
        left = int(torch.randint(0, max(0, size[0] - width) + 1, ()))
        top = int(torch.randint(0, max(0, size[1] - height) + 1, ()))
        box = (left, top, min(left + width, size[0]), min(top + height, size[1]))
        image, mask = self.tensors(image.crop(box), mask.crop(box))
        x, y = torch.zeros(3, height, width), torch.full((height, width), VOID, dtype=torch.int64)
        x[:, : image.shape[1], : image.shape[2]] = image
        y[: mask.shape[0], : mask.shape[1]] = mask
        return x, y

    @staticmethod
    def tensors(image, mask):
        bgr = np.asarray(image, "float32")[:, :, ::-1] - np.array([104, 117, 123], "float32")
        labels = np.asarray(mask).astype("int64")
        labels[labels == 11] = VOID
        return torch.from_numpy(bgr.transpose(2, 0, 1).copy()), torch.from_numpy(labels)


def endless(loader):
    while True:
        yield from loader


def rate_at(recipe, update):
    total, warmup = recipe["updates"], recipe["warmup"]
    slow = (update + 1) / (warmup + 1) if update < warmup else 1
    return recipe["rate"] * slow * (1 - update / total) ** recipe["schedule"]["power"]


def train(setup):
    recipe = setup["recipe"]
    net = Fcn8sSqueezenet(11)
    weights = torch.load(setup["init"], weights_only=True)
    net.load_state_dict({k: v for k, v in weights.items() if k.startswith("features.")}, strict=False)
    groups, adam = [], recipe["optimizer"]
    for name, parameter in net.named_parameters():
        factor = setup["multipliers"][name]
        if factor["rate"] == 0:
            parameter.requires_grad_(False)
            continue
        groups.append({"params": [parameter], "factor": factor["rate"], "weight_decay": adam["weightDecay"] * factor["decay"]})
    optimizer = torch.optim.Adam(groups, lr=recipe["rate"], betas=adam["betas"], eps=adam["epsilon"])
    data = Camvid(setup["folder"], "train", recipe)
    batches = endless(DataLoader(data, recipe["batch"], shuffle=True, num_workers=2, drop_last=True))
    net.train()
    began = time.perf_counter()
    for update in range(recipe["updates"]):
        image, labels = next(batches)
        loss = F.cross_entropy(net(image), labels, ignore_index=VOID)
        optimizer.zero_grad()
        loss.backward()
        for group in optimizer.param_groups:
            group["lr"] = rate_at(recipe, update) * group["factor"]
        optimizer.step()
        if (update + 1) % 50 == 0:
            print(f"peer: {update + 1}/{recipe['updates']} loss {loss.item():.4f}", file=sys.stderr, flush=True)
    return net.eval(), time.perf_counter() - began


@torch.no_grad()
def score(net, folder):
    matrix = np.zeros((11, 11), "int64")
    for image, labels in Camvid(folder, "val"):
        predicted = net(image[None])[0].argmax(0)
        known = labels != VOID
        matrix += np.bincount((labels[known] * 11 + predicted[known]).numpy(), minlength=121).reshape(11, 11)
    union = matrix.sum(0) + matrix.sum(1) - matrix.diagonal()
    present = matrix.sum(1) > 0
    iu = matrix.diagonal()[present] / union[present]
    return float(iu.mean()), float(matrix.trace() / matrix.sum())


def main():
    for line in sys.stdin:
        setup = json.loads(line)
        torch.manual_seed(setup["recipe"]["seed"])
        torch.set_num_threads(setup["threads"])
        net, seconds = train(setup)
        mean_iu, accuracy = score(net, setup["folder"])
        print(json.dumps({"meanIU": mean_iu, "pixelAccuracy": accuracy, "seconds": seconds}), flush=True)


if __name__ == "__main__":
    main()
