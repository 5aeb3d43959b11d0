"""An answer sheet as a few lines of text, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def read_aloud(sheet: Mapping[str, Any]) -> list[str]:
    """An answer sheet in a few lines: the sentence, the five answers with what is not known, what is not settled, the missions."""
    lines = [f"“{sheet['sentence']['en']}”"]
    for number, question in enumerate(sheet["questions"], start=1):
        unknown = ", ".join(words["en"] for words in question["unknown"])
        lines.append(f"{number}. {question['text']['en']}{f' · not known: {unknown}' if unknown else ''}")
    lines.extend(f"contradiction: {conflict['message']['en']}" for conflict in sheet["conflicts"])
    lines.extend(f"held, counted nowhere: {held['label']['en']} {held['raw']}" for held in sheet["held"])
    for mission in sheet["missions"]:
        bad = "".join(f", {fact['label']['en'].lower()} {fact['text']['en']}" for fact in mission["state_of_mission"] if fact["is_bad"])
        chaser = mission["chaser"] or {"state": "not asked"}
        by = f" by {chaser['covered_by_name']}" if chaser.get("covered_by") else ""
        lines.append(f"{mission['name']}: {mission['reports']} reports{bad}, {chaser['state']}{by}")
    return lines
