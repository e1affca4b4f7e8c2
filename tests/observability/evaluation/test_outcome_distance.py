"""Distances of letters and of vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from tests.observability.evaluation.trials import score, trial

from motet.errors import ModelUnavailable
from motet.observability.evaluation.evaluator import Means
from motet.observability.evaluation.outcome_distance import VectorAlgorithm, vector_distance


@pytest.mark.parametrize(
    ("algorithm", "distance"),
    [
        ("levenshtein", 3 / 7),
        ("damerau_levenshtein", 3 / 7),
        ("jaro", 0.253968),
        ("jaro_winkler", 0.253968),
        ("indel", 0.384615),
        ("hamming", 3 / 7),
    ],
)
async def test_kitten_and_sitting(algorithm: str, distance: float) -> None:
    """The textbook's pair has the distances that rapidfuzz's and LangChain's documentation give."""
    found = await score(f"string_distance:algorithm={algorithm}", trial("kitten", reference="sitting"))
    assert found.value == pytest.approx(distance, abs=1e-6)


@pytest.mark.parametrize(
    ("algorithm", "distance"),
    [("cosine", 1 - 8 / 10), ("euclidean", 2 * math.sqrt(1)), ("manhattan", 2), ("chebyshev", 2)],
)
async def test_vectors_by_each_measure(algorithm: str, distance: float) -> None:
    """Worked by hand: (3, 1) and (3, 3) but for the cosine, (2, 1) and (1, 2)."""
    pair = [[2.0, 1.0], [1.0, 2.0]] if algorithm == "cosine" else [[3.0, 1.0], [3.0, 3.0]]

    async def embed(texts: Sequence[str]) -> Sequence[Sequence[float]]:
        assert list(texts) == ["one", "other"]
        return pair

    told = f"embedding_distance:algorithm={algorithm}"
    found = await score(told, trial("one", reference="other"), Means(embed=embed))
    assert found.value == pytest.approx(distance)


async def test_without_vectors_there_is_an_error() -> None:
    """No embeddings, embeddings that fail, and nothing to embed are told as errors."""

    async def broken(texts: Sequence[str]) -> Sequence[Sequence[float]]:
        raise ModelUnavailable("x:y", f"no key for {len(texts)} texts")

    async def embed(texts: Sequence[str]) -> Sequence[Sequence[float]]:
        return [[0.0] for _ in texts]

    told = "embedding_distance"
    tried = trial("one", reference="other")
    assert (await score(told, tried)).error == "there are no embeddings here"
    assert (await score(told, tried, Means(embed=broken))).error == "ModelUnavailable: model x:y: no key for 2 texts"
    assert (await score(told, tried, Means(embed=embed))).error == "ValueError: a vector of zeros has no direction"
    assert (await score(told, trial("", reference="other"), Means(embed=embed))).error == "there is no text to compare"


@pytest.mark.parametrize("algorithm", ["cosine", "euclidean", "manhattan", "chebyshev"])
def test_vectors_agree_with_scipy(algorithm: VectorAlgorithm) -> None:
    """SciPy computes the same distances of 200 random pairs."""
    import numpy as np  # noqa: PLC0415 - with scipy
    from scipy.spatial import distance  # noqa: PLC0415 - takes a second, for this test alone

    theirs = {"manhattan": distance.cityblock}.get(algorithm) or getattr(distance, algorithm)
    draw = np.random.default_rng(3)
    for _ in range(200):
        one, other = draw.normal(size=(2, 8))
        ours = vector_distance(algorithm, one.tolist(), other.tolist())
        assert ours == pytest.approx(float(theirs(one, other)))
