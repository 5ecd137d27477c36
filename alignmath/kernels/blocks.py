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

__all__ = ["assemble"]

_BLOCK, _LEAST_BLOCK = 256, 64


def assemble(layers: Any, x: Array, y: Array | None, block_size: int | None, progress: bool) -> Array:
    """The whole matrix, block by block; of one set of inputs the upper half is computed."""
    fair = max(_LEAST_BLOCK, -(-len(x) // 3))  # several blocks, for several threads
    ready = min(_BLOCK, fair) if x.ndim == 2 else max(1, _BLOCK // x.shape[2])  # pairs of images: of all their pixels
    size = as_order(ready if block_size is None else block_size, "block_size", least=1, most=10**9)
    x, back = _distinct(x)
    other, forth = (x, back) if y is None else _distinct(y)
    one = layers.start(x)
    two = one if y is None else layers.start(other)
    n, m = len(x), len(other)
    pairs = [(i, j) for i in range(0, n, size) for j in range(i if y is None else 0, m, size)]

    def work(pair: tuple[int, int]) -> Array:
        i, j = pair
        rows, columns = [v[i : i + size] for v in one], [v[j : j + size] for v in two]
        products = _products(rows[0], columns[0]) if x.ndim == 2 else None
        return layers.block(rows, columns, products, y is None and i == j)

    from tqdm import tqdm  # alignmath loads it where a bar may be wanted

    with tqdm(total=len(pairs), unit="block", desc="kernel", disable=not progress) as bar:
        if isinstance(x, np.ndarray):
            back, forth = (np.arange(k) if p is None else p for k, p in ((n, back), (m, forth)))
            return _in_place(work, np.dtype(x.dtype), pairs, size, y is None, back, forth, bar)
        blocks = {}
        for pair in pairs:
            blocks[pair] = work(pair)
            bar.update()
    xp = namespace(x)
    if y is None:
        blocks |= {(j, i): value.T for (i, j), value in blocks.items() if i != j}
    bands = [xp.concat([blocks[i, j] for j in range(0, m, size)], axis=1) for i in range(0, n, size)]
    result = xp.concat(bands, axis=0)
    if y is None:
        result = (result + result.T) / 2
    if back is not None:
        result = result[back]
    return result if forth is None else result[:, forth]


def _in_place(
    work: Callable[[tuple[int, int]], np.ndarray],
    dtype: np.dtype[Any],
    pairs: list[tuple[int, int]],
    size: int,
    symmetric: bool,
    back: np.ndarray,
    forth: np.ndarray,
    bar: Any,
) -> np.ndarray:
    """The blocks in their places, on as many threads as there are cores, then rows and columns of equal inputs, all in
    the memory of the result."""
    (rows, columns), (n, m) = (len(back), len(forth)), (int(back.max()) + 1, int(forth.max()) + 1)
    room = np.empty(rows * columns, dtype=dtype)
    result, whole = room[: n * m].reshape(n, m), room.reshape(rows, columns)

    def fill(pair: tuple[int, int]) -> None:
        i, j = pair
        value = work(pair)
        if symmetric and i == j:
            value = np.where(np.tri(len(value), dtype=bool), value.T, value)
        result[i : i + size, j : j + size] = value
        if symmetric and i != j:
            result[j : j + size, i : i + size] = value.T

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
    workers = (os.cpu_count() or 1) - 1
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        others = [pool.submit(drain) for _ in range(workers)]
        drain()  # the calling thread works too
        for other in others:
            other.result()
    if (rows, columns) != (n, m):
        for i in range(rows - 1, -1, -1):  # `back[i] <= i`: no row is written to before it has been read
            whole[i] = result[back[i]][forth]
    return whole


def _products(u: Array, v: Array) -> Array:
    """`u @ v.T`; of NumPy arrays by pieces so small that BLAS uses one thread, as the others have blocks to work on."""
    if not isinstance(u, np.ndarray):
        return u @ v.T
    found, rows, depth = np.zeros((len(u), len(v)), dtype=u.dtype), max(1, 2048 // len(v)), 128
    whole = len(u) - len(u) % rows
    for k in range(0, u.shape[1], depth):
        left, right = u[:, k : k + depth], v[:, k : k + depth].T
        found[:whole] += (left[:whole].reshape(whole // rows, rows, left.shape[1]) @ right).reshape(whole, len(v))
        found[whole:] += left[whole:] @ right
    return found


def _distinct(x: Array) -> tuple[Array, Any]:
    """The distinct inputs, and for each of the given ones its place among them; None where all are distinct."""
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
