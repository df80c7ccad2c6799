"""DeepLab-LargeFOV on VGG16. Training ends at the score map of stride 8, as DeepLab's does."""

import torch.nn.functional as F
from torch import nn

from .vgg import VGGTrunk


class LargeFOV(VGGTrunk):
    def __init__(self, classes, dropout):
        super().__init__(dilation=2)
        self.fc6 = nn.Conv2d(512, 1024, 3, padding=12, dilation=12)
        self.fc7 = nn.Conv2d(1024, 1024, 1)
        self.fc8 = nn.Conv2d(1024, classes, 1)
        self.drop = nn.Dropout(0.5 if dropout else 0.0)

    @staticmethod
    def pool(block, x):
        if block < 3:
            return F.max_pool2d(x, 3, 2, 1, ceil_mode=True)
        return F.max_pool2d(x, 3, 1, 1)

    def forward(self, x):
        x = F.avg_pool2d(self.trunk(x, self.pool)[4], 3, 1, 1)
        x = self.drop(self.relu(self.fc6(x)))
        x = self.drop(self.relu(self.fc7(x)))
        return [self.fc8(x)]
