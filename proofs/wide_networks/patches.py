"""The patches of the convolutional network: how often a pixel occurs in them, and the norms before and after."""

from __future__ import annotations

import numpy as np

from alignmath.activations import monomial
from alignmath.architectures import ConvolutionalResNet
from alignmath.kernels import gram

from ..engine.attacks import errors_below, none_below
from ..engine.claims import Attack, Claim, Effort, Outcome, Verdict
from ..engine.derivation import Derivation

__all__ = ["CLAIMS", "listed_patches", "occurrences", "plane_counts"]

_MOST = 24
"""Pixels, and pixels of a patch, up to which every case is enumerated."""


def listed_patches(pixels: int, patch: int) -> list[list[int]]:
    """The pixels 1, ..., p of every patch, stride 1; places outside of the image, which hold zeros, are left out."""
    reach = patch // 2
    return [[place + o for o in range(-reach, reach + 1) if 1 <= place + o <= pixels] for place in range(1, pixels + 1)]


def occurrences(pixels: int, patch: int, pixel: int) -> int:
    """In how many patches the pixel occurs: the patches whose centres are within its reach, and in the image."""
    reach = patch // 2
    return min(pixel + reach, pixels) - max(pixel - reach, 1) + 1


def plane_counts(rows: int, columns: int, side: int) -> dict[tuple[int, int], int]:
    """In how many square patches, stride 1, each pixel of an image in the plane occurs: all patches are listed."""
    reach = side // 2
    counts = {(r, c): 0 for r in range(1, rows + 1) for c in range(1, columns + 1)}
    for r, c in list(counts):
        for i in range(r - reach, r + reach + 1):
            for j in range(c - reach, c + reach + 1):
                if (i, j) in counts:
                    counts[i, j] += 1
    return counts


def _patch(effort: Effort) -> Outcome:
    d = Derivation()
    d.argument(
        "how often",
        r"With $q=2k+1$, pixel $l$ occurs in the patches with centres $r$, $|r-l|\le k$, $1\le r\le p$: $\min(l+k,p)-\max(l-k,1)+1$ of them.",
        "Patch $r$ holds the pixels $r-k,\\dots,r+k$ that exist. $r=l$ is one of the centres, and there are at most $2k+1=q$: so at least 1 and at most q.",
        refuted_by="a size, a patch and a pixel that is counted otherwise in the list of patches",
        attack=lambda: _counts(effort),
    )
    cases = [(p, q) for p in range(1, _MOST + 1) for q in range(1, _MOST + 1, 2)]
    counted = {(p, q): [occurrences(p, q, place) for place in range(1, p + 1)] for p, q in cases}
    listed = {
        (p, q): [sum(row.count(place) for row in listed_patches(p, q)) for place in range(1, p + 1)] for p, q in cases
    }
    d.certificate(
        f"all sizes to {_MOST}",
        counted == listed,
        f"Every pixel of every image with $p\\le{_MOST}$ and every odd $q\\le{_MOST}$: the count is that of the list of patches.",
        reason="integers",
    )
    d.certificate(
        "what is attained",
        all(min(n) == min(p, q // 2 + 1) and max(n) == min(p, q) and n[0] == min(n) for (p, q), n in counted.items()),
        r"There the least count is $\min(p,k+1)$, of an end pixel, and the largest $\min(p,q)$, of one in the middle. So the lower bound is attained for $p=1$ or $q=1$ alone; otherwise $|\phi(x)|_F\ge\sqrt2\,|x|_F$.",
        reason="integers",
    )
    planes = [(p, r, side) for side in (3, 5) for p in range(1, 9) for r in range(1, 9)]
    listed_in_plane = {case: plane_counts(*case) for case in planes}
    d.certificate(
        "in the plane",
        all(
            1 <= count <= side**2 and count == occurrences(p, side, row) * occurrences(r, side, column)
            for (p, r, side), found in listed_in_plane.items()
            for (row, column), count in found.items()
        )
        and all(
            max(found.values()) == side**2 and min(found.values()) == (side // 2 + 1) ** 2
            for (p, r, side), found in listed_in_plane.items()
            if min(p, r) >= side
        ),
        r"For square patches of $3\times3$ or $5\times5$ pixels, all patches listed: each pixel is in at least 1 and at most $q=9$ or $25$, with $q$ the pixels of a patch, not its side, and its count is the product of those of its row and column. Images at least as large as a patch attain $q$; their corners $(\frac{s+1}2)^2$ for side $s$.",
        reason="integers, images up to $8\\times8$",
    )
    d.argument(
        "the norms",
        r"$|\phi(x)|_F^2=\sum_ln_l|x_{:,l}|^2$ with the counts $n_l$, so $|x|_F^2\le|\phi(x)|_F^2\le q\,|x|_F^2$.",
        "The entries of the patches are those of $x$, pixel $l$ written $n_l$ times, and zeros.",
        refuted_by="an image where the sum of squares over the patches, the weighted sum over pixels, and the trace of the library's patch matrix differ",
        attack=lambda: _norms(effort),
    )
    return d.proved("each pixel in at least 1 patch and at most q, by counting centres")


def _counts(effort: Effort) -> Attack:
    rng = np.random.default_rng(331)
    agree = []
    for _ in range(effort.count(300, 3_000)):
        p, q = int(rng.integers(1, 200)), 2 * int(rng.integers(0, 120)) + 1
        pixel = int(rng.integers(1, p + 1)) if rng.random() < 0.7 else int(rng.choice([1, p]))
        counted = sum(row.count(pixel) for row in listed_patches(p, q))
        agree.append(float(occurrences(p, q, pixel) == counted and 1 <= counted <= q))
    return none_below("random sizes to 200, patches to 239, some at the ends, seed 331: counts agree", agree)


def _norms(effort: Effort) -> Attack:
    rng = np.random.default_rng(332)
    errors = []
    for _ in range(effort.count(40, 1_000)):
        p, channels, q = int(rng.integers(1, 9)), int(rng.integers(1, 4)), 2 * int(rng.integers(0, 5)) + 1
        image = rng.standard_normal((channels, p))
        padded = np.pad(image, ((0, 0), (q // 2, q // 2)))
        whole = sum(np.sum(padded[:, place : place + q] ** 2) for place in range(p))
        counts = np.array([occurrences(p, q, place) for place in range(1, p + 1)])
        errors.append(abs(whole - counts @ np.sum(image**2, axis=0)) / whole)
        if q <= 2 * p + 1:
            # linear activation, H = 2: K^(2) is t^2 times the trace of the patch matrix of the first layer, itself made of patches
            computed = float(gram(image[None], ConvolutionalResNet(2, monomial(1), scale=0.5, patch=q))[0, 0])
            first = np.array(
                [[np.sum(padded[:, place : place + q] * padded[:, r : r + q]) for r in range(p)] for place in range(p)]
            )
            errors.append(abs(computed * 16 - counts @ np.diag(first)) / (counts @ np.diag(first)))
    return errors_below("random images, seed 332, relative", errors, 1e-12)


CLAIMS = (
    Claim(
        "wide_networks.patch",
        "Section 3.3, the operator of the patches",
        r"Stride 1, zero padding, $p$ pixels in a row, $q$ odd: every pixel occurs in at least 1 and at most $q$ patches, and $|x|_F\le|\phi(x)|_F\le\sqrt q\,|x|_F$. "
        r"$q$ is the number of pixels of a patch; where the paper says that $q$ is like $3\times3$, it is 9: in the plane every pixel of images up to $8\times8$ occurs in 1 to $q$ square patches, $q=9$ or $25$.",
        Verdict.PROVED,
        _patch,
    ),
)
