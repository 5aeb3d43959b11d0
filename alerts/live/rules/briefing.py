"""What a public statement may say, clause by clause, from the sheet alone. The same sheet gives the same brief.

It begins with the sentence that may be read aloud; then who was contacted, what was asked of whom, the host state's figures and
the deaths that may be published; then appeal and hotlines. Whoever writes a statement chooses among these.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from alerts.incidents.rules import Kind
from alerts.live.parts import Part
from alerts.live.rules.sentence import CONFIRMED_DEAD, EXERCISE, OTHERS, confirmed_dead, number_words, spoken_total
from alerts.live.rules.totals import number_of
from alerts.live.schemas import AnswerSheet, Clause, Figure, Publication, QuestionKey, Spoken, TargetTally, Total, Words
from alerts.reports.rules import words
from alerts.reports.rules.codes import Category, Claim, Nationality, Series, Target, is_at_least

ALWAYS = ("exercise", "as_of")
"""Nobody leaves these out: what is an exercise says so, and every public figure says of when it is."""
CHOSEN_BY_HAND = ("host", "deaths")
APPEAL = Words(
    id="WNI di wilayah terdampak diimbau mengikuti arahan otoritas setempat dan menghubungi Perwakilan RI terdekat.",
    en="Indonesian citizens in the affected area are asked to follow the local authorities and to contact the nearest Indonesian mission.",
)
KINDS = {
    Kind.EARTHQUAKE: Words(id="Gempa bumi", en="Earthquake"),
    Kind.TSUNAMI: Words(id="Tsunami", en="Tsunami"),
    Kind.VOLCANO: Words(id="Letusan gunung api", en="Volcanic eruption"),
    Kind.STORM: Words(id="Badai", en="Storm"),
    Kind.FLOOD: Words(id="Banjir", en="Flood"),
    Kind.WILDFIRE: Words(id="Kebakaran hutan", en="Wildfire"),
    Kind.EPIDEMIC: Words(id="Wabah", en="Epidemic"),
    Kind.CONFLICT: Words(id="Konflik bersenjata", en="Armed conflict"),
    Kind.ATTACK: Words(id="Serangan", en="Attack"),
    Kind.UNREST: Words(id="Kerusuhan", en="Unrest"),
    Kind.HOSTAGE: Words(id="Penyanderaan", en="Hostage taking"),
    Kind.AIR_ACCIDENT: Words(id="Kecelakaan pesawat", en="Air accident"),
    Kind.SEA_ACCIDENT: Words(id="Kecelakaan laut", en="Accident at sea"),
    Kind.ROAD_OR_RAIL_ACCIDENT: Words(id="Kecelakaan darat", en="Road or rail accident"),
    Kind.INDUSTRIAL_ACCIDENT: Words(id="Kecelakaan industri", en="Industrial accident"),
    Kind.OTHER: Words(id="Peristiwa", en="Event"),
}
PLACES_NAMED = 3
OURS = (Nationality.OWN, Nationality.OWN_CHILD_DUAL)


class Brief(Part):
    """The automatic draft. `chosen` are the clauses that it says by itself; the others are offered."""

    heading: Words
    about: str
    clauses: list[Clause]
    chosen: list[str]

    @property
    def figures(self) -> dict[str, Spoken]:
        """Every figure that a statement may read aloud now, by name."""
        return {figure.key: figure for clause in self.clauses for figure in clause.figures}


def brief_of(sheet: AnswerSheet, *, is_death_told: bool = False) -> Brief:
    """All that may be said of this sheet. `is_death_told`: the public knows of one, so the next sentence does not leave it out."""
    said = [clause for clause in sheet.sentence.clauses if clause.key != "deaths"]  # of now, not what the public was told last
    tail = [clause for clause in said if clause.key == "next"]
    middle = [*_contacted(sheet), *_deaths(sheet), *_host(sheet), *_coordination(sheet)]
    clauses = [*(clause for clause in said if clause.key != "next"), *middle, Clause(key="appeal", text=APPEAL), *tail]
    by_hand = {"host"} if is_death_told else CHOSEN_BY_HAND
    chosen = [clause.key for clause in clauses if clause.key not in by_hand]
    return Brief(heading=_heading(sheet), about=_about(sheet), clauses=coherent(clauses) if is_death_told else clauses, chosen=chosen)


def coherent(clauses: Sequence[Clause]) -> list[Clause]:
    """The same, where a confirmed death is read aloud, without a sentence beside it that knows of none."""
    if not any(figure.key == CONFIRMED_DEAD for clause in clauses for figure in clause.figures):
        return list(clauses)
    return [Clause(key="harm", text=OTHERS) if clause.key == "harm" else clause for clause in clauses]


def current_figures(brief: Brief) -> dict[str, Mapping[str, Any]]:
    """The figures as they are stored beside a statement."""
    return {key: figure.model_dump(mode="json") for key, figure in brief.figures.items()}


def _contacted(sheet: AnswerSheet) -> Iterator[Clause]:
    """Only where somebody says who made contact; "x of y" only where one source knows both."""
    total, rest = sheet.contact.reported_safe, sheet.contact.unaccounted
    number = number_of(total) if total else None
    if total is None or not number or not _is_contact_made(sheet, total):
        return
    spoken = spoken_total(_all_figures(sheet), total)
    left = number_of(rest) if rest else None
    name = total.source_name
    if rest is None or left is None or name is None or (rest.source, rest.places) != (total.source, total.places):
        have = "citizen has" if number == 1 else "citizens have"
        text = Words(id=f"{spoken.value.id} WNI telah dihubungi.", en=f"{spoken.value.en} Indonesian {have} been contacted.")
        yield Clause(key="contacted", text=text, figures=[spoken])
        return
    both = number_words(number + left)
    known = Spoken(key="own.known", label=Words(id=f"WNI yang dicatat {name.id}", en=f"citizens known to {name.en}"), value=both)
    known = known.model_copy(update={"number": number + left, "as_of": total.as_of, "basis": spoken.basis})
    have = "has" if number == 1 else "have"
    text = Words(
        id=f"Hingga saat ini {spoken.value.id} dari {both.id} WNI yang dicatat {name.id} telah dihubungi.",
        en=f"So far {spoken.value.en} of the {both.en} Indonesian citizens known to {name.en} {have} been contacted.",
    )
    yield Clause(key="contacted", text=text, figures=[spoken, known])


def _is_contact_made(sheet: AnswerSheet, total: Total) -> bool:
    about = [figure for figure in _all_figures(sheet) if figure.category is total.category and figure.series is Series.OWN]
    ours = [figure for figure in about if figure.nationality is Nationality.OWN]
    return bool(ours) and all(is_at_least(figure.claim, Claim.CONTACT_MADE) for figure in ours)


def _deaths(sheet: AnswerSheet) -> Iterator[Clause]:
    """Those of ours that may be published: confirmed, and the family told. Never a name, never a place."""
    free = [death for death in sheet.deaths if death.publication is Publication.FREE and death.nationality in OURS]
    if not free:
        return
    basis = [f"person/{death.person_id}" for death in free]
    label = words.CATEGORY[Category.DEAD]
    figure = Spoken(key=CONFIRMED_DEAD, label=Words(id=label.id, en=label.en), value=number_words(len(free)), number=len(free), basis=basis)
    figure = figure.model_copy(update={"as_of": max(death.as_of for death in free)})
    yield Clause(key="deaths", text=confirmed_dead(figure), figures=[figure])


def _host(sheet: AnswerSheet) -> Iterator[Clause]:
    """The host state's totals, named as theirs."""
    answer = next(each for each in sheet.questions if each.key is QuestionKey.HOST_CASUALTIES)
    found: dict[Category, tuple[Total, int]] = {}
    for total in answer.totals:
        number = number_of(total)
        if total.series is Series.HOST_STATE and total.category in (Category.DEAD, Category.INJURED) and number is not None:
            found[total.category] = (total, number)
    if not found:
        return
    figures = [spoken_total(_all_figures(sheet), total) for total, _ in found.values()]
    said_id, said_en = [], []
    for figure, (category, (_, number)) in zip(figures, found.items(), strict=True):
        is_dead, people = category is Category.DEAD, "person" if number == 1 else "people"
        said_id.append(f"{figure.value.id} orang {'meninggal dunia' if is_dead else 'luka-luka'}")
        said_en.append(f"{figure.value.en} {people} {'dead' if is_dead else 'injured'}")
    text = Words(
        id=f"Menurut otoritas setempat, tercatat {' dan '.join(said_id)} dari semua kewarganegaraan.",
        en=f"The local authorities count {' and '.join(said_en)} of all nationalities.",
    )
    yield Clause(key="host", text=text, figures=figures)


def _coordination(sheet: AnswerSheet) -> Iterator[Clause]:
    """Whom the missions asked, by kind of place: x of y. Never what a single hospital said, nor its name."""
    for answer in sheet.questions:
        for tally in answer.tallies:
            if tally.asked and tally.target is not Target.OTHER:
                rows = [row for row in answer.checks if row.target is tally.target]
                basis = sorted({f"check/{row.report_id}" for row in rows})
                as_of = max((row.as_of for row in rows), default=None)
                yield _asked(tally, Spoken(key="", label=tally.label, value=tally.text, as_of=as_of, basis=basis))


def _asked(tally: TargetTally, like: Spoken) -> Clause:
    key = f"check.{tally.target}"
    asked, known, visited = (number_words(n) for n in (tally.asked, tally.known, tally.visited))
    figures = [
        like.model_copy(update={"key": f"{key}.{name}", "value": number, "number": count})
        for name, number, count in (("asked", asked, tally.asked), ("known", known, tally.known), ("visited", visited, tally.visited))
    ]
    visits = (f", {visited.id} di antaranya didatangi", f" and visited {visited.en} of them") if tally.visited else ("", "")
    text = Words(
        id=f"Perwakilan RI telah menghubungi {asked.id} dari {known.id} {tally.label.id} yang didata{visits[0]}.",
        en=f"Our missions have contacted {asked.en} of {known.en} listed ({tally.label.en}){visits[1]}.",
    )
    return Clause(key=key, text=text, figures=figures if tally.visited else figures[:2])


def _all_figures(sheet: AnswerSheet) -> list[Figure]:
    return [*(figure for answer in sheet.questions for figure in (*answer.values, *answer.others)), *sheet.figures]


def _heading(sheet: AnswerSheet) -> Words:
    """What happened and where, never the title that staff typed."""
    kind, places = KINDS[Kind(sheet.incident.kind)], [place.name for place in sheet.incident.places[:PLACES_NAMED]]
    where_id, where_en = ", ".join(place.id for place in places), ", ".join(place.en for place in places)
    drill = EXERCISE if sheet.incident.status == "Exercise" else Words(id="", en="")
    return Words(id=f"{drill.id}{_with(kind.id, where_id)}", en=f"{drill.en}{_with(kind.en, where_en)}")


def _with(kind: str, where: str) -> str:
    return f"{kind}: {where}" if where else kind


def _about(sheet: AnswerSheet) -> str:
    """For an address: the kind, and the first place's code where it has one."""
    codes = [place.code.lower() for place in sheet.incident.places if place.code.isascii() and place.code.replace("-", "").isalnum()]
    return "-".join([sheet.incident.kind.replace("_", "-"), *codes[:1]])


def in_order(brief: Brief, keys: Iterable[str]) -> Sequence[Clause]:
    """The chosen clauses in the brief's order, with what nobody may leave out."""
    wanted = {*keys, *ALWAYS}
    if wanted & {"present"}:
        wanted.add("voluntary")
    return [clause for clause in brief.clauses if clause.key in wanted]
