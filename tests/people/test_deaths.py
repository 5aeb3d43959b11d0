"""What must be on record before a death may be published: the rules alone, then over HTTP on a real database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from alerts.incidents.models import Incident
from alerts.incidents.rules import Claim
from alerts.kit.crypto import Keyring
from alerts.people.deaths.queries import deaths_of, initials_of_death, publishable_deaths
from alerts.people.deaths.rules import Basis, Recorded, Step, initials_of, stand
from alerts.people.models import Person
from alerts.people.rules import Axis, AxisState, Statement
from tests.factories.citizens import make_citizen
from tests.factories.incidents import HATAY, SYRIA, make_incident
from tests.factories.people import make_person, statement

SignIn = Callable[..., dict[str, str]]
DEAD = statement("condition", "dead", said_by="RS Adana", source="host_state")
AT = "2023-02-18T12:00:00+03:00"
DVI = {"basis": "dvi", "said_by": "Tim DVI", "how": "surat 41/DVI", "reason": "sidik jari cocok", "as_of": AT}
TOLD = {"said_by": "Direktur Pelindungan", "how": "didatangi di rumah", "reason": "ibu kandung", "as_of": AT}
_keys = count(1)


T0 = datetime(2023, 2, 18, 9, tzinfo=UTC)
FOUND, EARLIER, OTHER = (UUID(int=number) for number in (1, 2, 3))
SAID = AxisState(Statement(FOUND, Axis.CONDITION, "dead", Claim.REPORTED, T0, T0), others=frozenset({EARLIER}))


def row(step: Step, minute: int, *, withdraws: UUID | None = None, finding: UUID | None = FOUND) -> Recorded:
    at = T0 + timedelta(minutes=minute)
    return Recorded(uuid4(), step, Basis.DVI if step is Step.CONFIRMED else None, "DVI", at, at, withdraws, finding)


def post(client: TestClient, headers: dict[str, str], person: Person, act: str, body: dict[str, Any]) -> Response:
    key = {"Idempotency-Key": f"death-{next(_keys)}"}
    return client.post(f"/api/v1/persons/{person.id}/death/{act}", json=body, headers=headers | key)


@pytest.fixture
def incident(session: Session) -> Incident:
    return make_incident(session, areas=[HATAY, SYRIA])


@pytest.fixture
def dead(session: Session, keyring: Keyring, incident: Incident) -> Person:
    person = make_person(session, keyring, incident, DEAD, name="Sari Contoh", place_code="TR-31")
    session.commit()
    return person


@given(
    st.lists(
        st.tuples(
            st.sampled_from([Step.CONFIRMED, Step.KIN_TOLD, Step.KIN_NOT_FOUND, Step.INITIALS, Step.WITHDRAWN]),
            st.sampled_from([FOUND, EARLIER, OTHER, None]),
        ),
        max_size=12,
    ),
    st.randoms(),
)
def test_nothing_but_both_legs_of_the_finding_makes_a_death_publishable(steps: list[tuple[Step, UUID | None]], rng: Any) -> None:
    rows: list[Recorded] = []
    for minute, (step, finding) in enumerate(steps):
        free = [each for each in rows if each.withdraws is None and each.id not in {other.withdraws for other in rows}]
        if step is Step.WITHDRAWN and not free:
            continue
        rows.append(row(step, minute, withdraws=rng.choice(free).id if step is Step.WITHDRAWN else None, finding=finding))
    taken_back = {each.withdraws for each in rows}
    left = {each.step for each in rows if each.id not in taken_back and each.finding_id in {FOUND, EARLIER}}
    both = Step.CONFIRMED in left and bool(left & {Step.KIN_TOLD, Step.KIN_NOT_FOUND})
    shuffled = rng.sample(rows, len(rows))
    assert stand(shuffled, SAID).is_publishable is both
    assert not stand(shuffled, None).is_publishable
    assert stand(shuffled, SAID) == stand(rows, SAID)


def test_initials_are_letters() -> None:
    assert [initials_of(name) for name in ("sari contoh", "Slamet", "", "42")] == ["S. C.", "S.", None, None]


def test_authority_and_family_then_publishable(
    client: TestClient, session: Session, keyring: Keyring, sign_in: SignIn, incident: Incident, dead: Person
) -> None:
    duty = sign_in("duty_officer", via="token")
    before = session.execute(text("SELECT clock_timestamp()")).scalar_one()
    first = post(client, duty, dead, "confirm", DVI)
    assert (first.status_code, first.json()["missing"], first.json()["is_publishable"]) == (201, ["kin"], False)
    assert publishable_deaths(session, incident.id) == []
    told = post(client, duty, dead, "kin-told", TOLD).json()
    assert (told["missing"], told["is_publishable"], told["may_show_initials"]) == ([], True, False)
    (death,) = publishable_deaths(session, incident.id)
    assert (death.person_id, death.place_code) == (dead.id, "TR-31")
    assert death.standing.confirmation is not None
    assert death.standing.confirmation.basis is Basis.DVI
    assert initials_of_death(session, keyring, death) is None, "withheld unless somebody decided otherwise"
    assert publishable_deaths(session, incident.id, known_at=before) == []
    assert publishable_deaths(session, incident.id, as_of=datetime(2023, 2, 17, tzinfo=UTC)) == []
    assert len(publishable_deaths(session, incident.id, as_of=datetime(2023, 2, 19, tzinfo=UTC))) == 1
    step = next(each["id"] for each in told["steps"] if each["step"] == "confirmed")
    taken = post(client, duty, dead, f"steps/{step}/withdraw", {"said_by": "KBRI Ankara", "reason": "nama tertukar"})
    assert taken.json()["missing"] == ["confirmation"]
    assert post(client, duty, dead, f"steps/{step}/withdraw", {"said_by": "KBRI", "reason": "lagi"}).status_code == 409
    assert "Sari" not in taken.text
    log = session.execute(text("SELECT detail FROM action_log WHERE action = 'death.recorded'")).scalars().all()
    assert [line["step"] for line in log] == ["confirmed", "kin_told", "withdrawn"]
    assert {line["mission"] for line in log} == {"kbri-ankara"}
    assert not any(word in str(log) for word in ("sidik jari", "ibu kandung", "nama tertukar")), "reasons stand on the person's record"


def test_a_death_that_is_taken_back_is_published_no_more(
    client: TestClient, session: Session, sign_in: SignIn, incident: Incident, dead: Person
) -> None:
    duty = sign_in("duty_officer", via="token")
    post(client, duty, dead, "confirm", DVI)
    post(client, duty, dead, "kin-told", TOLD)
    said = session.execute(text("SELECT id FROM person_statement")).scalar_one()
    taken = {"said_by": "KBRI", "reason": "orang lain", "as_of": AT}
    url = f"/api/v1/persons/{dead.id}/statements/{said}/withdraw"
    assert client.post(url, json=taken, headers=duty | {"Idempotency-Key": "take-back"}).status_code == 201
    assert publishable_deaths(session, incident.id) == deaths_of(session, incident.id) == []
    assert client.get(f"/api/v1/persons/{dead.id}/death", headers=duty).json()["missing"] == ["death", "confirmation", "kin"]


def take_back(client: TestClient, headers: dict[str, str], person: Person, statement_id: str) -> None:
    url, body = f"/api/v1/persons/{person.id}/statements/{statement_id}/withdraw", {"said_by": "KBRI", "reason": "orang lain", "as_of": AT}
    assert client.post(url, json=body, headers=headers | {"Idempotency-Key": f"back-{next(_keys)}"}).status_code == 201


def say(client: TestClient, headers: dict[str, str], person: Person, value: str, *, day: int, **fields: Any) -> str:
    """One more word on the condition; the id of what stands then."""
    body = statement("condition", value, said_by="RS Hatay", source="host_state", as_of=f"2023-02-{day}T12:00:00+03:00") | fields
    url = f"/api/v1/persons/{person.id}/statements"
    answer = client.post(url, json=body, headers=headers | {"Idempotency-Key": f"say-{next(_keys)}"})
    assert answer.status_code == 201, answer.text
    stands: str = answer.json()["state"]["condition"]["statement_id"]
    return stands


def free(client: TestClient, headers: dict[str, str], person: Person) -> str:
    """Both legs are recorded; the id of the statement that says dead."""
    assert post(client, headers, person, "confirm", DVI).status_code == 201
    assert post(client, headers, person, "kin-told", TOLD).json()["is_publishable"] is True
    stands: str = client.get(f"/api/v1/persons/{person.id}", headers=headers).json()["state"]["condition"]["statement_id"]
    return stands


@pytest.mark.parametrize("what_ends_it", ["taken back", "alive", "another word first"])
def test_what_was_done_for_one_finding_frees_no_later_one(
    client: TestClient, session: Session, sign_in: SignIn, incident: Incident, dead: Person, what_ends_it: str
) -> None:
    duty = sign_in("duty_officer", via="token")
    first = free(client, duty, dead)
    if what_ends_it == "alive":
        say(client, duty, dead, "unhurt", day=19, claim="verified")
    elif what_ends_it == "another word first":
        say(client, duty, dead, "dead", day=20)
        take_back(client, duty, dead, first)
    else:
        take_back(client, duty, dead, first)
    if what_ends_it != "another word first":
        say(client, duty, dead, "dead", day=20)
    seen = client.get(f"/api/v1/persons/{dead.id}/death", headers=duty).json()
    assert (seen["is_publishable"], seen["missing"]) == (False, ["confirmation", "kin"])
    assert [step["is_past"] for step in seen["steps"]] == [True, True]
    assert publishable_deaths(session, incident.id) == []
    assert [death.standing.is_publishable for death in deaths_of(session, incident.id)] == [False]
    second = free(client, duty, dead)
    steps = client.get(f"/api/v1/persons/{dead.id}/death", headers=duty).json()["steps"]
    assert [(step["finding_id"], step["is_past"]) for step in steps] == [(second, False)] * 2 + [(first, True)] * 2


def test_a_further_word_of_the_same_finding_keeps_what_was_done(
    client: TestClient, session: Session, sign_in: SignIn, incident: Incident, dead: Person
) -> None:
    duty = sign_in("duty_officer", via="token")
    free(client, duty, dead)
    second = say(client, duty, dead, "dead", day=19, claim="verified")
    assert len(publishable_deaths(session, incident.id)) == 1
    take_back(client, duty, dead, second)
    assert len(publishable_deaths(session, incident.id)) == 1, "what stood before stands again, with its steps"
    wrong = say(client, duty, dead, "unhurt", day=20, claim="verified")
    assert publishable_deaths(session, incident.id) == []
    take_back(client, duty, dead, wrong)
    assert len(publishable_deaths(session, incident.id)) == 1


def test_steps_of_before_findings_were_kept_go_to_the_one_that_stood(
    client: TestClient, session: Session, sign_in: SignIn, dead: Person
) -> None:
    duty = sign_in("duty_officer", via="token")
    first = free(client, duty, dead)
    take_back(client, duty, dead, first)
    second = say(client, duty, dead, "dead", day=20)
    free(client, duty, dead)
    session.execute(text("ALTER TABLE death_step DISABLE TRIGGER death_step_append_only"))
    session.execute(text("UPDATE death_step SET finding_id = NULL"))
    session.execute(text(import_module("alerts.migrations.versions.0048_findings").FILL))
    session.execute(text("ALTER TABLE death_step ENABLE TRIGGER death_step_append_only"))
    session.expire_all()
    steps = client.get(f"/api/v1/persons/{dead.id}/death", headers=duty).json()["steps"]
    assert [step["finding_id"] for step in steps] == [second, second, first, first]


def test_where_no_authority_functions_the_head_of_mission_signs(client: TestClient, sign_in: SignIn, dead: Person) -> None:
    signed = DVI | {"basis": "head_of_mission", "said_by": "Duta Besar", "how": "paspor dan dua saksi", "reason": "kamar mayat ditutup"}
    for role, via in (("duty_officer", "session"), ("mission_staff", "session"), ("head_of_mission", "token")):
        assert post(client, sign_in(role, via=via), dead, "confirm", signed).status_code == 403
    done = post(client, sign_in("head_of_mission"), dead, "confirm", signed)
    assert (done.status_code, done.json()["steps"][0]["role"]) == (201, "head_of_mission")
    other = sign_in("head_of_mission", mission_code="kbri-damascus")
    assert post(client, other, dead, "confirm", signed).status_code == 404


def test_only_the_minister_decides_that_the_family_was_not_found(client: TestClient, sign_in: SignIn, dead: Person) -> None:
    body = {"reason": "tiga hari dicari lewat kepala desa"}
    for role in ("duty_officer", "approver", "head_of_mission"):
        assert post(client, sign_in(role), dead, "kin-not-found", body).status_code == 403
    assert post(client, sign_in("minister", via="token"), dead, "kin-not-found", body).status_code == 403
    decided = post(client, sign_in("minister"), dead, "kin-not-found", body)
    assert (decided.status_code, decided.json()["missing"]) == (201, ["confirmation"])
    assert "Sari" not in decided.text


def test_initials_are_withheld_where_they_would_say_who_it_is(
    client: TestClient, session: Session, keyring: Keyring, sign_in: SignIn, incident: Incident, dead: Person
) -> None:
    duty, body = sign_in("duty_officer", via="token"), {"said_by": "Direktur", "reason": "keluarga setuju"}
    post(client, duty, dead, "confirm", DVI)
    post(client, duty, dead, "kin-told", TOLD)
    assert post(client, duty, dead, "initials", body).json()["code"] == "initials_identify"
    session.execute(
        text(
            "INSERT INTO citizen (name_enc, name_index, language, class, country_iso2, province_code)"
            " SELECT 'x', 'x', 'id', 'resident', 'TR', 'TR-31' FROM generate_series(1, 500)"
        )
    )
    sailor = make_citizen(session, keyring, class_="seafarer", province_code="TR-31")
    crew = make_person(session, keyring, incident, DEAD, citizen_external_id=sailor.external_id, place_code="TR-31")
    session.commit()
    assert post(client, duty, crew, "initials", body).status_code == 409
    assert post(client, duty, dead, "initials", body).json()["may_show_initials"] is True
    (death,) = publishable_deaths(session, incident.id)
    assert initials_of_death(session, keyring, death) == "S. C."


def test_what_nobody_said_dead_has_no_way_to_publication(
    client: TestClient, session: Session, keyring: Keyring, sign_in: SignIn, incident: Incident
) -> None:
    alive = make_person(session, keyring, incident, statement("contact", "unaccounted"))
    session.commit()
    refused = post(client, sign_in("duty_officer", via="token"), alive, "confirm", DVI)
    assert (refused.status_code, refused.json()["code"]) == (409, "not_said_dead")


def test_a_step_once_written_stays(client: TestClient, session: Session, sign_in: SignIn, dead: Person) -> None:
    post(client, sign_in("duty_officer", via="token"), dead, "confirm", DVI)
    for change in ("UPDATE death_step SET reason = 'lain'", "DELETE FROM death_step"):
        with pytest.raises(DBAPIError, match="append"), session.begin_nested():
            session.execute(text(change))
