"""Words of captions: which are common, and which are particular to a label. NumPy only."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fieldmark.data.words import WORD

IRREGULAR = {"people": "person", "men": "man", "women": "woman", "children": "child"}
IRREGULAR |= {"feet": "foot", "teeth": "tooth", "geese": "goose", "mice": "mouse"}
SMALL_WORDS = (
    "a about above across after against all along also an and another any are around as at away "
    "be because been before behind being below beneath beside between both but by can down during "
    "each five for four from front had has have having he her him his how i in inside into is it "
    "its just many more most near next no not of off on one onto or other our out outside over "
    "several she so some than that the their them then there these they this those three through "
    "to together top toward towards two under underneath up upon very was we were what when where "
    "which while who with without you your"
)
FUNCTION_WORDS = frozenset(SMALL_WORDS.split())
LEAST = 3  # captions that a word must stand in
MOST = 5000  # words that are looked at, the commonest
RIDGE = 0.01  # keeps the regression apart from labels that determine one another
SURE = 4.0  # standard errors from chance, of a word that is called particular
PHRASE = 0.5  # share of a word's captions in which a neighbour stands, that makes the two one name


@dataclass(frozen=True)
class Particular:
    """A word, or two that belong together, and how it goes with a label.

    weight: how particular, about -1..1, see `particular`. captions: of the label, with the word.
    """

    word: str
    weight: float
    captions: int


def words_of(captions: Iterable[str]) -> list[list[str]]:
    """Each caption's words in order: small letters, singular, "" where a function word stood.

    A plural counts as its singular where that stands in some caption too: "buses" with "bus",
    but "grass" stays.
    """
    split = [WORD.findall(caption.lower()) for caption in captions]
    known = {word for words in split for word in words}
    one = {word: "" if word in FUNCTION_WORDS else _singular(word, known) for word in known}
    return [[one[word] for word in words] for words in split]


def common(words: Iterable[Sequence[str]], most: int) -> list[tuple[str, int]]:
    """The words that stand in most captions, with in how many; equal ones by the alphabet."""
    found = Counter(word for its in words for word in set(its) if word)
    return sorted(found.items(), key=lambda item: (-item[1], item[0]))[:most]


def particular(
    labels: Sequence[Sequence[str]], words: Sequence[Sequence[str]], *, most: int
) -> dict[str, list[Particular]]:
    """The words most particular to each label, the most particular first; by label, in order.

    labels, words: of the same captions; words as `words_of` gives them. The presence of each word
    in a caption is regressed on the presence of all labels (least squares with a small ridge, all
    standardised), and a word's weight for a label is its coefficient there: with one label alone
    it is nearly the correlation phi; where labels occur together, each word goes to the label that
    it comes with ("street" to none of car, bus and traffic light above its own word). Hoerl and
    Kennard, "Ridge regression", Technometrics 1970, (2.1). Words are left out that stand in fewer
    than LEAST captions of a label, and where the correlation, or twice the weight, is less than
    SURE / sqrt(N): of two labels that exclude one another each has half of the weight.
    """
    names = sorted({label for its in labels for label in its})
    terms = [word for word, n in common(words, MOST) if n >= LEAST]
    if not names or not terms:
        return {name: [] for name in names}
    row = {name: place for place, name in enumerate(names)}
    column = {term: place for place, term in enumerate(terms)}
    together = np.zeros((len(names), len(names)))
    both, seen = np.zeros((len(names), len(terms))), np.zeros(len(terms))
    for its, its_words in zip(labels, words, strict=True):
        rows = [row[label] for label in set(its)]
        columns = [column[word] for word in set(its_words) if word in column]
        together[np.ix_(rows, rows)] += 1
        seen[columns] += 1
        both[np.ix_(rows, columns)] += 1
    phi, weights = _weights(together, both, seen, len(labels))
    sure = np.minimum(phi, 2 * weights) >= SURE / np.sqrt(len(labels))
    weights[(both < LEAST) | ~sure] = -np.inf
    found = {}
    for name, its_weights, counts in zip(names, weights, both, strict=True):
        order = np.argsort(-its_weights, kind="stable")[:most]
        found[name] = [
            Particular(terms[place], float(its_weights[place]), int(counts[place]))
            for place in order
            if its_weights[place] > 0
        ]
    return found


def phrase(word: str, captions: Iterable[Sequence[str]]) -> str:
    """The word with the neighbour that most of its captions have beside it, or the word alone.

    "hydrant" -> "fire hydrant". captions: words of the captions that it is to stand for.
    """
    neighbours: Counter[str] = Counter()
    seen = 0
    for words in captions:
        if word not in words:
            continue
        seen += 1
        pairs = {pair for pair in pairwise(words) if word in pair and all(pair)}
        neighbours.update(" ".join(pair) for pair in pairs if pair[0] != pair[1])
    best = min(neighbours.items(), key=lambda item: (-item[1], item[0]), default=(word, 0))
    return best[0] if seen and best[1] >= PHRASE * seen else word


def _weights(
    together: np.ndarray, both: np.ndarray, seen: np.ndarray, n: int
) -> tuple[np.ndarray, np.ndarray]:
    """Correlations of labels and words, and the coefficients of words on labels.

    Of n captions those with two labels, together (L, L), with a label and a word, both (L, T),
    and with a word, seen (T,). -> (L, T), (L, T)
    """
    own = np.diag(together)
    phi = _correlations(both, own, seen, n)
    among = _correlations(together, own, own, n)
    return phi, np.linalg.solve(among + RIDGE * np.eye(len(own)), phi)


def _correlations(both: np.ndarray, one: np.ndarray, other: np.ndarray, n: int) -> np.ndarray:
    """The phi coefficients of what stands in `one` (A,) and `other` (B,) of n captions, and in
    `both` (A, B); 0 for what stands in all or none. -> (A, B)"""
    spread = np.sqrt(np.outer(one * (n - one), other * (n - other)))
    product: np.ndarray = np.where(spread > 0, n * both - np.outer(one, other), 0.0)
    return product / np.where(spread > 0, spread, 1.0)


def _singular(word: str, known: set[str]) -> str:
    """The singular of an English plural where captions have it, else the word."""
    if word in IRREGULAR:
        return IRREGULAR[word]
    if len(word) > 3 and word.endswith("s"):
        tried = [word[:-1]]
        tried += [word[:-2]] if word.endswith("es") else []
        tried += [word[:-3] + "y"] if word.endswith("ies") else []
        tried += [word[:-3] + "f", word[:-3] + "fe"] if word.endswith("ves") else []
        for one in tried:
            if one in known and one not in FUNCTION_WORDS and len(one) > 2:
                return one
    return word
