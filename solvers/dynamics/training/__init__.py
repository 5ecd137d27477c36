"""SGD ensembles: hundreds of training runs as one computation (specialization paper).

`train`: everything; `inputs`: laws of inputs and the streams of random numbers; `measures`: what to measure on the
way. Underneath: `gradients` (one step of a block of runs), `data` (its samples), `checkpoint`, `ensemble`.
"""

from .ensemble import train
from .inputs import Gaussian, InputLaw, Sphere, Uniform, epoch_inputs, epoch_order
from .measures import Evaluation

__all__ = ["Evaluation", "Gaussian", "InputLaw", "Sphere", "Uniform", "epoch_inputs", "epoch_order", "train"]
