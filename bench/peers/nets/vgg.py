"""The thirteen convolutions that FCN-8s and DeepLab share."""

from torch import nn

BLOCKS = [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)]


class VGGTrunk(nn.Module):
    """`pool(block, x)` ends each block; `dilation` is the last block's."""

    def __init__(self, dilation=1):
        super().__init__()
        channels, self.blocks = 3, []
        for block, (width, count) in enumerate(BLOCKS, 1):
            names = [f"conv{block}_{i}" for i in range(1, count + 1)]
            hole = dilation if block == 5 else 1
            for name in names:
                self.add_module(name, nn.Conv2d(channels, width, 3, padding=hole, dilation=hole))
                channels = width
            self.blocks.append(names)
        self.relu = nn.ReLU(inplace=True)

    def trunk(self, x, pool):
        pools = []
        for block, names in enumerate(self.blocks):
            for name in names:
                x = self.relu(getattr(self, name)(x))
            x = pool(block, x)
            pools.append(x)
        return pools
