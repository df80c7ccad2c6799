"""FCN-8s on VGG16, with bilinear enlargements that do not learn."""

import torch
import torch.nn.functional as F
from torch import nn

from .vgg import VGGTrunk


class FCN8s(VGGTrunk):
    def __init__(self, classes, dropout):
        super().__init__()
        self.fc6 = nn.Conv2d(512, 4096, 7, padding=3)
        self.fc7 = nn.Conv2d(4096, 4096, 1)
        self.score_fr = nn.Conv2d(4096, classes, 1)
        self.score_pool4 = nn.Conv2d(512, classes, 1)
        self.score_pool3 = nn.Conv2d(256, classes, 1)
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
        pools = self.trunk(x, lambda _, x: F.max_pool2d(x, 2, 2, ceil_mode=True))
        x = self.drop(self.relu(self.fc6(pools[4])))
        x = self.drop(self.relu(self.fc7(x)))
        x = self.up2(self.score_fr(x)) + self.score_pool4(pools[3])
        x = self.up2b(x) + self.score_pool3(pools[2])
        return [self.up8(x)]
