"""The peers' networks, written as one would in PyTorch, with the parameter names of pixelwise."""

from .fcn8s import FCN8s
from .fcn_resnet50 import FCNResNet50
from .fcn_squeezenet import FCNSqueezeNet
from .largefov import LargeFOV

NETWORKS = {
    "fcn8s-vgg16-clean": FCN8s,
    "fcn-resnet50": FCNResNet50,
    "deeplab-largefov-vgg16": LargeFOV,
    "fcn-squeezenet-dilated": FCNSqueezeNet,
}
