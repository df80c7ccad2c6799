"""The other side of infer-fcn-resnet50: the network as torchvision has it, written out, in evaluation mode."""

from infer import serve
from nets.fcn_resnet50 import FCNResNet50

serve(lambda: FCNResNet50(21, False, auxiliary=False))
