"""FCN on SqueezeNet 1.0 at stride 8 with a context stage: see src/nets/fcn-squeezenet.ts."""

import torch
import torch.nn.functional as F
from torch import nn

FIRES = {3: (96, 16, 64), 4: (128, 16, 64), 5: (128, 32, 128), 7: (256, 32, 128), 8: (256, 48, 192)}
FIRES |= {9: (384, 48, 192), 10: (384, 64, 256), 12: (512, 64, 256)}


class Fire(nn.Module):
    def __init__(self, inputs, squeeze, expand, dilation):
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=dilation, dilation=dilation)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        s = self.relu(self.squeeze(x))
        return torch.cat([self.relu(self.expand1x1(s)), self.relu(self.expand3x3(s))], 1)


class Context(nn.Module):
    def __init__(self):
        super().__init__()
        self.squeeze = nn.Conv2d(512, 96, 1)
        self.expand1x1 = nn.Conv2d(96, 64, 1)
        for rate in (1, 2, 4):
            self.add_module(f"expand3x3_{rate}", nn.Conv2d(96, 64, 3, padding=2 * rate, dilation=2 * rate))
        setattr(self, "global", nn.Conv2d(96, 64, 1))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        s = self.relu(self.squeeze(x))
        far = [getattr(self, f"expand3x3_{rate}") for rate in (1, 2, 4)]
        parts = [self.relu(layer(s)) for layer in (self.expand1x1, *far)]
        mean = self.relu(getattr(self, "global")(F.adaptive_avg_pool2d(s, 1)))
        return torch.cat([*parts, mean.expand(-1, -1, *s.shape[2:])], 1)


def enlarge(low, factor, size):
    """Cell i lies on row i * factor; the last cell is repeated for the pixels beyond it."""
    low = F.pad(low, (0, 1, 0, 1), mode="replicate")
    height, width = low.shape[2:]
    wide = F.interpolate(low, (factor * (height - 1) + 1, factor * (width - 1) + 1), mode="bilinear", align_corners=True)
    return wide[:, :, : size[0], : size[1]]


class FCNSqueezeNet(nn.Module):
    def __init__(self, classes, dropout):
        super().__init__()
        features = {0: nn.Conv2d(3, 96, 7, 2, 3)}
        for index, (inputs, squeeze, expand) in FIRES.items():
            features[index] = Fire(inputs, squeeze, expand, 2 if index == 12 else 1)
        self.features = nn.ModuleDict({str(index): layer for index, layer in features.items()})
        self.context = Context()
        self.score_fr = nn.Conv2d(320, classes, 1)
        self.score_fire8 = nn.Conv2d(512, classes, 1)
        self.score_fire4 = nn.Conv2d(256, classes, 1)
        self.drop = nn.Dropout(0.5 if dropout else 0.0)

    def forward(self, image):
        def run(x, *indices):
            for index in indices:
                x = self.features[str(index)](x)
            return x

        x = F.max_pool2d(F.relu(run(image, 0), inplace=True), 3, 2, 1)
        fire4 = run(x, 3, 4, 5)
        fire8 = run(F.max_pool2d(fire4, 3, 2, 1), 7, 8, 9, 10)
        fire9 = run(F.max_pool2d(fire8, 3, 1, 1), 12)
        low = self.score_fr(self.context(self.drop(fire9 * 0.025)))
        low = low + self.score_fire8(fire8 * 0.02)
        skip = self.score_fire4(fire4 * 0.004)
        low = enlarge(low, 2, skip.shape[2:]) + skip
        return [enlarge(low, 4, image.shape[2:])]
