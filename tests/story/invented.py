"""Six invented crises as crisis files (docs/crisis-file.md), each with the turn that makes it hard. Nobody in them exists."""

from __future__ import annotations

import json
from typing import Any

START = "2021-03-01T00:00:00+03:00"
END = "2021-03-09T00:00:00+03:00"
CHECKED = "paspor diperiksa satu per satu"
Json = dict[str, Any]


def at(day: int, hour: int) -> str:
    return f"2021-03-{day:02}T{hour:02}:00:00+03:00"


def step(ref: str, kind: str, when: str, **more: Any) -> Json:
    return {"ref": ref, "kind": kind, "at": when, "title": {"id": ref, "en": ref}, **more}


def report(ref: str, when: str, source: str, *lines: Json, **more: Any) -> Json:
    return step(ref, "report", when, report={"source": source, "lines": list(lines), **more})


def line(category: str, value: int | str, place: str = "YE", **more: Any) -> Json:
    return {"category": category, "places": [place], "value": value, **more}


def part(category: str, value: int, words: str, place: str = "YE") -> Json:
    return line(category, value, place, kind="of_which", of=category, words=words)


def file_of(name: str, steps: list[Json], *, areas: tuple[str, ...] = ("YE",), kind: str = "conflict") -> str:
    incident = {
        "kind": kind,
        "title": f"Krisis rekaan {name}",
        "severity": "Severe",
        "occurred_at": START,
        "is_replayed": True,
        "areas": [{"kind": "country", "code": code} for code in areas],
    }
    about = {"id": "Rekaan.", "en": "Invented."}
    return json.dumps({"form": "siaga-crisis/1", "name": name, "about": about, "incident": incident, "steps": steps})


CHECKED_TOTALS = [
    report("evacuated", at(2, 10), "ministry", line("evacuated", 1795, nationality="mixed")),
    report(
        "checked",
        at(4, 9),
        "ministry",
        line("evacuated", 1684, how=CHECKED),
        line("evacuated", 111, nationality="foreign_helped"),
    ),
]
PARTS = [
    report(
        "registered",
        at(1, 6),
        "ministry",
        line("registered", 4159),
        part("registered", 2686, "mahasiswa"),
        part("registered", 1488, "pekerja"),
    ),
    report("hurt", at(1, 9), "mission:kbri-muscat", line("injured", 7), line("in_hospital", 9, kind="of_which", of="injured")),
]
SAME_EVENING = [
    report("mission", at(3, 18), "mission:kbri-muscat", line("injured", 12, how="dihitung di dua rumah sakit")),
    report("ministry", at(3, 20), "ministry", line("injured", 9)),
    report("dead", at(3, 20), "mission:kbri-muscat", line("dead", "checked_none_found", how="kamar jenazah didatangi")),
]
NO_MISSION = [
    report("first", at(1, 5), "ministry", line("dead", "asked_no_answer", "FM"), line("unaccounted", 3, "FM")),
    report("crew", at(2, 5), "ministry", line("unaccounted", 1, "FM", how="dua awak menelepon keluarga"), line("injured", 1, "FM")),
    report("host", at(2, 9), "host_state", line("dead", 14, "FM"), author="Pemerintah setempat"),
]
FIVE_MISSIONS = [
    report("host", at(2, 3), "host_state", line("dead", 210), author="Kementerian Kesehatan"),
    step(
        "wider",
        "change",
        at(2, 4),
        change={
            "severity": "Extreme",
            "areas": [{"kind": "country", "code": code} for code in ("YE", "OM", "SA", "QA", "DJ")],
            "levels": [{"area": "YE", "siaga_level": "I", "level_basis": "mission"}],
        },
    ),
    *(
        report(code, at(2, hour), f"mission:{code}", line("evacuated", number, place))
        for hour, code, number, place in (
            (5, "kbri-muscat", 40, "OM"),
            (6, "kbri-riyadh", 262, "SA"),
            (7, "kjri-jeddah", 90, "YE"),
            (8, "kbri-doha", 12, "QA"),
            (9, "kbri-addis-ababa", 31, "DJ"),
        )
    ),
    step("calm", "change", at(5, 9), change={"levels": [{"area": "YE", "siaga_level": "II", "level_basis": "mission"}]}),
]
FLIGHT_LEGS = [
    report("plan", at(2, 10), "ministry", line("evacuated", 300), line("evacuated", 100, kind="planned", words="penerbangan kedua")),
    report("air", at(2, 12), "ministry", line("en_route", 180, words="dua penerbangan")),
    report(
        "home",
        at(2, 20),
        "ministry",
        line("repatriated", 180),
        part("repatriated", 110, "penerbangan pertama"),
        part("repatriated", 70, "penerbangan kedua"),
        line("en_route", "checked_none_found", how="semua sudah turun"),
    ),
]
CRISES: dict[str, str] = {
    "checked-totals": file_of("checked-totals", CHECKED_TOTALS),
    "parts": file_of("parts", PARTS),
    "same-evening": file_of("same-evening", SAME_EVENING),
    "no-mission": file_of("no-mission", NO_MISSION, areas=("FM",), kind="sea_accident"),
    "five-missions": file_of("five-missions", FIVE_MISSIONS),
    "flight-legs": file_of("flight-legs", FLIGHT_LEGS),
}
MISSIONS = ("kbri-muscat", "kbri-riyadh", "kjri-jeddah", "kbri-doha", "kbri-addis-ababa")
