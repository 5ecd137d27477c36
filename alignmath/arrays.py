"""Arrays in, arrays out: what every room does with its arguments before the mathematics starts.

NumPy arrays (and lists, which become NumPy arrays) and torch tensors are accepted through the array API
(`array_api_compat`); the namespace of the input decides that of the output. torch is never imported here: a
tensor can only arrive from a program that already has.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
from array_api_compat import array_namespace, is_array_api_obj, is_torch_array

__all__ = [
    "SUM_BLOCK",
    "Array",
    "as_floating",
    "as_generator",
    "as_number",
    "as_numpy",
    "as_order",
    "broadcast_batches",
    "fixed_order_sum",
    "input_rows",
    "keep_freed_memory",
    "namespace",
    "one_per_row",
    "plain",
    "polar",
    "require_nonzero",
    "require_resolved",
    "root",
    "value_only",
]

Array = Any
"""A NumPy array or a torch tensor; which one is decided by the caller."""

SUM_BLOCK = 64
"""A multiple of the number of columns that torch's CPU kernels add at a time: 16 with AVX2, 32 with AVX-512."""


def namespace(*arrays: Array) -> Any:
    """The array namespace shared by `arrays`; a mixture of libraries is a `ValueError`.

    >>> namespace(np.zeros(2)).__name__.split(".")[-1]
    'numpy'
    """
    try:
        return array_namespace(*arrays)
    except TypeError:
        kinds = sorted({type(array).__module__.split(".")[0] for array in arrays})
        raise ValueError(
            f"arguments come from different array libraries ({', '.join(kinds)}); convert them all to one of them"
        ) from None


def as_floating(given: Any, name: str, *, least_ndim: int = 0, extended: bool = False) -> Array:
    """`given` as a floating-point array of its own library, checked to be real, finite and not empty.

    Python numbers, lists and integer arrays become float64; floating-point arrays keep their type. Raises
    `ValueError`, calling the argument `name`, for complex, empty, NaN or infinite input and for fewer than
    `least_ndim` dimensions, for half precision, whose three digits these formulas would lose, and for what `plain`
    refuses.

    >>> as_floating([1, 2], "x")
    array([1., 2.])
    >>> try:
    ...     as_floating([1.0, np.nan], "x")
    ... except ValueError as error:
    ...     print(error)
    x[1] is nan; every entry must be finite
    """
    value = plain(given, name, extended=extended)
    xp = namespace(value)
    if xp.isdtype(value.dtype, "complex floating"):
        raise ValueError(f"{name} is complex; pass its real part if that is what is meant")
    if not xp.isdtype(value.dtype, "real floating"):
        value = xp.astype(value, xp.float64)
    elif xp.finfo(value.dtype).eps > 1e-6:
        raise ValueError(f"{name} has dtype {value.dtype}; pass float32 or float64")
    if value.ndim < least_ndim:
        raise ValueError(f"{name} has shape {tuple(value.shape)}; expected at least {least_ndim} dimension(s)")
    if 0 in value.shape:
        raise ValueError(f"{name} is empty (shape {tuple(value.shape)}); pass at least one entry along every axis")
    # Both extremes are NaN if any entry is: one pass each, where isfinite of every entry takes several.
    if not bool(xp.isfinite(xp.max(value)) & xp.isfinite(xp.min(value))):
        where = _first(xp, ~xp.isfinite(value))
        at = f"{name}{list(where)}" if where else name
        raise ValueError(f"{at} is {float(value[where])}; every entry must be finite")
    return value


def plain(given: Any, name: str, *, extended: bool = False) -> Array:
    """`given` as a NumPy array in native byte order and at most float64, or as a tensor with its entries in memory.

    Lists and subclasses of NumPy arrays become arrays, `longdouble` float64, if it is not kept (`extended`). Raises
    `ValueError`, calling the argument `name`, for masked arrays, whose mask nothing here would see, for sparse and
    quantised arrays and tensors, tensors without data, ragged lists, and entries that are not numbers.

    >>> plain(np.array([1, 2], dtype=">i8"), "x")
    array([1, 2])
    >>> try:
    ...     plain(np.ma.array([1.0, 2.0], mask=[True, False]), "x")
    ... except ValueError as error:
    ...     print(error)
    x is a masked array, and masks are not heeded; pass x.filled(...), or the unmasked samples alone
    """
    if is_torch_array(given):
        for kind, found, cure in (
            ("sparse", str(given.layout) != "torch.strided", "to_dense()"),
            ("quantised", given.is_quantized, "dequantize()"),
        ):
            if found:
                raise ValueError(f"{name} is a {kind} tensor; pass {name}.{cure}")
        if given.device.type == "meta":
            raise ValueError(f"{name} is a tensor without data, on the device meta; pass one with entries")
        return given
    if isinstance(given, np.ma.MaskedArray) or (
        isinstance(given, list | tuple) and any(isinstance(part, np.ma.MaskedArray) for part in given)
    ):
        raise ValueError(
            f"{name} is a masked array, and masks are not heeded; pass {name}.filled(...), or the unmasked samples "
            "alone"
        )
    if hasattr(given, "toarray") and hasattr(given, "nnz"):
        raise ValueError(f"{name} is a sparse array; pass {name}.toarray()")
    if is_array_api_obj(given) and not isinstance(given, np.ndarray | np.generic):
        return given
    try:
        value = np.asarray(given)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{name} is not a rectangular array of numbers: {error}") from None
    if value.dtype.kind not in "biufc":
        raise ValueError(f"{name} has entries that are not numbers; pass an array of floats")
    if not value.dtype.isnative:
        value = value.astype(value.dtype.newbyteorder("="))
    if value.dtype.kind == "f" and value.dtype.itemsize > 8 and not extended:
        with np.errstate(over="ignore"):
            value = value.astype(np.float64)
    return value


def as_numpy(given: Any, name: str, *, least_ndim: int = 0, extended: bool = False) -> np.ndarray:
    """`as_floating` as a NumPy array of float64 (`extended`: or of `longdouble`), for what has no gradients.

    `ValueError` for a tensor that requires them: they would be lost.

    >>> as_numpy([[1, 2]], "x", least_ndim=2)
    array([[1., 2.]])
    """
    value = as_floating(given, name, least_ndim=least_ndim, extended=extended)
    if is_torch_array(value):
        if value.requires_grad:
            raise ValueError(f"{name} requires gradients, which do not flow through this; pass {name}.detach()")
        value = value.cpu().numpy()
    return value if value.dtype == np.longdouble else np.asarray(value, dtype=float)


def as_order(value: Any, name: str, *, most: int, least: int = 0, why: str = "") -> int:
    """`value` as a Python integer in `least..most`; anything else is a `ValueError` with what is allowed, and `why`.

    >>> as_order(3, "n", most=10)
    3
    """
    try:
        order = operator.index(value)
    except TypeError:
        order = least - 1
    if isinstance(value, bool) or not least <= order <= most:
        raise ValueError(f"{name} is {value!r}; expected an integer from {least} to {most}{why}")
    return order


def as_number(value: Any, name: str, *, least: float = 0.0, above: bool = False) -> float:
    """`value` as a finite Python float of at least `least` (strictly `above` it, if asked); else a `ValueError`.

    >>> as_number(1, "penalty", above=True)
    1.0
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not least <= number < math.inf or (above and number == least):
        raise ValueError(
            f"{name} is {value!r}; expected a finite number {'above' if above else 'of at least'} {least:g}"
        )
    return number


def as_generator(seed: Any, name: str = "seed") -> np.random.Generator:
    """A NumPy generator from a seed: an integer of at least 0, or a generator, which is used (and so moved on) itself.

    Anything else is a `ValueError`, None too: what is drawn should be drawn again from the same call.

    >>> as_generator(7).integers(10, size=4).tolist() == as_generator(7).integers(10, size=4).tolist()
    True
    """
    if isinstance(seed, np.random.Generator):
        return seed
    try:
        number = -1 if isinstance(seed, bool | np.bool_) else operator.index(seed)
    except TypeError:
        number = -1
    if number < 0:
        raise ValueError(f"{name} is {seed!r}; expected an integer of at least 0, or a NumPy Generator")
    return np.random.default_rng(number)


def broadcast_batches(**shapes: Any) -> tuple[int, ...]:
    """The common shape of the named batches; a `ValueError` that names them if there is none.

    >>> broadcast_batches(students=(5, 1), teacher=(3,))
    (5, 3)
    """
    try:
        return np.broadcast_shapes(*(tuple(shape) for shape in shapes.values()))
    except ValueError:
        listed = ", ".join(f"{name} {tuple(shape)}" for name, shape in shapes.items())
        raise ValueError(f"the batch shapes do not broadcast: {listed}") from None


def fixed_order_sum(values: Array, *, axis: int) -> Array:
    """Sum along `axis` in an order that depends on the length of that axis alone.

    A library's own sum may add in another order when the other axes have another length; with this one a row of a batch
    has the same sum, to the bit, in any batch. It halves; on a CPU torch's own sum, which is faster, adds whole blocks
    of columns in one order, and serves where the last axis consists of such blocks (of at most `SUM_BLOCK`).

    >>> fixed_order_sum(np.arange(6.0).reshape(3, 2), axis=0)
    array([6., 9.])
    """
    if is_torch_array(values) and values.device.type == "cpu" and values.shape[-1] % SUM_BLOCK == 0:
        return values.sum(axis)
    before = (slice(None),) * axis
    left_over = []
    count = values.shape[axis]
    while count > 1:
        if count % 2:
            count -= 1
            left_over.append(values[(*before, count)])
        half = count // 2
        values = values[(*before, slice(half))] + values[(*before, slice(half, count))]
        count = half
    total = values[(*before, 0)]
    for term in left_over:
        total = total + term
    return total


def input_rows(x: Any, name: str = "x") -> np.ndarray:
    """The inputs x as a NumPy array `(N, d)` of float64; `ValueError`, calling it `name`, for any other shape.

    >>> input_rows([[1, 2], [3, 4]]).dtype
    dtype('float64')
    """
    rows = as_numpy(x, name, least_ndim=2)
    if rows.ndim != 2:
        raise ValueError(f"{name} has shape {rows.shape}; expected (N, d), one input a row")
    return rows


def one_per_row(values: Any, x: np.ndarray, name: str, *, extended: bool = False) -> np.ndarray:
    """`values` as a NumPy array `(N,)` of floats, one for each row of x; `ValueError`, by `name`, for any other shape.

    >>> one_per_row([1, 2], np.eye(2), "y")
    array([1., 2.])
    """
    array = as_numpy(values, name, least_ndim=1, extended=extended)
    if array.shape != (len(x),):
        raise ValueError(f"{name} has shape {array.shape}; expected ({len(x)},), one for each row of x")
    return array


def keep_freed_memory() -> None:
    """Let the C library keep the memory of freed temporaries, for loops over arrays of megabytes.

    glibc hands freed blocks above a threshold back to the system, which then faults and clears every page again:
    half the time of such loops. Freeing one block raises the threshold to its size (mallopt(3), M_MMAP_THRESHOLD);
    this one is never touched.

    >>> keep_freed_memory()
    """
    np.empty(31 << 17)


def polar(vectors: Array, *, axis: int) -> tuple[Array, Array]:
    """Lengths and directions of `vectors`, whose components lie along `axis` (first or last); zero has direction 0.

    >>> lengths, directions = polar(np.array([[3.0, 4.0], [0.0, 0.0]]), axis=-1)
    >>> lengths, directions
    (array([5., 0.]), array([[0.6, 0.8],
           [0. , 0. ]]))
    """
    xp = namespace(vectors)
    squares = vectors * vectors
    total = fixed_order_sum(squares, axis=0) if axis == 0 else xp.sum(squares, axis=axis)
    zero = xp.astype(total == 0, total.dtype)
    divisor = xp.sqrt(total + zero)  # 1 for the zero vector, whose gradients then stay finite
    return divisor - zero, vectors / xp.expand_dims(divisor, axis=axis)


def root(square: Array) -> Array:
    """Square root whose derivative at 0 is 0, so that torch's gradients through equal vectors stay finite.

    >>> root(np.array([4.0, 0.0]))
    array([2., 0.])
    """
    xp = namespace(square)
    positive = square > 0
    return xp.where(positive, xp.sqrt(xp.where(positive, square, xp.ones_like(square))), xp.zeros_like(square))


def require_nonzero(lengths: Array, name: str, why: str, *, among: Array | None = None) -> None:
    """Raise `ValueError` if a vector has zero length (where `among`, if given, is true).

    `lengths` has the shape of the stack of vectors; `why` completes the sentence and names the cure.

    >>> try:
    ...     require_nonzero(np.array([1.0, 0.0]), "hidden", "leave it out")
    ... except ValueError as error:
    ...     print(error)
    hidden[1] is the zero vector; leave it out
    """
    xp = namespace(lengths)
    bad = lengths == 0
    if among is not None:
        bad = bad & among
    if bool(xp.any(bad)):
        raise ValueError(f"{name}{list(_first(xp, bad))} is the zero vector; {why}")


def require_resolved(vectors: Array, name: str, *, directions: bool = True) -> None:
    """Raise `ValueError` for a vector, along the last axis, so long that squares overflow, or so short that they lose
    digits (this only if `directions` are asked of it).

    In float64 lengths from 1e-146 to 1e146 pass, in float32 from 4e-16 to 3e15; and the zero vector.

    >>> require_resolved(np.array([[3.0, 4.0]]), "x")
    """
    xp = namespace(vectors)
    info = xp.finfo(vectors.dtype)
    least = math.sqrt(float(info.smallest_normal) / float(info.eps))
    size = xp.max(xp.abs(vectors), axis=-1)
    bad = size > 1 / least
    if directions:
        bad = bad | ((size != 0) & (size < least))
    if bool(xp.any(bad)):
        where = _first(xp, bad)
        raise ValueError(
            f"{name}{list(where)} has length about {float(size[where]):.3g}; squares of lengths outside {least:.1g} to "
            f"{1 / least:.1g} lose digits in {vectors.dtype}. Rescale"
            + (": the formulas are homogeneous in the lengths" if directions else " them")
        )


def value_only(values: Array) -> Array:
    """`values` as a constant, through which torch's gradients do not flow.

    >>> value_only(np.ones(2))
    array([1., 1.])
    """
    return values.detach() if is_torch_array(values) else values


def _first(xp: Any, mask: Array) -> tuple[int, ...]:
    """Index of the first true entry of `mask`."""
    return tuple(int(axis[0]) for axis in xp.nonzero(mask)) if mask.ndim else ()
