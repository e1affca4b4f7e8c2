"""How far an answer is from the reference: by its letters, or by its meaning."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from motet.errors import MotetError
from motet.observability.evaluation.by_function import ByFunction
from motet.observability.evaluation.described import Described
from motet.observability.evaluation.evaluator import Evaluator, Means, Scale, Score, Trial
from motet.observability.evaluation.looked_up import as_text, output_of, reference_of, steps
from motet.observability.evaluation.offline import offline
from motet.observability.evaluation.outcome_exact import Compared
from motet.observability.evaluation.telling import named

StringAlgorithm = Literal["levenshtein", "damerau_levenshtein", "jaro", "jaro_winkler", "indel", "hamming"]
VectorAlgorithm = Literal["cosine", "euclidean", "manhattan", "chebyshev"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StringDistance(Compared):
    """By which measure texts are compared."""

    algorithm: StringAlgorithm = "levenshtein"
    """rapidfuzz's, normalised: 0 is equal, 1 is nothing in common."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingDistance(Compared):
    """By which measure vectors are compared."""

    algorithm: VectorAlgorithm = "cosine"
    """cosine is 1 minus the cosine, from 0 to 2; the others have no upper bound."""


def _string_distance(told: StringDistance, _: Means) -> Evaluator:
    key, texts = told.key or "string_distance", _texts(told, "string_distance")

    def look(trial: Trial) -> Sequence[Score]:
        both = texts(trial)
        if both is None:
            return ()
        if isinstance(both, str):
            return (Score(key=key, value=1.0, comment=both),)
        return (Score(key=key, value=string_distance(told.algorithm, *both)),)

    scale = Scale(kind="number", higher_is_better=False)
    return offline(named("string_distance", told), {key: scale}, look)


def string_distance(algorithm: StringAlgorithm, first: str, second: str) -> float:
    """The normalised distance of two texts, 0 to 1; two empty ones are equal."""
    from rapidfuzz import distance  # noqa: PLC0415 - only who compares texts pays for it

    match algorithm:
        case "levenshtein":
            return distance.Levenshtein.normalized_distance(first, second)
        case "damerau_levenshtein":
            return distance.DamerauLevenshtein.normalized_distance(first, second)
        case "jaro":
            return distance.Jaro.normalized_distance(first, second)
        case "jaro_winkler":
            return distance.JaroWinkler.normalized_distance(first, second)
        case "indel":
            return distance.Indel.normalized_distance(first, second)
        case "hamming":
            return distance.Hamming.normalized_distance(first, second)


def _embedding_distance(told: EmbeddingDistance, means: Means) -> Evaluator:
    key, texts, embed = told.key or "embedding_distance", _texts(told, "embedding_distance"), means.embed

    async def look(trial: Trial) -> Sequence[Score]:
        both = texts(trial)
        if both is None:
            return ()
        if isinstance(both, str) or not all(one.strip() for one in both):
            lacking = both if isinstance(both, str) else "there is no text to compare"
            return (Score(key=key, value=None, error=lacking),)
        if embed is None:
            return (Score(key=key, value=None, error="there are no embeddings here"),)
        return (await _measured(key, told.algorithm, embed, both),)

    high = 2.0 if told.algorithm == "cosine" else None
    scale = Scale(kind="number", high=high, higher_is_better=False)
    return ByFunction(name=named("embedding_distance", told), scales={key: scale}, look=look)


async def _measured(
    key: str,
    algorithm: VectorAlgorithm,
    embed: Callable[[Sequence[str]], Awaitable[Sequence[Sequence[float]]]],
    both: tuple[str, str],
) -> Score:
    try:
        first, second = await embed(both)
        return Score(key=key, value=vector_distance(algorithm, first, second))
    except (MotetError, OSError, ValueError) as error:
        return Score(key=key, value=None, error=f"{type(error).__name__}: {error}")


def vector_distance(algorithm: VectorAlgorithm, first: Sequence[float], second: Sequence[float]) -> float:
    """The distance of two vectors of one length.

    Raises:
        ValueError: their lengths differ, or one has no direction and the cosine is asked for.
    """
    import numpy as np  # noqa: PLC0415 - only who compares vectors pays for it

    one, other = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if one.shape != other.shape:
        raise ValueError(f"vectors of {one.size} and {other.size} numbers can't be compared")
    match algorithm:
        case "cosine":
            lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
            if not lengths:
                raise ValueError("a vector of zeros has no direction")
            return max(0.0, 1 - float(one @ other) / lengths)
        case "euclidean":
            return float(np.linalg.norm(one - other))
        case "manhattan":
            return float(np.abs(one - other).sum())
        case "chebyshev":
            return float(np.abs(one - other).max())


def _texts(told: Compared, name: str) -> Callable[[Trial], tuple[str, str] | str | None]:
    """What gives a trial's two texts; or a sentence, where the output lacks one; None without a reference."""
    path, reference = steps(told.path, f"{name}.path"), steps(told.reference, f"{name}.reference")

    def both(trial: Trial) -> tuple[str, str] | str | None:
        wanted = reference_of(trial, reference)
        if wanted.missing:
            return None
        found = output_of(trial, path)
        return found.missing or (as_text(found.value), as_text(wanted.value))

    return both


STRING_DISTANCE = Described(
    name="string_distance",
    arguments=StringDistance,
    make=_string_distance,
    about="How many letters the answer is away from the reference, 0 to 1; lower is better.",
)
EMBEDDING_DISTANCE = Described(
    name="embedding_distance",
    arguments=EmbeddingDistance,
    make=_embedding_distance,
    about="How far the answer's meaning is from the reference's, by the installation's embeddings; lower is better.",
)
