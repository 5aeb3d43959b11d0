"""Whether two written names may be one person's, as Indonesian names are spelled, shortened and ordered. Pure decisions.

A name is folded to *parts*. Each part has a *sound*: the letters that spellings of one name share (oe/u, j/y/dj, tj/c/k, ch/kh/h,
sy/sh/s, f/v/p, z/s; double letters and a silent h go). Sounds are for finding: their fingerprints are kept, never the names
(`sounds_of`). Names are judged by `likeness`, in clear, for the few that were found: 1.0 the same, below `ALIKE` no match.
People are called by one of their names, so a part too many on either side costs little; a part that contradicts costs much.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise

VERSION = 1
"""Of the rules by which sounds are made. Fingerprints of another version are made anew."""
ALIKE, STRONG = 0.74, 0.9
PARTS_MAX = 8

APOSTROPHES = re.compile(r"['’‘`´ʼʻʿʾ]")
WORD = re.compile(r"[^\W_]+")
# Forms of address, degrees and particles: said by one caller and left out by the next.
THE_UNSAID = """bapak bpk pak ibu bu sdr sdri saudara saudari tn tuan ny nyonya nn nona mr mrs ms dr drs dra drg ir prof h hj haji hajjah
 kh kyai kiai ust ustad ustadz ustaz ustadzah bin binti bte alm almarhum almarhumah raden rr rm rd sh se st spd ssos mm msi mpd mba"""
UNSAID = frozenset(THE_UNSAID.split())
THE_MUHAMMADS = """m moh muh mhd mohd mochd moch much muhamad muhammad mohamad mohammad mohamed mohammed muhammed muhamed mochamad mochammad
 muchamad muchammad mokhamad mokhammad mukhamad mukhammad"""
MUHAMMAD = frozenset(THE_MUHAMMADS.split())
SHORT = {
    **dict.fromkeys(("abd", "abdoel", "abdoul"), "abdul"),
    **dict.fromkeys(("achmad", "akhmad", "ahmed", "achmed", "akhmat", "ahmat", "acmad"), "ahmad"),
    **dict.fromkeys(("st", "sitti", "sity"), "siti"),
    "nrl": "nurul",
    "ktut": "ketut",
    "kt": "ketut",
    "wyn": "wayan",
    "nym": "nyoman",
    "kdk": "kadek",
    "gst": "gusti",
}
THE_COMMONEST = frozenset({"muhamad", "abdul"})
"""What millions are called tells nobody apart: it is no sound of its own where there is another."""
SERVANT_OF = re.compile(r"abdu(?!l+ah)(?:l|r(?=r)|s(?=[hs])|n(?=n)|d(?=d)|z(?=z))?(\w{4,})")
# In this order: several letters that stand for one, then letters that stand for each other.
SPELLINGS = tuple(
    (re.compile(pattern), sound)
    for pattern, sound in (
        (r"oe", "u"),
        (r"oo", "u"),
        (r"ou", "u"),
        (r"ie\b", "i"),
        (r"ee", "i"),
        (r"[ao](?:e|i|y(?=\b|[^aeiou]))", "ai"),
        (r"tj", "c"),
        (r"dj", "y"),
        (r"nj", "ny"),
        (r"sj|sy|sh", "s"),
        (r"ch|kh", "h"),
        (r"dz|ts|z", "s"),
        (r"ph|f|v", "p"),
        (r"ck|q|c", "k"),
        (r"x", "ks"),
        (r"h(?=\b|[^aeiou])", ""),
        (r"(?<=[bdgjklmnprstwy])h", ""),
        (r"j", "y"),
        (r"y\b|(?<=[^aeiou])y|iy(?=[aou])", "i"),
        (r"uw(?=[aei])", "u"),
        (r"ei|ai", "e"),
        (r"d\b", "t"),
        (r"b\b", "p"),
        (r"g\b", "k"),
        (r"(.)\1+", r"\1"),
    )
)
VOWELS = re.compile(r"[aeiou]")


def parts_of(name: str) -> tuple[str, ...]:
    """The parts of a name that may tell people apart, folded, in their order; all of them where nothing else is left."""
    apart = unicodedata.normalize("NFKD", APOSTROPHES.sub("", name)).casefold()
    bare = "".join(c for c in apart if not unicodedata.combining(c)).replace("ı", "i")
    words = WORD.findall(bare)[:PARTS_MAX]
    said = [word for word in words if word not in UNSAID] or words
    return tuple(part for word in said for part in _usual(word))


@lru_cache(16_384)
def sound(part: str) -> str:
    """What the spellings of one part have in common."""
    heard = part
    for pattern, letters in SPELLINGS:
        heard = pattern.sub(letters, heard)
    return heard or part


def sounds_of(name: str) -> frozenset[str]:
    """What a name is found by: the sound of each part and of neighbours written together, and their consonants.

    Two names that share none are not compared at all.
    """
    parts = parts_of(name)
    heard = [sound(part) for part in parts if part not in THE_COMMONEST] or [sound(part) for part in parts]
    joined = [sound(left + right) for left, right in pairwise(parts)]
    found = {f"s:{each}" for each in (*heard, *joined) if len(each) > 1}
    return frozenset(found | {f"c:{bones}" for each in heard if len(bones := _bones(each)) > 2})


def likeness(one: str, other: str) -> float:
    """How surely both names may be one person's: 1.0 the same, `STRONG` and more very likely, below `ALIKE` not."""
    return _alike(parts_of(one), parts_of(other))


def _alike(one: Sequence[str], other: Sequence[str]) -> float:
    if not one or not other:
        return 0.0
    if sorted(one) == sorted(other):
        return 1.0
    few, many = sorted((one, other), key=len)
    plain = max(_matched(few, many), _matched(many, few) if len(few) == len(many) else 0.0)
    return plain if plain >= ALIKE else max([plain, *(_matched(each, many) for each in _joined(few))])


def _matched(few: Sequence[str], many: Sequence[str]) -> float:
    """Each part of the shorter name beside the part of the longer one that fits it best, weighed by how much it tells."""
    left, gained, weighed = list(many), 0.0, 0.0
    for part in sorted(few, key=_weight, reverse=True):
        choices = [(_part_likeness(part, each), each) for each in (*left, *_pairs(left))]
        best, fitting = max(choices, default=(0.0, ""))
        gained, weighed = gained + best * _weight(part), weighed + _weight(part)
        if best > 0:
            left = _without(left, fitting)
    surplus = sum(_weight(each) for each in left)
    return gained / weighed * (1 - 0.1 * surplus / (surplus + weighed))


def _part_likeness(one: str, other: str) -> float:
    if one == other:
        return 1.0
    if 1 in (len(one), len(other)):
        return 0.8 if one[0] == other[0] else 0.0
    heard, also = sound(one), sound(other)
    if heard == also:
        return 0.97
    if not (_is_a_slip(heard, also) or _is_a_slip(one, other)):
        return 0.0
    return 0.87 if max(len(heard), len(also)) >= 5 else 0.7


def _is_a_slip(one: str, other: str) -> bool:
    """One letter is wrong in something long enough to be recognised all the same."""
    return min(len(one), len(other)) >= 4 and abs(len(one) - len(other)) <= 1 and _distance(one, other) <= 1


def _weight(part: str) -> float:
    """How much a part tells: little for an initial and for what everybody is called."""
    return 0.3 if part in THE_COMMONEST or len(part) == 1 else 1.0


def _pairs(parts: Sequence[str]) -> Iterable[str]:
    return (left + right for left, right in pairwise(parts))


def _joined(parts: Sequence[str]) -> Iterable[tuple[str, ...]]:
    """The name with two neighbours written together, each in turn: Nur Aini, Nuraini."""
    return ((*parts[:at], parts[at] + parts[at + 1], *parts[at + 2 :]) for at in range(len(parts) - 1))


def _without(parts: list[str], used: str) -> list[str]:
    if used in parts:
        at = parts.index(used)
        return parts[:at] + parts[at + 1 :]
    at = next(at for at, pair in enumerate(_pairs(parts)) if pair == used)
    return parts[:at] + parts[at + 2 :]


def _usual(word: str) -> tuple[str, ...]:
    """The usual spelling; two parts for Abdurrahman, which others write as two."""
    if servant := SERVANT_OF.fullmatch(word):
        return "abdul", servant[1]
    return ("muhamad" if word in MUHAMMAD else SHORT.get(word, word),)


def _bones(heard: str) -> str:
    """The consonants alone, once each in a row: what is left of a name heard on a bad line."""
    return re.sub(r"(.)\1+", r"\1", heard[:1] + VOWELS.sub("", heard[1:]))


def _distance(one: str, other: str) -> int:
    """Letters to change, add, drop or swap with their neighbour, to make one of the other."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, 1):
        earlier, before, row = before, row, [i]
        for j, right in enumerate(other, 1):
            cost = min(before[j] + 1, row[-1] + 1, before[j - 1] + (left != right))
            if i > 1 and j > 1 and left == other[j - 2] and one[i - 2] == right:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
    return row[-1]
