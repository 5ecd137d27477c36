"""Ensembles of training runs: hundreds of them as one computation (specialization paper).

- `ensemble`: `train`, from its arguments to its result
- `optimizers`: `SGD` and `Adam`, their steps and states
- `gradients`: those of a block of runs, by hand or by `torch.func`
- `divergence`: where a diverging run is handled
- `laws`: laws of inputs, and the streams of random numbers
- `measures`: what to measure on the way
- `checkpoint`: `Checkpoint`, what is kept in its folder
- underneath: `arguments` (checked), `block` (its state, and training it), `data` (its samples), `watch` (measuring it)
"""

from .block import Blocks
from .checkpoint import Checkpoint
from .ensemble import train
from .laws import Gaussian, InputLaw, Sphere, Uniform, epoch_inputs, epoch_order
from .measures import Evaluation, Measures
from .optimizers import SGD, Adam, Optimizer

__all__ = [
    "SGD",
    "Adam",
    "Blocks",
    "Checkpoint",
    "Evaluation",
    "Gaussian",
    "InputLaw",
    "Measures",
    "Optimizer",
    "Sphere",
    "Uniform",
    "epoch_inputs",
    "epoch_order",
    "train",
]
