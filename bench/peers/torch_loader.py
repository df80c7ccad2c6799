"""The other side of loader: the same batches as one would make them with PyTorch's DataLoader and Pillow."""

import json
import os
import sys
import time

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

MEAN = np.array([0.485, 0.456, 0.406], "float32")
STD = np.array([0.229, 0.224, 0.225], "float32")


class Voc(Dataset):
    def __init__(self, setup):
        self.setup = setup
        with open(os.path.join(setup["folder"], "ImageSets/Segmentation/train.txt")) as lines:
            self.ids = [line.strip() for line in lines if line.strip()]

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, index):
        setup, name = self.setup, self.ids[index]
        image = Image.open(os.path.join(setup["folder"], "JPEGImages", f"{name}.jpg")).convert("RGB")
        mask = Image.open(os.path.join(setup["folder"], "SegmentationClass", f"{name}.png"))
        low, high = setup["scale"]
        factor = low + (high - low) * torch.rand(1).item()
        size = [max(1, round(n * factor)) for n in image.size]
        image, mask = image.resize(size, Image.BILINEAR), mask.resize(size, Image.NEAREST)
        if torch.rand(1).item() < setup["flip"]:
            image, mask = image.transpose(Image.FLIP_LEFT_RIGHT), mask.transpose(Image.FLIP_LEFT_RIGHT)
        crop = setup["crop"]
        left, top = [int(torch.randint(0, max(0, n - crop) + 1, ())) for n in size]
        box = (left, top, min(left + crop, size[0]), min(top + crop, size[1]))
        pixels = (np.asarray(image.crop(box), "float32") / 255 - MEAN) / STD
        marked = np.asarray(mask.crop(box))
        height, width = marked.shape
        x = np.zeros((3, crop, crop), "float32")
        x[:, :height, :width] = pixels.transpose(2, 0, 1)
        y = np.full((crop, crop), 255, "uint8")
        y[:height, :width] = marked
        return torch.from_numpy(x), torch.from_numpy(y)


def endless(loader):
    while True:
        yield from loader


def main():
    batches = None
    for line in sys.stdin:
        setup = json.loads(line)
        if batches is None:
            torch.manual_seed(setup["seed"])
            loader = DataLoader(Voc(setup), setup["batch"], shuffle=True, num_workers=setup["workers"], drop_last=True)
            batches = endless(loader)
        for _ in range(setup["ahead"]):
            next(batches)
        began = time.perf_counter()
        for _ in range(setup["batches"]):
            next(batches)
        print(json.dumps({"seconds": time.perf_counter() - began}), flush=True)


if __name__ == "__main__":
    main()
