"""How `kernels` puts a matrix together: block by block, on all cores, equal inputs worked on once."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

import numpy as np

from ..arrays import Array, as_order, keep_freed_memory, namespace

__all__ = ["assemble", "diagonal"]

_BLOCK, _STRIP = 256, 64


def _as_block_size(given: int | None) -> int | None:
    """Checked."""
    return None if given is None else as_order(given, "block_size", least=1, most=10**9)


def assemble(layers: Any, x: Array, y: Array | None, block_size: int | None, progress: bool) -> Array:
    """The whole matrix, block by block; of one set of inputs the upper half is computed."""
    size = _as_block_size(block_size)
    x, back = _distinct(x)
    other, forth = (x, back) if y is None else _distinct(y)
    one = layers.start(x)
    two = one if y is None else layers.start(other)
    n, m = len(x), len(other)
    alone = size is None and n * m <= layers.few
    if alone:  # strips of whole rows, on one thread
        height, width = _STRIP, m
    else:
        ready = min(_BLOCK, max(_STRIP, -(-n // 3)))  # several blocks, for several threads
        height = width = size or (ready if x.ndim == 2 else max(1, int(_BLOCK / _pixels(layers, x) ** 0.5)))
    product = _products if isinstance(x, np.ndarray) and not alone else lambda u, v: u @ v.T
    pairs = [(i, j) for i in range(0, n, height) for j in range(i if y is None else 0, m, width)]

    def work(pair: tuple[int, int]) -> Array:
        i, j = pair
        rows, columns = [v[i : i + height] for v in one], [v[j : j + width] for v in two]
        products = product(rows[0], columns[0]) if x.ndim == 2 else None
        return layers.block(rows, columns, products, y is None and i == j)

    from tqdm import tqdm  # alignmath loads it where a bar may be wanted

    with tqdm(total=len(pairs), unit="block", desc="kernel", disable=not progress) as bar:
        if isinstance(x, np.ndarray):
            back, forth = (np.arange(k) if p is None else p for k, p in ((n, back), (m, forth)))
            threads = 1 if alone else os.cpu_count() or 1
            return _in_place(work, np.dtype(x.dtype), pairs, y is None, back, forth, threads, bar)
        xp = namespace(x)
        bands: dict[int, list[Array]] = {}
        for i, j in pairs:
            block = work((i, j))
            left = [] if y is not None else [xp.zeros((len(block), i), dtype=x.dtype, device=x.device)]
            bands.setdefault(i, left).append(block)
            bar.update()
    result = xp.concat([xp.concat(band, axis=1) for band in bands.values()], axis=0)
    if y is None:
        result = xp.triu(result) + xp.matrix_transpose(xp.triu(result, k=1))
    if back is not None:
        result = result[back]
    return result if forth is None else result[:, forth]


def diagonal(layers: Any, x: Array, block_size: int | None, progress: bool) -> Array:
    """The entries of every input with itself, `(n,)`."""
    height = _as_block_size(block_size) or max(1, _BLOCK * _BLOCK // _pixels(layers, x))
    from tqdm import tqdm

    parts = []
    with tqdm(total=len(x), unit="input", desc="kernel", disable=not progress) as bar:
        for i in range(0, len(x), height):
            rows = layers.start(x[i : i + height])
            parts.append(layers.diagonal(rows)[:, 0])
            bar.update(len(parts[-1]))
    return namespace(x).concat(parts)


def _pixels(layers: Any, x: Array) -> int:
    """Entries for every pair of inputs."""
    return 1 if x.ndim == 2 else x.shape[2] ** (2 if layers.pooled else 1)


def _in_place(
    work: Callable[[tuple[int, int]], np.ndarray],
    dtype: np.dtype[Any],
    pairs: list[tuple[int, int]],
    symmetric: bool,
    back: np.ndarray,
    forth: np.ndarray,
    threads: int,
    bar: Any,
) -> np.ndarray:
    """The blocks in their places, then rows and columns of equal inputs, all in the memory of the result."""
    (rows, columns), (n, m) = (len(back), len(forth)), (int(back.max()) + 1, int(forth.max()) + 1)
    room = np.empty(rows * columns, dtype=dtype)
    result, whole = room[: n * m].reshape(n, m), room.reshape(rows, columns)

    def fill(pair: tuple[int, int]) -> None:
        i, j = pair
        value = work(pair)
        height, width = value.shape
        if symmetric and i == j:
            own = value[:, :height]
            np.copyto(own, own.T.copy(), where=np.tri(height, dtype=bool))
        result[i : i + height, j : j + width] = value
        if symmetric:
            result[j : j + width, i : i + height] = value.T

    left, lock = deque(pairs), Lock()

    def drain() -> None:
        try:
            while left:
                try:
                    pair = left.popleft()
                except IndexError:  # another thread took the last one
                    return
                fill(pair)
                with lock:
                    bar.update()
        except BaseException:  # Ctrl-C among them
            left.clear()
            raise

    keep_freed_memory()
    with ThreadPoolExecutor(max(threads - 1, 1)) as pool:
        others = [pool.submit(drain) for _ in range(threads - 1)]
        drain()  # the calling thread works too
        for other in others:
            other.result()
    if (rows, columns) != (n, m):
        for i in range(rows - 1, -1, -1):  # `back[i] <= i`: no row is written to before it has been read
            whole[i] = result[back[i]][forth]
    return whole


def _products(u: Array, v: Array) -> Array:
    """`u @ v.T` by pieces so small that BLAS uses one thread, as the others have blocks to work on."""
    products, height, depth = np.zeros((len(u), len(v)), dtype=u.dtype), max(1, 2048 // len(v)), 128
    whole = len(u) - len(u) % height
    for k in range(0, u.shape[1], depth):
        left, right = u[:, k : k + depth], v[:, k : k + depth].T
        products[:whole] += (left[:whole].reshape(whole // height, height, left.shape[1]) @ right).reshape(
            whole, len(v)
        )
        products[whole:] += left[whole:] @ right
    return products


def _distinct(x: Array) -> tuple[Array, Any]:
    """The distinct inputs, and for each of the given ones its place among them; None where all are distinct, or have
    gradients, each its own."""
    if not isinstance(x, np.ndarray) and x.requires_grad:
        return x, None
    plain = x if isinstance(x, np.ndarray) else x.detach().cpu().numpy()
    plain = plain.reshape(len(plain), -1)
    probe = np.random.default_rng(0).standard_normal(plain.shape[1])
    sums = np.sort(np.sum(plain * probe, axis=1))  # equal inputs have equal sums, and it is faster
    if np.all(sums[1:] != sums[:-1]):
        return x, None
    _, first, back = np.unique(plain, axis=0, return_index=True, return_inverse=True)
    if len(first) == len(plain):
        return x, None
    order = np.argsort(first)  # in the order given
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return x[np.sort(first)], place[back.reshape(-1)]
