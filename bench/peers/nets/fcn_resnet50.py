"""FCN on ResNet-50 at stride 8, with or without its auxiliary head, in torchvision's form."""

import torch.nn.functional as F
from torch import nn


class Bottleneck(nn.Module):
    def __init__(self, inputs, channels, stride, dilation, downsample):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, 4 * channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if downsample:
            convolution = nn.Conv2d(inputs, 4 * channels, 1, stride, bias=False)
            self.downsample = nn.Sequential(convolution, nn.BatchNorm2d(4 * channels))

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        y += shortcut
        return self.relu(y)


class Backbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        # Channels, blocks, stride, dilation of the first block and of the others.
        self.layer1 = self.layer(64, 64, 3, 1, 1, 1)
        self.layer2 = self.layer(256, 128, 4, 2, 1, 1)
        self.layer3 = self.layer(512, 256, 6, 1, 1, 2)
        self.layer4 = self.layer(1024, 512, 3, 1, 2, 4)

    @staticmethod
    def layer(inputs, channels, count, stride, first, dilation):
        blocks = [Bottleneck(inputs, channels, stride, first, True)]
        blocks += [Bottleneck(4 * channels, channels, 1, dilation, False) for _ in range(count - 1)]
        return nn.Sequential(*blocks)

    def forward(self, x):
        x = F.max_pool2d(self.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        x = self.layer3(self.layer2(self.layer1(x)))
        return x, self.layer4(x)


def head(channels, classes, dropout):
    inner = channels // 4
    return nn.Sequential(
        nn.Conv2d(channels, inner, 3, padding=1, bias=False),
        nn.BatchNorm2d(inner),
        nn.ReLU(inplace=True),
        nn.Dropout(0.1 if dropout else 0.0),
        nn.Conv2d(inner, classes, 1),
    )


class FCNResNet50(nn.Module):
    def __init__(self, classes, dropout, auxiliary=True):
        super().__init__()
        self.backbone = Backbone()
        self.classifier = head(2048, classes, dropout)
        self.aux_classifier = head(1024, classes, dropout) if auxiliary else None

    def forward(self, x):
        size = x.shape[-2:]
        layer3, layer4 = self.backbone(x)
        lows = [self.classifier(layer4)]
        if self.aux_classifier is not None:
            lows.append(self.aux_classifier(layer3))
        return [F.interpolate(low, size=size, mode="bilinear", align_corners=False) for low in lows]
