"""Numerical solvers on top of `alignmath`: `interpolation` (minimum norm and weight decay to the global optimum; when
a teacher is recovered), `dynamics` (gradient descent and flow on the population loss, SGD ensembles, wide networks next
to their linearisation), `regression` (Gaussian processes, ensembles of wide networks), `landscape` (critical points),
`sweeps` (long work in chunks, in several processes), `images`, `files` (save and load), `modules` (to and from
torch.nn).

Answers are frozen dataclasses (`runs`) that carry their evidence. All is there after `import solvers`, which loads
nothing before it is asked for; torch, cvxpy and HiGHS are imported when a solver runs.
"""

from typing import TYPE_CHECKING

__version__ = "0.1.0"
__project__ = "alignmath"

if TYPE_CHECKING:
    from . import dynamics as dynamics
    from . import files as files
    from . import images as images
    from . import interpolation as interpolation
    from . import landscape as landscape
    from . import modules as modules
    from . import regression as regression
    from . import runs as runs
    from . import sweeps as sweeps
    from .dynamics.descent import descend as descend
    from .dynamics.gradient_flow import flow as flow
    from .dynamics.training import SGD as SGD
    from .dynamics.training import Adam as Adam
    from .dynamics.training import Gaussian as Gaussian
    from .dynamics.training import Measures as Measures
    from .dynamics.training import Sphere as Sphere
    from .dynamics.training import Uniform as Uniform
    from .dynamics.training import train as train
    from .dynamics.wide_networks import follow as follow
    from .dynamics.wide_networks import linearised as linearised
    from .dynamics.wide_networks import random_network as random_network
    from .files import load as load
    from .files import save as save
    from .interpolation import is_recoverable as is_recoverable
    from .interpolation import min_norm as min_norm
    from .interpolation import min_norm_1d as min_norm_1d
    from .interpolation import penalized as penalized
    from .interpolation import penalty_path as penalty_path
    from .landscape import critical_points as critical_points
    from .regression import log_marginal_likelihood as log_marginal_likelihood
    from .regression import posterior as posterior
    from .regression import trained_ensemble as trained_ensemble
    from .sweeps import sweep as sweep
else:
    from alignmath.door import open_door

    __getattr__, __dir__, __all__ = open_door(
        __name__,
        {
            "dynamics.descent": ["descend"],
            "dynamics.gradient_flow": ["flow"],
            "dynamics.training": ["SGD", "Adam", "Gaussian", "Measures", "Sphere", "Uniform", "train"],
            "dynamics.wide_networks": ["follow", "linearised", "random_network"],
            "files": ["load", "save"],
            "interpolation": ["is_recoverable", "min_norm", "min_norm_1d", "penalized", "penalty_path"],
            "landscape": ["critical_points"],
            "regression": ["log_marginal_likelihood", "posterior", "trained_ensemble"],
            "sweeps": ["sweep"],
        },
        ["dynamics", "files", "images", "interpolation", "landscape", "modules", "regression", "runs", "sweeps"],
    )
    del open_door
