"""The ranks of a graph: which boxes stand below which.

Causes are claims, and handlers may call one another in circles: a link that would close a ring is
turned round for the layout. Source: Sugiyama, Tagawa and Toda (1981), *Methods for Visual
Understanding of Hierarchical System Structures*; layers are filled as by Coffman and Graham.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

Pair = tuple[str, str]


def without_rings(ids: Sequence[str], pairs: Iterable[Pair]) -> list[Pair]:
    """Turn links round so that none leads back; `ids` come in the order to begin from."""
    below: dict[str, list[int]] = {id_: [] for id_ in ids}
    found = list(pairs)
    for number, (start, _) in enumerate(found):
        below[start].append(number)
    entered, left = set[str](), set[str]()
    for root in ids:
        if root in entered:
            continue
        entered.add(root)
        ahead = [(root, iter(below[root]))]
        while ahead:
            id_, numbers = ahead[-1]
            number = next(numbers, -1)
            if number < 0:
                left.add(id_)
                ahead.pop()
                continue
            end = found[number][1]
            if end not in entered:
                entered.add(end)
                ahead.append((end, iter(below[end])))
            elif end not in left:
                found[number] = (end, id_)
    return found


def ranks(ids: Sequence[str], pairs: Sequence[Pair], widest: int) -> dict[str, int]:
    """Give every box a rank below all that lead to it, at most `widest` boxes to a rank.

    Args:
        ids: The boxes, those that are to come first before others.
        pairs: Links without rings.
        widest: How many boxes may stand side by side.
    """
    above: dict[str, list[str]] = {id_: [] for id_ in ids}
    below: dict[str, list[str]] = {id_: [] for id_ in ids}
    for start, end in pairs:
        above[end].append(start)
        below[start].append(end)
    left = {id_: len(above[id_]) for id_ in ids}
    found: dict[str, int] = {}
    filled = Counter[int]()
    ahead = [id_ for id_ in ids if not left[id_]]
    for id_ in ahead:  # it grows
        rank = max((found[one] + 1 for one in above[id_]), default=0)
        while filled[rank] >= widest:
            rank += 1
        found[id_] = rank
        filled[rank] += 1
        for one in below[id_]:
            left[one] -= 1
            if not left[one]:
                ahead.append(one)
    _down(found, above, below)
    used = {rank: number for number, rank in enumerate(sorted(set(found.values())))}
    return {id_: used[rank] for id_, rank in found.items()}


def _down(
    found: dict[str, int], above: Mapping[str, Sequence[str]], below: Mapping[str, Sequence[str]]
) -> None:
    """Put what nothing leads to just above the first that it leads to."""
    for id_ in found:
        if not above[id_] and below[id_]:
            found[id_] = min(found[one] for one in below[id_]) - 1
