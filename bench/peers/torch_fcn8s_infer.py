"""The other side of infer-fcn8s-int8: the network as one would write it in PyTorch, in evaluation mode."""

from infer import serve
from nets.fcn8s import FCN8s

serve(lambda: FCN8s(21, False))
