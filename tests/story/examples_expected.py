"""What the sheet says of each invented crisis in `alerts/story/data/examples`, written by hand: every figure that stands at a moment.

A key is category, places, nationality, series; a value the number, or the answer where it is no number.
"""

from __future__ import annotations

from dataclasses import dataclass, field

Value = int | str


@dataclass(frozen=True)
class Look:
    """The sheet as of a moment; with `known`, as it was known once that step had arrived."""

    at: str
    stands: dict[str, Value]
    held: tuple[str, ...] = ()
    conflicts: tuple[frozenset[int], ...] = ()
    planned: tuple[tuple[str, int], ...] = ()
    says: tuple[str, ...] = ()
    says_not: tuple[str, ...] = ()
    known: str | None = None
    reports: dict[str, int] = field(default_factory=dict)


SRI_LANKA = {"dead LK own own": "none_reported", "injured LK own own": "no_answer_yet"}
SRI_LANKA |= {"registered LK own own": 1320, "estimated_present LK own own": 1900}
GROUPS = {"registered JO-AZ own own": 870}
DHAKA = {"dead BD own own": "none_reported", "injured BD own own": 3, "unaccounted BD own own": 14}
OTHERS = {"dead BD mixed host_state": 212, "injured BD mixed host_state": 1900, "dead BD mixed media": 260}
GULF: dict[str, Value] = {
    "dead AE own own": "none_reported",
    "dead QA own own": 0,
    "injured QA own own": 0,
    "injured OM own own": 2,
    "injured SA own own": 1,
    "injured AE-DU own own": 4,
    "sheltering OM own own": 140,
    "sheltering AE own own": 75,
    "sheltering AE-DU own own": 52,
    "sheltering YE own own": 18,
    "stranded SA own own": 31,
    "affected SA-02 own own": 0,
    "affected AE|OM own own": 420,
    "unaccounted YE own own": 4,
}
AT_SEA: dict[str, Value] = {"registered SD-KH own own": 760, "stayed SD-KH own own": 58}
AT_SEA |= {"en_route SD-KH own own": 0, "ill SD-RS own own": 4}
ASHORE = AT_SEA | {"sheltering SD-RS own own": 0, "en_route SD-RS mixed own": 0}
CHECKED: dict[str, Value] = {"evacuated SA-02 own own": 281, "evacuated SA-02 foreign_helped own": 14}
ABOARD: dict[str, Value] = {"affected QA mixed own": 181, "affected QA own own": 11, "affected QA own_child_dual own": 1}
ABOARD |= {"dead LK mixed host_state": 150, "seriously_injured LK own own": 2, "in_hospital LK own own": 2}
GUINEA: dict[str, Value] = {"registered GN own own": 83, "dead GN own own": "none_reported", "detained GN own own": 2}

LOOKS: dict[str, list[Look]] = {
    "checked_totals": [
        Look(
            "2024-05-07T21:00:00+05:30",
            SRI_LANKA | {"evacuated LK mixed own": 612},
            planned=(("evacuated", 150),),
            says=("1.320 WNI terdaftar", "belum ada laporan mengenai WNI yang meninggal"),
            says_not=("612",),
        ),
        Look(
            "2024-05-08T10:00:00+05:30",
            SRI_LANKA | {"evacuated LK own own": 548, "evacuated LK foreign_family own": 23, "evacuated LK foreign_helped own": 41},
            planned=(("evacuated", 150),),
        ),
        Look(
            "2024-05-11T00:00:00+05:30",
            SRI_LANKA
            | {"evacuated LK own own": 545, "evacuated LK foreign_family own": 23, "evacuated LK foreign_helped own": 41}
            | {"repatriated LK own own": 300},
            planned=(("evacuated", 150),),
            reports={"kbri-colombo": 2},
        ),
        Look("2024-05-11T00:00:00+05:30", SRI_LANKA | {"evacuated LK mixed own": 612}, planned=(("evacuated", 150),), known="buses"),
    ],
    "uneven_parts": [
        Look("2023-09-18T20:00:00+03:00", {}, held=("14", "17", "180", "295", "410", "6", "870"), says_not=("17", "870"), known="hurt"),
        Look("2023-09-18T20:00:00+03:00", GROUPS, held=("14", "17", "6"), says=("870 WNI terdaftar",)),
        Look("2023-09-18T22:00:00+03:00", GROUPS | {"injured JO-AZ own own": 17}, says=("17 WNI dilaporkan luka-luka",)),
        Look("2023-09-20T00:00:00+03:00", GROUPS | {"injured JO-AZ own own": 17}, held=("120", "160")),
    ],
    "one_evening": [
        Look(
            "2022-11-02T21:00:00+06:00",
            DHAKA | OTHERS | {"unaccounted BD own own": "11 / 14"},
            conflicts=(frozenset({11, 14}),),
            says=("3 WNI dilaporkan luka-luka",),
            says_not=("14", "212", "260"),
            known="paper",
        ),
        Look("2022-11-02T21:00:00+06:00", DHAKA | OTHERS, says=("14 WNI belum dapat dihubungi",)),
        Look(
            "2022-11-03T09:00:00+06:00",
            OTHERS | {"dead BD own own": 0, "injured BD own own": 3, "unaccounted BD own own": 5, "safe BD own own": 9},
            says=("5 WNI belum dapat dihubungi", "tidak ditemukan WNI yang meninggal dunia"),
        ),
    ],
    "no_mission": [
        Look(
            "2019-11-20T04:30:00+02:00",
            {"dead MW own own": "no_answer_yet", "estimated_present MW own own": 60},
            says=("masih dikumpulkan",),
            says_not=("berikutnya",),
            reports={"kbri-maputo": 0},
        ),
        Look(
            "2019-11-20T12:00:00+02:00",
            {"dead MW own own": "none_reported", "estimated_present MW own own": 60, "safe MW own own": 22, "unaccounted MW own own": 7}
            | {"dead MW mixed host_state": 41, "missing MW mixed host_state": 63},
            says=("7 WNI belum dapat dihubungi",),
            says_not=("41", "63", "selamat"),
        ),
        Look(
            "2019-11-21T00:00:00+02:00",
            {"dead MW own own": 0, "estimated_present MW own own": 60, "safe MW own own": 29, "unaccounted MW own own": 0}
            | {"dead MW mixed host_state": 41, "missing MW mixed host_state": 63},
            reports={"kbri-maputo": 2},
        ),
    ],
    "five_missions": [
        Look(
            "2025-06-02T12:00:00+04:00",
            GULF | {"unaccounted OM own own": 6},
            says=("10 WNI belum dapat dihubungi", "Sedikitnya 7 WNI dilaporkan luka-luka"),
        ),
        Look(
            "2025-06-02T18:00:00+04:00",
            GULF | {"unaccounted OM own own": 2},
            says=("6 WNI belum dapat dihubungi",),
            says_not=("berikutnya",),
            reports={"kbri-muscat": 3, "kbri-abu-dhabi": 2, "kbri-doha": 1, "kbri-riyadh": 1, "kjri-jeddah": 1, "kjri-dubai": 0},
        ),
    ],
    "flight_legs": [
        Look(
            "2021-10-12T12:00:00+02:00",
            AT_SEA | {"sheltering SD-RS own own": 0, "en_route SD-RS mixed own": 295},
            planned=(("evacuated", 430),),
            says_not=("430", "295"),
        ),
        Look("2021-10-13T10:00:00+02:00", ASHORE | CHECKED, planned=(("evacuated", 430), ("repatriated", 295))),
        Look(
            "2021-10-15T00:00:00+02:00",
            ASHORE | CHECKED | {"repatriated SA-02 own own": 278, "in_hospital SA-02 own own": 3},
            planned=(("evacuated", 430), ("repatriated", 295)),
            reports={"kbri-khartoum": 5, "kjri-jeddah": 3},
        ),
    ],
    "flight_accident": [
        Look(
            "2020-08-21T12:00:00+05:30",
            ABOARD | {"dead LK own own": "no_answer_yet", "unaccounted LK own own": 10},
            says=("10 WNI belum dapat dihubungi", "masih d"),
            says_not=("150", "181"),
        ),
        Look(
            "2020-08-25T00:00:00+05:30",
            ABOARD | {"dead LK own own": 2, "unaccounted LK own own": 9},
            says=("2 WNI dilaporkan luka berat", "masih diverifikasi"),
            says_not=("meninggal",),
            reports={"kbri-colombo": 3, "kbri-doha": 2},
        ),
    ],
    "coup": [
        Look("2024-02-10T09:00:00+00:00", GUINEA | {"unaccounted GN own own": 21}, known="swapped"),
        Look("2024-02-10T09:00:00+00:00", GUINEA | {"unaccounted GN own own": 12}, says=("12 WNI belum", "83 WNI terdaftar")),
        Look("2024-02-10T20:00:00+00:00", GUINEA | {"unaccounted GN own own": 9, "sheltering GN own own": 30}),
        Look("2024-02-11T10:00:00+00:00", GUINEA | {"unaccounted GN own own": 4}, held=("0",), known="today"),
        Look("2024-02-11T15:30:00+00:00", GUINEA | {"unaccounted GN own own": 4, "sheltering GN own own": 30}, held=("0",), known="off"),
        Look(
            "2024-02-11T15:30:00+00:00",
            GUINEA | {"unaccounted GN own own": 1, "sheltering GN own own": 30},
            held=("0",),
            says=("1 WNI belum dapat dihubungi",),
            reports={"kbri-dakar": 6},
        ),
    ],
}
