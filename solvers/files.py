"""Networks, solutions and runs in files: `.npz` or `.safetensors`, by the name's suffix. No pickles, so no file runs
code.

A file holds the arrays by the names of their fields (`weights/0`, `measured/rho_mean`), so that other programs can read
them, and a header, JSON text, that says how they go together: `{"format": "alignmath", "version": 1, "value": ...,
"checksum": ...}`, the checksum being that of the value and all arrays.
In `.npz` the header is an array of that name, in `.safetensors` an entry of the metadata. Dataclasses are written field
by field, under the names of their classes; activations and members of enums by name.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import hashlib
import importlib
import json
import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from array_api_compat import is_array_api_obj, is_torch_array

from alignmath import activations
from alignmath.activations import Activation
from alignmath.extras import needs

__all__ = ["digest", "load", "replace_file", "save"]

_VERSION = 1
_HEADER = "header"
_NETWORKS = ("TwoLayer", "DeepReLU", "ConvReLU", "WideNetwork")
_SOLUTIONS = ("MinNormSolution", "PenalizedSolution", "PiecewiseLinear", "Recovery", "CriticalPoints")
_RUNS = ("Trajectory", "Training", "Descent")
_HOMES = {
    "alignmath.networks": ("TwoLayer", "DeepReLU", "ConvReLU"),
    "alignmath.architectures": (
        "FullyConnected",
        "ResNet",
        "ConvolutionalResNet",
        "Dense",
        "Convolution",
        "GlobalAveragePooling",
        "Nonlinearity",
        "Residual",
        "StandardParametrisation",
    ),
    "alignmath.architectures.algebra": ("Serial",),
    "solvers.dynamics.wide_networks": ("WideNetwork", "Descent"),
    "solvers.interpolation": ("MinNormSolution", "PenalizedSolution", "PiecewiseLinear", "Recovery"),
    "solvers.interpolation.recovery": ("RecoveryStatus",),
    "solvers.interpolation.solution": ("SolutionStatus",),
    "solvers.runs": ("CriticalPoints", "Trajectory", "Training", "RunStatus"),
}
"""Where classes and enums that files know by name are; loaded when they are met."""
_HOME = {name: home for home, names in _HOMES.items() for name in names}
_LIBRARY = {"WideNetwork": "torch"} | dict.fromkeys((*_SOLUTIONS, "Descent"), "numpy")
"""Kinds that have the arrays of one library, whichever is asked for."""
_LISTED = ", ".join((*_NETWORKS, *_SOLUTIONS, *_RUNS))


def save(path: str | Path, value: Any) -> None:
    """Write a network or a batch of them, or the result of a solver or a run, so that `load` gives it back to the bit.

    value: a `TwoLayer`, `DeepReLU`, `ConvReLU` or `WideNetwork`; a `MinNormSolution`, `PenalizedSolution`,
    `PiecewiseLinear`, `Recovery` or `CriticalPoints`; a `Trajectory` (of descent or flow), `Training` or `Descent` (of
    a wide network). path: ends in `.npz` or `.safetensors`; its folder exists. A file there is replaced in one move:
    whoever reads it sees the old one or the new one, whole. Tensors are written without their gradients and device.
    Raises `ValueError` for other suffixes and values, and for activations of the user's own, whose functions are code;
    `ImportError` for `.safetensors` without that library.

    >>> import tempfile
    >>> from alignmath.networks import planar
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(f"{folder}/teacher.npz", planar([0.0]))
    ...     load(f"{folder}/teacher.npz").hidden
    array([[1., 0.]])
    """
    path = Path(path)
    write, _ = _form(path)
    if type(value).__name__ not in (*_NETWORKS, *_SOLUTIONS, *_RUNS) or not _is_known(value):
        raise ValueError(f"value is a {type(value).__name__}; save writes {_LISTED}")
    arrays: dict[str, np.ndarray] = {}
    parts = _apart(value, (), arrays)
    header = {"format": "alignmath", "version": _VERSION, "value": parts, "checksum": _checksum(parts, arrays)}
    replace_file(path, lambda file: write(file, arrays, json.dumps(header)))


def load(path: str | Path, *, library: str = "numpy") -> Any:
    """What `save` wrote at `path`, with NumPy arrays, or torch tensors on the CPU for the library "torch".

    What has the arrays of one library only keeps them: a `WideNetwork` torch's, solutions and a `Descent` NumPy's.
    Raises `ValueError` for files that are damaged (by a checksum), of another origin, or of a later version.

    >>> import tempfile
    >>> from alignmath.networks import planar
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(f"{folder}/teacher.npz", planar([0.0]))
    ...     load(f"{folder}/teacher.npz").hidden
    array([[1., 0.]])
    """
    path = Path(path)
    _, read = _form(path)
    if library not in ("numpy", "torch"):
        raise ValueError(f"library is {library!r}; expected 'numpy' or 'torch'")
    strange = f"{path} is damaged, or not written by solvers.files.save"
    try:
        header, arrays = read(path)
        header = json.loads(header)
        origin, version, value = header["format"], header["version"], header["value"]
    except OSError:
        raise
    except Exception as error:  # each format has errors of its own
        raise ValueError(f"{strange}: {error!r}") from None
    if origin != "alignmath" or not isinstance(value, dict) or "kind" not in value:
        raise ValueError(strange)
    if version != _VERSION:
        raise ValueError(
            f"{path} has version {version!r}, and {_VERSION} is known; read it with the alignmath it is from"
        )
    try:
        made = _together(value, arrays, library)
    except ImportError:
        raise
    except _Unknown as error:
        raise ValueError(f"{path} {error}") from None
    except Exception as error:
        raise ValueError(f"{strange}: {error!r}") from None
    if header.get("checksum") != _checksum(value, arrays):
        raise ValueError(f"{strange}: its checksum is not that of what it holds; take a copy that is whole")
    return made


def digest(arrays: Iterable[Any]) -> str:
    """A fingerprint of the values, shapes and types of arrays or tensors.

    >>> digest([np.ones(2)]) == digest([np.ones(2)]), digest([np.ones(2)]) == digest([np.ones((1, 2))])
    (True, False)
    """
    hashed = hashlib.sha256()
    for array in arrays:
        value = np.ascontiguousarray(array.detach().cpu().numpy() if hasattr(array, "detach") else array)
        hashed.update(f"{value.dtype}{value.shape}".encode())
        hashed.update(value.data)
    return hashed.hexdigest()[:32]


def _checksum(parts: Any, arrays: Mapping[str, np.ndarray]) -> str:
    """Of the value in the header, and of the arrays by their names."""
    named = sorted(arrays.items())
    text = json.dumps([parts, [name for name, _ in named]], sort_keys=True)
    return digest([np.frombuffer(text.encode(), dtype=np.uint8), *(array for _, array in named)])


def replace_file(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file under another name, and give it its own when it is on the disk; a failure leaves what there was.

    write: writes the content to the open file it is given.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "note.txt"
    ...     replace_file(path, lambda file: file.write(b"whole"))
    ...     path.read_bytes()
    b'whole'
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.draft")
    try:
        with open(draft, "xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            draft.unlink()
        raise


class _Unknown(ValueError):
    """A file holds what this version does not know."""


def _kind(name: str) -> Any:
    """The class of that name; loads its module."""
    if name not in _HOME:
        raise _Unknown(f"holds a {name}, and known are {_LISTED}; install a later alignmath")
    return getattr(importlib.import_module(_HOME[name]), name)


def _is_known(value: Any) -> bool:
    return type(value).__name__ in _HOME and type(value) is _kind(type(value).__name__)


def _apart(value: Any, place: tuple[str, ...], arrays: dict[str, np.ndarray]) -> Any:
    """The value for the header; its arrays are added to `arrays` under the names of their places."""
    name = "/".join(place)
    if isinstance(value, enum.Enum) and _is_known(value):
        return {"member": [type(value).__name__, value.name]}
    if isinstance(value, np.generic) and isinstance(value.item(), bool | int | float):
        value = value.item()
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, tuple):
        return [_apart(item, (*place, str(k)), arrays) for k, item in enumerate(value)]
    if isinstance(value, dict):  # names that make no plain file names are left to the header
        named = [key if key.isidentifier() else str(k) for k, key in enumerate(value)]
        parts = [_apart(item, (*place, part), arrays) for part, item in zip(named, value.values(), strict=True)]
        return {"entries": dict(zip(value, parts, strict=True))}
    if isinstance(value, Activation):
        return {"activation": _named_activation(value)}
    if dataclasses.is_dataclass(value) and _is_known(value):
        names = [field.name for field in dataclasses.fields(value)]
        parts = [_apart(getattr(value, field), (*place, field), arrays) for field in names]
        return {"kind": type(value).__name__, "fields": dict(zip(names, parts, strict=True))}
    if not is_array_api_obj(value):
        raise ValueError(f"{name} is a {type(value).__name__}; expected arrays and numbers")
    array = np.asarray(value.detach().cpu() if is_torch_array(value) else value)
    if array.dtype.kind not in "biufc":
        raise ValueError(f"{name} has dtype {array.dtype}; expected numbers")
    arrays[name] = np.array(array, dtype=array.dtype.newbyteorder("="), order="C")
    return {"array": name}


def _together(item: Any, arrays: Mapping[str, Any], library: str) -> Any:
    """The inverse of `_apart`."""
    if isinstance(item, list):
        return tuple(_together(part, arrays, library) for part in item)
    if not isinstance(item, dict):
        return item
    if "array" in item:
        return _in_library(arrays[item["array"]], library)
    if "entries" in item:
        return {key: _together(part, arrays, library) for key, part in item["entries"].items()}
    if "activation" in item:
        return _activation(item["activation"])
    if "member" in item:
        kind, name = item["member"]
        return _kind(kind)[name]
    name = item["kind"]
    library = _LIBRARY.get(name, library)
    parts = {field: _together(part, arrays, library) for field, part in item["fields"].items()}
    if name == "Serial":
        from alignmath.architectures import serial

        return serial(*parts["layers"])
    if name == "Residual":
        return _kind(name)(*parts["branch"].layers, factor=parts["factor"])
    return _kind(name)(**parts)


def _in_library(array: np.ndarray, library: str) -> Any:
    if library == "numpy":
        return array
    needs("torch", "torch")
    import torch

    return torch.from_numpy(array)


def _named_activation(activation: Activation) -> list[Any]:
    """What `_activation` makes it from; `ValueError` for one of the user's own, whose functions are code."""
    if activation.slopes is not None and activation.slopes[0] == 1.0 and activation.slopes[1] != 0:
        return ["leaky_relu", activation.slopes[1]]
    if activation.name.startswith("x^"):
        return ["monomial", int(activation.name[2:])]
    if activation is not getattr(activations, activation.name.upper(), None):
        raise ValueError(
            f"{activation.name} is an activation of your own, whose functions no file holds; save the weights"
        )
    return [activation.name.upper()]


def _activation(named: list[Any]) -> Activation:
    if named[0] not in activations.__all__ or named[0] == "from_functions":
        raise _Unknown(f"has the activation {named[0]}, which is not known; install a later alignmath")
    made = getattr(activations, named[0])
    return made(*named[1:]) if named[1:] else made


def _form(path: Path) -> tuple[Callable[..., None], Callable[[Path], tuple[str, dict[str, Any]]]]:
    """How to write and to read a file of this name."""
    forms = {".npz": (_write_npz, _read_npz), ".safetensors": (_write_safetensors, _read_safetensors)}
    if path.suffix.lower() not in forms:
        raise ValueError(f"{path} has the suffix {path.suffix!r}; expected .npz or .safetensors")
    return forms[path.suffix.lower()]


def _write_npz(file: BinaryIO, arrays: Mapping[str, np.ndarray], header: str) -> None:
    every: Any = {**arrays, _HEADER: np.array(header)}
    np.savez(file, **every)


def _read_npz(path: Path) -> tuple[str, dict[str, Any]]:
    with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
        arrays = dict(stored)
    return str(arrays.pop(_HEADER)), arrays


def _write_safetensors(file: BinaryIO, arrays: Mapping[str, np.ndarray], header: str) -> None:
    needs("safetensors", "torch")
    from safetensors import SafetensorError
    from safetensors.numpy import save as as_bytes

    try:
        content = as_bytes(dict(arrays), metadata={_HEADER: header})
    except (SafetensorError, KeyError, ValueError) as error:
        kinds = ", ".join(sorted({str(array.dtype) for array in arrays.values()}))
        raise ValueError(f"safetensors cannot hold arrays of all of {kinds} ({error}); save them as .npz") from None
    file.write(content)


def _read_safetensors(path: Path) -> tuple[str, dict[str, Any]]:
    needs("safetensors", "torch")
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as stored:
        return stored.metadata()[_HEADER], {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
