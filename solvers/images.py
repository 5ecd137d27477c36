"""Images to train on: scikit-learn's digits, which come with its wheel, and CIFAR-10 from a folder the user names.

CIFAR-10's files are pickles, and a pickle may run any code. Those here are read by an unpickler that builds plain
containers and arrays of whole numbers; whatever else a file asks for is refused by name, and nothing of it is imported
or called. Arrays are put together here, not by NumPy's own unpickling, which trusts what it is given.
"""

from __future__ import annotations

import pickle
import pickletools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from alignmath.arrays import as_generator, as_number
from alignmath.extras import needs

__all__ = ["ImageSet", "cifar10", "digits"]

_SIDE, _CHANNELS = 32, 3
_TRAINING = tuple(f"data_batch_{number}" for number in range(1, 6))
_FOLDER = "cifar-10-batches-py"


class ImageSet(NamedTuple):
    """Images and labels to train on and to evaluate with.

    - x: `(N, c, h, w)`, floating point; every channel has mean 0 and standard deviation 1 over these images.
    - y: `(N,)` int64, labels from 0.
    - evaluation_x, evaluation_y: the same of the other images, less the mean of the first and divided by their
      deviation.

    >>> images = ImageSet(np.zeros((9, 1, 8, 8)), np.zeros(9, int), np.zeros((3, 1, 8, 8)), np.zeros(3, int))
    >>> x, y, *evaluation = images
    >>> x.shape, y.shape
    ((9, 1, 8, 8), (9,))
    """

    x: np.ndarray
    y: np.ndarray
    evaluation_x: np.ndarray
    evaluation_y: np.ndarray


def digits(*, evaluation: float = 0.2, seed: Any = 0) -> ImageSet:
    """The 1797 handwritten digits of scikit-learn, 8 x 8 pixels, as `(N, 1, 8, 8)` float64, labels 0 to 9.

    evaluation: the share kept for evaluation, in (0, 1), taken from every digit alike (rounded). seed: of the choice
    and the order, which are the same on every machine; an integer or a NumPy Generator. Raises `ValueError` for a share
    that leaves a digit without images on either side, `ImportError` without scikit-learn.

    >>> images = digits()
    >>> images.x.shape, images.evaluation_x.shape
    ((1438, 1, 8, 8), (359, 1, 8, 8))
    """
    datasets: Any = needs("sklearn.datasets", "images")
    share, rng = as_number(evaluation, "evaluation", above=True), as_generator(seed)
    images, labels = datasets.load_digits(return_X_y=True)
    kept = np.zeros(len(labels), dtype=bool)
    for digit in range(10):
        own = rng.permutation(np.flatnonzero(labels == digit))
        count = round(share * len(own))
        if not 0 < count < len(own):
            raise ValueError(f"evaluation is {share:g}: {count} of the {len(own)} images of the digit {digit}; try 0.2")
        kept[own[:count]] = True
    order = rng.permutation(len(labels))
    parts = [order[~kept[order]], order[kept[order]]]
    images = images.reshape(-1, 1, 8, 8)
    return _standardised([images[part] for part in parts], [labels[part] for part in parts], np.dtype(float))


def cifar10(folder: str | Path, *, dtype: Any = "float64") -> ImageSet:
    """CIFAR-10 as `(N, 3, 32, 32)`, labels 0 to 9, from its "python version"; the test batch is for evaluation.

    folder: where `data_batch_1` to `data_batch_5` and `test_batch` are, or the folder above, with
    `cifar-10-batches-py` in it. dtype: float32 or float64, in which all 60,000 images take 0.7 or 1.5 GB. Files may
    hold any number of images.

    Raises `ValueError` that names what is missing, what a file asks for that such files do not need, and what in it
    does not fit.

    >>> cifar10("no/such/folder")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: no/such/folder has no data_batch_1, ...; pass the folder cifar-10-batches-py, ...
    """
    try:
        kind = np.dtype(dtype)
    except TypeError:
        kind = None
    if kind not in (np.float32, np.float64):
        raise ValueError(f"dtype is {dtype!r}; expected float32 or float64")
    folder = Path(folder)
    place = folder / _FOLDER if (folder / _FOLDER).is_dir() else folder
    names = (*_TRAINING, "test_batch")
    missing = [name for name in names if not (place / name).is_file()]
    if missing:
        raise ValueError(
            f"{place} has no {', '.join(missing)}; pass the folder {_FOLDER}, to which CIFAR-10's python version "
            "(cifar-10-python.tar.gz) unpacks, or the one above it"
        )
    batches = [_batch(place / name) for name in names]
    parts = [batches[:-1], batches[-1:]]
    images, labels = ([np.concatenate([batch[k] for batch in part]) for part in parts] for k in range(2))
    return _standardised(images, labels, kind)


def _standardised(images: list[np.ndarray], labels: list[np.ndarray], kind: np.dtype) -> ImageSet:
    """Images less the first part's mean in each channel, divided by its deviation (unless that is 0)."""
    mean = np.mean(images[0], axis=(0, 2, 3), keepdims=True, dtype=float).astype(kind)
    train, other = (part.astype(kind) for part in images)
    train -= mean
    other -= mean
    square = np.einsum("nchw,nchw->c", train, train, dtype=float) / (train.size / train.shape[1])
    deviation = np.sqrt(np.where(square == 0, 1.0, square)).astype(kind)[:, None, None]
    train /= deviation
    other /= deviation
    return ImageSet(train, labels[0].astype(np.int64), other, labels[1].astype(np.int64))


def _batch(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images `(n, 3, 32, 32)` uint8 and labels `(n,)` of one file."""
    content = _unpickled(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds no dict; expected one with the keys data and labels")
    batch: dict[Any, Any] = {
        key.decode("latin1") if isinstance(key, bytes) else key: value.array if isinstance(value, _Array) else value
        for key, value in content.items()
    }
    missing = [key for key in ("data", "labels") if key not in batch]
    if missing:
        shown = [key for key in batch if isinstance(key, str)][:10]
        raise ValueError(f"{path} has the keys {shown}, no {' and no '.join(missing)}; is it a batch of CIFAR-10?")
    data, labels, pixels = batch["data"], batch["labels"], _CHANNELS * _SIDE**2
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape[1:] != (pixels,) or not len(data):
        shown = f"{data.dtype} of shape {data.shape}" if isinstance(data, np.ndarray) else type(data).__name__
        raise ValueError(f"{path} has data that is {shown}; expected uint8 of shape (n, {pixels}), one image a row")
    if isinstance(labels, np.ndarray) and labels.ndim == 1:
        labels = labels.tolist()
    if not isinstance(labels, list) or not all(type(label) is int for label in labels):
        raise ValueError(f"{path} has labels that are no list of whole numbers; expected one for each image")
    if len(labels) != len(data):
        raise ValueError(f"{path} has {len(labels)} labels for {len(data)} images; expected one for each")
    wrong = [label for label in labels if not 0 <= label <= 9]
    if wrong:
        raise ValueError(f"{path} has the label {wrong[0]}; expected 0 to 9, as in CIFAR-10")
    return data.reshape(-1, _CHANNELS, _SIDE, _SIDE), np.array(labels)


class _Refused(ValueError):
    """A file asks for what it does not need."""


def _unpickled(path: Path) -> Any:
    """What the file holds: plain containers, and an `_Array` for each array. Python 2's strings are bytes."""
    with open(path, "rb") as file:
        try:
            _require_plain(file)
            return _Unpickler(file, encoding="bytes").load()
        except _Refused as refusal:
            raise ValueError(
                f"{path} {refusal}; nothing of it was run. Take the file from CIFAR-10's own page"
            ) from None
        except Exception as error:  # a damaged pickle may fail in any way
            raise ValueError(f"{path} cannot be read as a pickle: {error or type(error).__name__}") from None


_CONTAINERS, _MEMO = 1_000, 1_000_000
"""A batch needs some ten containers and calls, and a memo of some ten thousand entries."""


def _require_plain(file: Any) -> None:
    """Refuse a file that nests or numbers so much that reading it would exhaust the stack or the memory; rewinds."""
    containers = 0
    for opcode, argument in _opcodes(file):
        made = {kind.name for kind in opcode.stack_after}
        containers += opcode.name in _MAKERS or not made.isdisjoint(("tuple", "list", "dict", "set"))
        if containers > _CONTAINERS:
            raise _Refused(f"makes more than {_CONTAINERS} containers, which no such file needs")
        if opcode.name.endswith("PUT") and argument > _MEMO:
            raise _Refused(f"numbers an object {argument}, which no such file needs")
    file.seek(0)


def _opcodes(file: Any) -> Iterator[tuple[Any, Any]]:
    """What a pickle consists of, with its numbers. (`pickletools.genops` reads text as ASCII; Python 2 writes others
    there.)"""
    while code := file.read(1):
        opcode = _BY_CODE.get(code.decode("latin1"))
        if opcode is None:
            raise ValueError(f"it has the unknown opcode {code!r}")
        argument = None
        if opcode.arg is not None and "stringnl" in opcode.arg.name:
            for _ in range(2 if opcode.arg.name.endswith("pair") else 1):
                file.readline()
        elif opcode.arg is not None:
            argument = opcode.arg.reader(file)
        yield opcode, argument
        if opcode.name == "STOP":
            return


_BY_CODE = {opcode.code: opcode for opcode in pickletools.opcodes}
_MAKERS = frozenset(("FROZENSET", "REDUCE", "BUILD", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX"))


class _Unpickler(pickle.Unpickler):
    """Gives stand-ins for the names that files with arrays need, and refuses all others before they are looked up."""

    def find_class(self, module: str, name: str) -> Any:
        """The stand-in for a name."""
        if (module, name) not in _ALLOWED:
            raise _Refused(f"asks for {module}.{name}, which no such file needs")
        return _Stand(_ALLOWED[module, name])


class _Stand:
    """What the unpickler may call in place of a NumPy function or class; the file can neither change nor pass it."""

    __slots__ = ("_what",)

    def __init__(self, what: str) -> None:
        self._what = what

    def __call__(self, *arguments: Any) -> Any:
        match self._what, arguments:
            case "encode", (str() as text, "latin1" | b"latin1"):
                return text.encode("latin1")
            case "dtype", (code, _, _):
                return _Kind(code)
            case "reconstruct", (_Stand(_what="ndarray"), _, _):
                return _Array()
            case "frombuffer", (
                bytes() | bytearray() as content,
                _Kind() as kind,
                tuple() as shape,
                "C" | "F" as order,
            ):
                array = _Array()
                array.__setstate__((1, shape, kind, order == "F", bytes(content)))
                return array
        raise _Refused(f"calls {self._what} with arguments that no such file needs")

    def __setstate__(self, state: Any) -> None:
        raise _Refused(f"changes {self._what}")


class _Kind:
    """Stands for a dtype of whole numbers."""

    __slots__ = ("code", "order")

    def __init__(self, code: Any) -> None:
        self.code, self.order = code.decode("latin1") if isinstance(code, bytes) else code, "|"
        if self.code not in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"):
            raise _Refused(f"has an array of dtype {self.code!r}, where whole numbers are expected")

    def __setstate__(self, state: Any) -> None:
        match state:
            case (_, "|" | "<" | ">" | b"|" | b"<" | b">" as order, None, None, None, *_):
                self.order = order.decode("latin1") if isinstance(order, bytes) else order
            case _:
                raise _Refused("has a dtype of an unknown form")


class _Array:
    """Stands for an array; `array` is made of its bytes when they are there."""

    __slots__ = ("array",)

    def __init__(self) -> None:
        self.array: np.ndarray | None = None

    def __setstate__(self, state: Any) -> None:
        match state:
            case (_, tuple() as shape, _Kind() as kind, fortran, bytes() as content):
                flat = np.frombuffer(content, dtype=np.dtype(f"{kind.order}{kind.code}"))
                self.array = flat.reshape(shape, order="F" if fortran else "C")
            case _:
                raise _Refused("has an array of an unknown form")


_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): "reconstruct",  # NumPy 1
    ("numpy._core.multiarray", "_reconstruct"): "reconstruct",  # NumPy 2
    ("numpy.core.numeric", "_frombuffer"): "frombuffer",  # protocol 5
    ("numpy._core.numeric", "_frombuffer"): "frombuffer",
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): "dtype",
    ("_codecs", "encode"): "encode",  # how Python 3 writes bytes for Python 2
}
