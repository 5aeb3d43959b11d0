"""What the answer sheet must say at chosen instants of the earthquakes of 6 February 2023, by hand.

Beside every figure stands the published statement it comes from (who, when, what), so that a reader can check
it without the program. Where the time of a statement is only assumed, the instants lie well between the
statements: only the order is tested. `LOW..HIGH` is a range; None is "nobody gave a number".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Fig:
    """A figure that must stand: its cell, its value, and the statement it comes from."""

    row: str
    category: str
    places: str
    value: Any
    nationality: str = "own"
    series: str = "own"
    source: str = "mission:kbri-ankara"
    author: str | None = None
    claim: str | None = None
    is_conflicting: bool = False
    of_which: tuple[tuple[str, str, int], ...] = ()


@dataclass(frozen=True)
class Tot:
    """What a question must say in sum: low and high, or a silence."""

    row: str
    question: str
    category: str
    answer: str
    low: int | None = None
    high: int | None = None
    places: str = ""
    text: str | None = None


@dataclass(frozen=True)
class Instant:
    """One moment: what must stand, what must not, and what must be in doubt."""

    at: str
    why: str
    stands: tuple[Fig, ...] = ()
    totals: tuple[Tot, ...] = ()
    planned: tuple[tuple[str, str, int], ...] = ()
    conflicts: tuple[frozenset[int], ...] = ()
    withdrawn: tuple[tuple[str, str, str], ...] = ()
    absent: tuple[tuple[str, str], ...] = ()
    not_known: tuple[str, ...] = ()
    sentence_has: tuple[str, ...] = ()
    sentence_lacks: tuple[str, ...] = ()
    named: dict[str, int] = field(default_factory=dict)


REGISTERED = Fig("KBRI Ankara, 6 Feb: registered in the country, Türkiye, 6500 (approximate)", "registered", "TR", 6500)
PRESENT = Fig(
    "KBRI Ankara, 6 Feb: estimated in the affected area of ten provinces, 500 (approximate)",
    "estimated_present",
    "TR-01|TR-02|TR-21|TR-27|TR-31|TR-44|TR-46|TR-63|TR-79|TR-80",
    500,
)
NO_DEATH = Fig("KBRI Ankara, 6 Feb: no own death reported so far (belum ada laporan)", "dead", "TR", "none_reported")
INJURED_46 = Fig("KBRI Ankara, 6 Feb: injured and referred to hospital, Kahramanmaraş, 1", "injured", "TR-46", 1)
INJURED_31 = Fig("KBRI Ankara, 6 Feb: injured and referred to hospital, Hatay, 2", "injured", "TR-31", 2)
PRESS_51 = Fig("press, 6 Feb 12:30: dead in all, Türkiye and Syria together, 51", "dead", "SY|TR", 51, "mixed", "media", "media", "press")
PRESS_284 = Fig("press, 6 Feb 12:45: dead in all, Türkiye, 284", "dead", "TR", 284, "mixed", "media", "media", "press")
PRESS_230 = Fig("press, 6 Feb 12:45: dead in all, Syria, 230", "dead", "SY", 230, "mixed", "media", "media", "press")
PRESIDENT = ("mixed", "host_state", "host_state", "pernyataan presiden")
DEAD_912 = Fig("president, 6 Feb 13:40: dead, Türkiye, 912", "dead", "TR", 912, *PRESIDENT)
INJURED_5385 = Fig("president, 6 Feb 13:40: injured, Türkiye, 5385", "injured", "TR", 5385, *PRESIDENT)
DISPUTED_5385 = Fig("president, 6 Feb 13:40: injured, Türkiye, 5385", "injured", "TR", 5385, *PRESIDENT, is_conflicting=True)
DISPUTED_5835 = Fig(
    "ambassador, 6 Feb: injured in all, said as seriously injured, 5835 (digits transposed, severity raised)",
    "seriously_injured", "TR", 5835, "mixed", "host_state", is_conflicting=True,
)  # fmt: skip
INJURED_10 = Fig(
    "ministry, 7 Feb: injured 10, of them in hospital 4",
    "injured", "TR", 10, source="ministry", claim="corroborated", of_which=(("in_hospital", "own", 4),),
)  # fmt: skip
PLANNED_6 = ("en_route", "TR-06", 6)
PLANNED_104 = ("evacuated", "TR-01|TR-21|TR-27|TR-31|TR-46", 104)
UNREACHED_31 = Fig("KBRI Ankara, 7 Feb: cannot be reached, a mother and two children in Antakya, 3", "unaccounted", "TR-31", 3)
UNREACHED_21 = Fig("KBRI Ankara, 7 and 8 Feb: cannot be reached, two spa therapists, 2", "unaccounted", "TR-21", 2)
SYRIA_NONE = Fig("KBRI Damascus, 7 Feb: no own casualties found by visit, 0", "dead", "SY", 0, source="mission:kbri-damascus")
OFFICIAL = ("mixed", "host_state", "host_state", "angka resmi")
DEAD_2379 = Fig("host state, 7 Feb: dead in all, Türkiye, 2379", "dead", "TR", 2379, *OFFICIAL)
DEAD_1444 = Fig("host state, 7 Feb: dead in all, Syria, 1444", "dead", "SY", 1444, *OFFICIAL)
DEAD_3823 = Fig("host state, 7 Feb: dead in all, both together, 3823 (= 2379 + 1444)", "dead", "SY|TR", 3823, *OFFICIAL)
SAFE_3 = Fig("KBRI Ankara, 8 Feb: the three in Hatay found at home by the embassy team, 3", "safe", "TR-31", 3, claim="contact_made")
DISPUTED_21 = Fig(
    "KBRI Ankara, 8 Feb: still not reached, 2 (the ministry's 1 of 10 Feb is not proven)", "unaccounted", "TR-21", 2, is_conflicting=True
)
DEAD_46 = Fig("press, 8 Feb: a citizen and her child found dead, 2 (host authority)", "dead", "TR-46", 2, claim="corroborated")
HUSBAND = Fig("press, 8 Feb: dead family member (Turkish husband), 1", "dead", "TR-46", 1, "foreign_family")
EVACUATED = Fig(
    "press, 8 Feb: evacuated to Ankara 123, of them foreign: Malaysia 2, Myanmar 1",
    "evacuated", "TR-06", 123, "mixed", of_which=(("evacuated", "foreign_helped", 1), ("evacuated", "foreign_helped", 2)),
)  # fmt: skip
CLAIM_10FEB = Fig(
    "ministry, 10 Feb: one of the two therapists can now be contacted, 1 (who, when and how not said)",
    "unaccounted", "TR-21", 1, source="ministry", claim="reported", is_conflicting=True,
)  # fmt: skip
DEAD_2_MINISTRY = Fig("ministry, 10 Feb: dead, 2 (confirmed)", "dead", "TR", 2, source="ministry", claim="corroborated")
PRESS_A = Fig("press A, 10 Feb: registered in Syria, 116", "registered", "SY", 116, "own", "media", "media", "press A", is_conflicting=True)
PRESS_B = Fig(
    "press B, 10 Feb: registered in Syria, 1557", "registered", "SY", 1557, "own", "media", "media", "press B", is_conflicting=True
)
DEAD_21 = Fig("KBRI Ankara, 18 Feb: both therapists identified dead (DVI), 2", "dead", "TR-21", 2, claim="verified")
DEAD_4 = Fig("KBRI Ankara, 18 Feb: dead in all, 4", "dead", "TR", 4, claim="corroborated")
PRESS_128 = Fig("press, 18-21 Feb: evacuated in all, 128", "evacuated", "TR", 128, "mixed", "media", "media", "press")

NONE_SO_FAR = "Hingga saat ini belum ada laporan mengenai WNI yang meninggal dunia."

INSTANTS = (
    Instant(
        at="2023-02-06T08:00+03:00",
        why="nobody has reported anything: not known is the answer, and no zero anywhere",
        totals=(
            Tot("(no statement yet)", "ours", "dead", "not_known"),
            Tot("(no statement yet)", "ours", "injured", "not_known"),
        ),
        absent=(("dead", "TR"), ("injured", "TR")),
        sentence_has=("masih dikumpulkan",),
        sentence_lacks=("belum ada laporan", " 0 WNI"),
    ),
    Instant(
        at="2023-02-06T12:10+03:00",
        why="the first report: none reported is not zero, places stay apart",
        stands=(REGISTERED, PRESENT, NO_DEATH, INJURED_46, INJURED_31),
        totals=(
            Tot("KBRI Ankara, 6 Feb: belum ada laporan", "ours", "dead", "none_reported", places="TR"),
            Tot("KBRI Ankara, 6 Feb: injured 1 + 2, two places only: at least 3", "ours", "injured", "number", 3, None, "TR-31|TR-46"),
        ),
        sentence_has=(NONE_SO_FAR, "Sedikitnya 3 WNI dilaporkan luka-luka."),
        sentence_lacks=("tidak ada korban", " 0 WNI"),
    ),
    Instant(
        at="2023-02-06T12:35+03:00",
        why="the first press figure is of both countries together, and is the press's, not the host state's",
        stands=(PRESS_51, NO_DEATH),
        absent=(("dead", "SY"),),
    ),
    Instant(
        at="2023-02-06T13:00+03:00",
        why="per country and jointly side by side, never added",
        stands=(PRESS_51, PRESS_284, PRESS_230),
    ),
    Instant(
        at="2023-02-06T14:00+03:00",
        why="912 is Türkiye alone; the host state's series and the media's stay apart",
        stands=(DEAD_912, INJURED_5385, PRESS_284, PRESS_230, PRESS_51),
        totals=(
            Tot("president, 6 Feb 13:40: dead, Türkiye, 912", "host_casualties", "dead", "number", 912, 912, "TR"),
            Tot("president, 6 Feb 13:40: injured, Türkiye, 5385", "host_casualties", "injured", "number", 5385, 5385, "TR"),
        ),
    ),
    Instant(
        at="2023-02-06T15:00+03:00",
        why="5,835 called seriously injured against 5,385 injured in all: a conflict, and severity is not mixed in",
        stands=(DEAD_912, DISPUTED_5385, DISPUTED_5835, NO_DEATH),
        totals=(
            Tot("president, 6 Feb 13:40: injured, Türkiye, 5385", "host_casualties", "injured", "number", 5385, 5385, "TR"),
            Tot("KBRI Ankara, 6 Feb: belum ada laporan", "ours", "dead", "none_reported", places="TR"),
        ),
        conflicts=(frozenset({5385, 5835}),),
        sentence_has=(NONE_SO_FAR,),
    ),
    Instant(
        at="2023-02-07T15:00+07:00",
        why="10 injured, 4 of them in hospital; plans are plans; Syria's zero was checked and is Syria's alone",
        stands=(INJURED_10, INJURED_46, INJURED_31, UNREACHED_31, UNREACHED_21, SYRIA_NONE, NO_DEATH, DEAD_2379, DEAD_1444, DEAD_3823),
        totals=(
            Tot("ministry, 7 Feb: injured, Türkiye, 10 (1 and 2 of the day before are inside)", "ours", "injured", "number", 10, 10, "TR"),
            Tot("KBRI Ankara 6 Feb: belum ada laporan; KBRI Damascus 7 Feb: none found", "ours", "dead", "none_reported", places="SY|TR"),
            Tot("KBRI Ankara, 7 Feb: 3 in Hatay and 2 in Diyarbakır", "ours", "unaccounted", "number", 5, None, "TR-21|TR-31"),
            Tot("host state, 7 Feb: 3823 = 2379 + 1444, not added again", "host_casualties", "dead", "number", 3823, 3823, "SY|TR"),
        ),
        planned=(PLANNED_6, PLANNED_104),
        absent=(("evacuated", "TR-06"), ("evacuated", "TR")),
        sentence_has=("10 WNI dilaporkan luka-luka.", NONE_SO_FAR),
        sentence_lacks=("dievakuasi", "104"),
    ),
    Instant(
        at="2023-02-08T11:30+03:00",
        why="three found at home by the embassy's own team; two still not reached",
        stands=(SAFE_3, UNREACHED_21, NO_DEATH),
        totals=(Tot("KBRI Ankara, 8 Feb: still not reached, 2", "ours", "unaccounted", "number", 2, None, "TR-21"),),
        planned=(PLANNED_104,),
        absent=(("unaccounted", "TR-31"),),
    ),
    Instant(
        at="2023-02-08T13:00+03:00",
        why="two own dead and one foreign family member; 123 evacuated, three of them foreigners; 104 stays a plan",
        stands=(DEAD_46, HUSBAND, EVACUATED, SYRIA_NONE, SAFE_3),
        totals=(Tot("press, 8 Feb: a citizen and her child found dead, 2", "ours", "dead", "number", 2, None, "TR-46"),),
        planned=(PLANNED_104,),
        absent=(("dead", "TR"),),
        sentence_has=("masih diverifikasi",),
        sentence_lacks=("belum ada laporan", " 2 WNI", "meninggal"),
    ),
    Instant(
        at="2023-02-10T16:30+07:00",
        why="two days later nothing new: the figures stand, and look their age",
        stands=(UNREACHED_21, DEAD_46, EVACUATED),
    ),
    Instant(
        at="2023-02-10T18:00+07:00",
        why="'can now be contacted' without who, when and how stands no higher than reported; two Syria registers side by side",
        stands=(CLAIM_10FEB, DISPUTED_21, DEAD_2_MINISTRY, PRESS_A, PRESS_B, DEAD_46, HUSBAND),
        totals=(
            Tot("ministry, 10 Feb: dead, 2", "ours", "dead", "number", 2, 2, "TR"),
            Tot("ministry, 10 Feb: injured, 10", "ours", "injured", "number", 10, 10, "TR"),
            Tot("ministry, 10 Feb: 1 (not proven); KBRI Ankara, 8 Feb: 2", "ours", "unaccounted", "number", 1, None, "TR-21", "1 sampai 2"),
        ),
        conflicts=(frozenset({116, 1557}), frozenset({5385, 5835}), frozenset({1, 2})),
        sentence_lacks=("selamat", "telah dihubungi", "meninggal"),
    ),
    Instant(
        at="2023-02-18T11:00+03:00",
        why="the hour before: the claim of the 10th still stands, at its rung",
        stands=(CLAIM_10FEB, DISPUTED_21, DEAD_2_MINISTRY),
        conflicts=(frozenset({1, 2}),),
    ),
    Instant(
        at="2023-02-18T13:00+03:00",
        why="four dead; the claim of the 10th is withdrawn, its author named",
        stands=(DEAD_21, DEAD_46, DEAD_4, HUSBAND, EVACUATED, PRESS_128),
        totals=(Tot("KBRI Ankara, 18 Feb: dead in all, 4 (2 + 2 are inside)", "ours", "dead", "number", 4, 4, "TR"),),
        withdrawn=(("ministry", "unaccounted", "TR-21"), ("mission:kbri-ankara", "unaccounted", "TR-21")),
        absent=(("unaccounted", "TR-21"), ("unaccounted", "TR-31")),
        not_known=("unaccounted",),
        conflicts=(frozenset({116, 1557}), frozenset({5385, 5835})),
        planned=(PLANNED_6, PLANNED_104),
        sentence_lacks=(" 4 WNI", "selamat", "belum ada laporan"),
    ),
)
