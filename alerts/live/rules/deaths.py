"""Persons known by name of whom it is said that they are dead, as the sheet shows them: marked until they may be published."""

from __future__ import annotations

from collections.abc import Iterable

from alerts.live.rules.figures import MARKS, place_view, said
from alerts.live.schemas import PossibleDeath, Publication, Words
from alerts.people.deaths.rules import Death, Missing
from alerts.people.rules import Nationality
from alerts.reports.rules import codes, words

LABELS = {
    Nationality.OWN: Words(id="WNI: meninggal dunia", en="Citizen: dead"),
    Nationality.OWN_CHILD_DUAL: Words(
        id="WNI (anak berkewarganegaraan ganda): meninggal dunia", en="Citizen (child of two nationalities): dead"
    ),
    Nationality.FOREIGN_FAMILY: Words(id="WNA anggota keluarga: meninggal dunia", en="Foreign family member: dead"),
    Nationality.UNVERIFIED: Words(id="Kewarganegaraan belum diverifikasi: meninggal dunia", en="Nationality not verified yet: dead"),
}
"""Foreign nationals whom we merely helped are their own state's to speak of."""


def deaths_of(deaths: Iterable[Death]) -> list[PossibleDeath]:
    """In the order in which we learnt of them."""
    ours = sorted((each for each in deaths if each.nationality in LABELS), key=lambda each: (each.said.known_at, each.person_id))
    return [_possible(each) for each in ours]


def publication_of(death: Death) -> Publication:
    """Inside, until it is confirmed and the family was told, or the minister decided about it."""
    if Missing.CONFIRMATION in death.standing.missing:
        return Publication.DEATH_UNCONFIRMED
    return Publication.DEATH_KIN_NOT_RECORDED if death.standing.missing else Publication.FREE


def _possible(death: Death) -> PossibleDeath:
    publication, stands = publication_of(death), death.said
    return PossibleDeath(
        person_id=death.person_id,
        nationality=codes.Nationality(death.nationality.value),
        label=LABELS[death.nationality],
        place=place_view(death.place_code) if death.place_code else None,
        mission_code=death.mission_code,
        said_by=stands.said_by,
        claim=stands.claim,
        claim_label=said(words.CLAIM[stands.claim]),
        as_of=stands.as_of,
        known_at=stands.known_at,
        publication=publication,
        mark=MARKS.get(publication),
        missing=[each.value for each in death.standing.missing],
        may_show_initials=death.standing.initials is not None,
    )
