"""Imports into the database: repeatable, all or nothing, encrypted, and never taking away what a person gave us."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from alerts.citizens.actions import ImportOptions, import_citizens, record_opt_in, record_opt_out, register_device, retire_device
from alerts.citizens.imports.loading import CHUNK_ROWS, Progress
from alerts.citizens.models import Citizen, Device, EmailAddress, ImportRow, ImportRun, OptChange, Phone
from alerts.citizens.queries import (
    find_by_external_id,
    find_by_phone,
    list_import_rows,
    names_of,
    open_e164,
    open_email,
    open_token,
    opt_changes_of,
)
from alerts.citizens.rules import OptSource, RowOutcome
from alerts.kit.actor import SYSTEM
from alerts.kit.crypto import Keyring, UndecipherableError
from alerts.kit.db import Sessions
from alerts.kit.errors import ConflictError, InvalidError, TooLargeError
from alerts.kit.outbox import OutboxEvent
from tests.factories.citizens import make_citizen

Rows = Sequence[dict[str, str]]


def person(external_id: str = "A1", **cells: str) -> dict[str, str]:
    return {"external_id": external_id, "name": f"Contoh {external_id}", "country": "TR", "phone": "+62 812-3456-789"} | cells


def as_csv(rows: Rows) -> io.BytesIO:
    heads = list(dict.fromkeys(name for row in rows for name in row))
    content = io.StringIO(newline="")
    writer = csv.DictWriter(content, heads)
    writer.writeheader()
    writer.writerows(rows)
    return io.BytesIO(content.getvalue().encode())


class Importing:
    """One database session and the keys, to import rows and look at what came of it."""

    def __init__(self, session: Session, keyring: Keyring) -> None:
        self.session, self.keyring = session, keyring

    def __call__(self, *rows: dict[str, str], is_dry_run: bool = False, **options: Any) -> ImportRun:
        choice = ImportOptions(**options)
        run, _ = import_citizens(self.session, self.keyring, file=as_csv(rows), actor=SYSTEM, is_dry_run=is_dry_run, options=choice)
        self.session.expire_all()
        return run

    def outcomes(self, run: ImportRun) -> list[tuple[int, str]]:
        return [(row.line, row.outcome.value) for row in list_import_rows(self.session, run.id, limit=1000)]

    def get(self, external_id: str) -> Citizen:
        found = find_by_external_id(self.session, external_id)
        assert found is not None
        return found

    def phones(self, external_id: str, *, is_retired: bool = False) -> list[str]:
        query = select(Phone).where(Phone.citizen_id == self.get(external_id).id, Phone.retired_at.is_not(None) == is_retired)
        return [open_e164(self.keyring, phone.id, phone.e164_enc) for phone in self.session.scalars(query.order_by(Phone.position))]

    def tokens(self, external_id: str) -> list[str]:
        query = select(Device).where(Device.citizen_id == self.get(external_id).id, Device.retired_at.is_(None))
        return [open_token(self.keyring, device.id, device.token_enc) for device in self.session.scalars(query)]

    def emails(self, external_id: str) -> list[str]:
        query = select(EmailAddress).where(EmailAddress.citizen_id == self.get(external_id).id, EmailAddress.retired_at.is_(None))
        return [open_email(self.keyring, row.id, row.address_enc) for row in self.session.scalars(query)]

    def count(self, model: type) -> int:
        return self.session.scalar(select(func.count()).select_from(model)) or 0


@pytest.fixture
def importing(session: Session, keyring: Keyring) -> Importing:
    return Importing(session, keyring)


def test_the_same_file_twice_changes_nothing_and_says_so(importing: Importing) -> None:
    rows = [person("A1"), person("A2", phone="0532 123 45 67", province="Hatay"), person("", name="x")]
    first, second = importing(*rows), importing(*rows)
    assert {name: first.counts[name] for name in RowOutcome} == {"created": 2, "updated": 0, "unchanged": 0, "rejected": 1}
    assert {name: second.counts[name] for name in RowOutcome} == {"created": 0, "updated": 0, "unchanged": 2, "rejected": 1}
    assert importing.outcomes(second) == [(2, "unchanged"), (3, "unchanged"), (4, "rejected")]
    assert importing.count(Phone) == 2
    assert importing.get("A2").province_code == "TR-31"


def test_a_changed_row_is_updated_and_only_that(importing: Importing) -> None:
    importing(person("A1"), person("A2"))
    before = importing.get("A1").updated_at, importing.get("A1").id
    run = importing(person("A1"), person("A2", language="en"))
    assert importing.outcomes(run) == [(2, "unchanged"), (3, "updated")]
    assert importing.get("A2").language == "en"
    assert (importing.get("A1").updated_at, importing.get("A1").id) == before


def test_a_dry_run_says_what_would_happen_and_saves_nobody(importing: Importing) -> None:
    importing(person("A1"))
    run = importing(person("A1", language="en"), person("A2"), is_dry_run=True)
    assert importing.outcomes(run) == [(2, "updated"), (3, "created")]
    assert importing.get("A1").language == "id"
    assert find_by_external_id(importing.session, "A2") is None
    assert importing.count(Phone) == 1
    assert importing.session.scalar(select(func.count()).where(OutboxEvent.name == "citizens.imported")) == 1


def test_an_id_that_stands_twice_is_taken_once(importing: Importing) -> None:
    padding = [person(f"P{n}", phone="") for n in range(CHUNK_ROWS)]
    run = importing(person("A1"), person("A1", language="en"), *padding, person("A1", language="tr"))
    rejected = list_import_rows(importing.session, run.id, outcome=RowOutcome.REJECTED)
    assert [(row.line, row.problems[0]["code"]) for row in rejected] == [(3, "repeated_id"), (CHUNK_ROWS + 4, "repeated_id")]
    assert "line 2" in rejected[1].problems[0]["message"]
    assert importing.get("A1").language == "id"


def test_a_new_number_is_a_new_row_and_the_old_one_retires(importing: Importing) -> None:
    importing(person("A1", phone2="+905321234567"))
    importing(person("A1", phone="+60123456789", phone2="+905321234567"))
    assert importing.phones("A1") == ["+60123456789", "+905321234567"]
    assert importing.phones("A1", is_retired=True) == ["+628123456789"]
    assert find_by_phone(importing.session, importing.keyring, "+628123456789") == []


def test_numbers_may_change_places(importing: Importing) -> None:
    importing(person("A1", phone="+60123456789", phone2="+905321234567"))
    importing(person("A1", phone="+905321234567", phone2="+60123456789"))
    assert importing.phones("A1") == ["+905321234567", "+60123456789"]


def test_a_blank_phone_or_device_takes_nothing_away(importing: Importing) -> None:
    importing(person("A1", device_token="token-1"))
    importing(person("A1", phone="", device_token=""))
    assert importing.phones("A1") == ["+628123456789"]
    assert importing.tokens("A1") == ["token-1"]


def test_a_phone_row_never_changes(importing: Importing) -> None:
    importing(person("A1"))
    with pytest.raises(IntegrityError, match="does not change"), importing.session.begin_nested():
        importing.session.execute(update(Phone).values(e164_index=b"x"))
    importing.session.execute(update(Phone).values(retired_at=func.now()))


@pytest.mark.parametrize(
    ("stored", "given", "province"),
    [
        ("2023-02-06", "2023-02-05", "TR-31"),
        ("2023-02-06", "2023-02-07", "TR-06"),
        ("2023-02-06", "", "TR-31"),
        ("", "2023-02-05", "TR-06"),
        ("", "", "TR-06"),
    ],
)
def test_a_newer_place_is_never_replaced_by_an_older_one(importing: Importing, stored: str, given: str, province: str) -> None:
    importing(person("A1", province="TR-31", place_as_of=stored))
    importing(person("A1", province="TR-06", place_as_of=given, language="en"))
    assert (importing.get("A1").province_code, importing.get("A1").language) == (province, "en")


def test_opting_out_by_file_stays_whatever_later_files_say(importing: Importing) -> None:
    importing(person("A1", opted_out="ya"), person("A2"))
    importing(person("A1", opted_out="tidak", language="en"), person("A2", language="en"))
    assert importing.get("A1").opted_out_at is not None
    assert importing.get("A2").opted_out_at is None
    assert [(change.is_out, change.source) for change in opt_changes_of(importing.session, importing.get("A1").id)] == [
        (True, OptSource.IMPORT)
    ]
    assert importing.count(OptChange) == 1


def test_a_device_belongs_to_whoever_came_with_it_last(importing: Importing) -> None:
    importing(person("A1", device_token="t"))
    importing(person("A2", device_token="t"))
    assert (importing.tokens("A1"), importing.tokens("A2")) == ([], ["t"])


def test_a_later_sighting_counts_and_an_earlier_one_does_not(importing: Importing) -> None:
    importing(person("A1", device_token="t", device_seen_at="2026-01-02T00:00:00Z"))
    importing(person("A1", device_token="t", device_seen_at="2026-01-01T00:00:00Z"))
    assert importing.session.scalar(select(Device.last_seen_at)) == datetime(2026, 1, 2, tzinfo=UTC)


def test_one_number_on_two_people_finds_both(importing: Importing) -> None:
    importing(person("A1"), person("A2", phone="0812 3456 789"))
    found = find_by_phone(importing.session, importing.keyring, "+628123456789")
    assert {citizen.external_id for citizen in found} == {"A1", "A2"}


def test_a_mail_address_comes_and_is_replaced_and_a_blank_takes_nothing_away(importing: Importing) -> None:
    importing(person("A1", email="Warga@Example.ORG"), person("A2"))
    assert importing.emails("A1") == ["Warga@example.org"]
    importing(person("A1", surel="warga@example.org", language="en"))
    assert importing.emails("A1") == ["Warga@example.org"], "the same address in other letters"
    importing(person("A1", email="lain@example.org"))
    assert importing.emails("A1") == ["lain@example.org"]
    importing(person("A1", email=""))
    assert importing.emails("A1") == ["lain@example.org"]
    assert importing.emails("A2") == []


def test_what_is_no_mail_address_is_a_warning_and_left_out(importing: Importing) -> None:
    run = importing(person("A1", email="warga(at)example"))
    [row] = list_import_rows(importing.session, run.id)
    assert [(problem["field"], problem["code"], problem["is_fatal"]) for problem in row.problems] == [("email", "email_invalid", False)]
    assert importing.emails("A1") == []


def test_wishes_and_needs_are_taken_as_said_and_silence_changes_nothing(importing: Importing) -> None:
    def flags(external_id: str) -> tuple[bool, bool, bool]:
        citizen = importing.get(external_id)
        return citizen.wants_whatsapp, citizen.is_vulnerable, citizen.is_tester

    importing(person("A1", wants_whatsapp="ya", rentan="1", is_tester="yes"), person("A2"))
    assert (flags("A1"), flags("A2")) == ((True, True, True), (False, False, False))
    importing(person("A1", language="en"))
    assert flags("A1") == (True, True, True)
    run = importing(person("A1", wants_whatsapp="tidak", is_vulnerable="", is_tester="mungkin"))
    assert flags("A1") == (False, True, True)
    assert [problem["code"] for problem in list_import_rows(importing.session, run.id)[0].problems] == ["not_yes_or_no"]


def test_nothing_personal_is_stored_in_clear(importing: Importing) -> None:
    importing(
        person("A1", name="Rahasiawati Contoh", device_token="geheim-token", phone="+62 812-3456-789", email="surat@example.org"),
        person("A2", phone="takbisa-ditelepon"),
    )
    tables = ("citizen", "phone", "device", "email_address", "opt_change", "import_run", "import_row", "action_log", "outbox_event")
    stored = "".join(str(importing.session.execute(text(f"SELECT t::text FROM {table} t")).scalars().all()) for table in tables)
    for secret in ("Rahasia", "3456789", "geheim", "takbisa", "surat"):
        assert secret not in stored
        assert secret.encode().hex() not in stored
    assert names_of(importing.session, importing.keyring, [importing.get("A1").id]) == {importing.get("A1").id: "Rahasiawati Contoh"}


def test_a_ciphertext_moved_to_another_row_does_not_open(importing: Importing) -> None:
    importing(person("A1"), person("A2", phone="+60123456789"))
    first, second = importing.session.scalars(select(Phone).order_by(Phone.id))
    with pytest.raises(UndecipherableError):
        open_e164(importing.keyring, first.id, second.e164_enc)


def test_a_file_without_one_acceptable_row_is_refused_row_by_row(importing: Importing) -> None:
    with pytest.raises(InvalidError) as refusal:
        importing(person(""), person("A2", country="Atlantis"))
    assert [(error["field"], error["code"]) for error in refusal.value.extra["errors"]] == [
        ("row[2].external_id", "external_id_missing"),
        ("row[3].country", "unknown_country"),
    ]


def test_more_rows_than_allowed_are_refused(importing: Importing) -> None:
    with pytest.raises(TooLargeError, match="at most 2 rows"):
        importing(person("A1"), person("A2"), person("A3"), rows_max=2)


def test_progress_reaches_the_end(importing: Importing) -> None:
    seen: list[Progress] = []
    importing(*(person(f"P{n}", phone="") for n in range(CHUNK_ROWS + 1)), on_progress=seen.append)
    assert [progress.rows for progress in seen] == [CHUNK_ROWS, CHUNK_ROWS + 1]
    assert seen[-1].bytes_done == seen[-1].bytes_total
    assert seen[-1].seconds_left == 0


def test_a_failure_in_the_middle_leaves_nothing(sessions: Sessions, keyring: Keyring) -> None:
    class BreakingError(Exception):
        pass

    def stop(progress: Progress) -> None:
        if progress.rows > CHUNK_ROWS:
            raise BreakingError

    rows = [person(f"P{n}", phone="") for n in range(CHUNK_ROWS + 1)]
    with pytest.raises(BreakingError), sessions.begin() as session:
        import_citizens(session, keyring, file=as_csv(rows), actor=SYSTEM, options=ImportOptions(on_progress=stop))
    with sessions() as session:
        assert [session.scalar(select(func.count()).select_from(model)) for model in (Citizen, ImportRun, ImportRow)] == [0, 0, 0]


def test_only_one_import_runs_at_a_time(sessions: Sessions, keyring: Keyring) -> None:
    with sessions.begin() as first:
        import_citizens(first, keyring, file=as_csv([person("A1")]), actor=SYSTEM)
        with sessions() as second, pytest.raises(ConflictError, match="another import"):
            import_citizens(second, keyring, file=as_csv([person("A1")]), actor=SYSTEM)
    with sessions.begin() as third:
        run, _ = import_citizens(third, keyring, file=as_csv([person("A1")]), actor=SYSTEM)
    assert run.counts["unchanged"] == 1


def test_opting_out_by_number_reaches_everybody_who_has_it(session: Session, keyring: Keyring) -> None:
    both = [make_citizen(session, keyring, phones=("+628123456789",)) for _ in range(2)]
    other = make_citizen(session, keyring)
    index = keyring.blind_index("+628123456789")
    assert set(record_opt_out(session, e164_index=index, source=OptSource.INBOUND)) == {citizen.id for citizen in both}
    assert record_opt_out(session, e164_index=index, source=OptSource.CARRIER) == [], "they were out already"
    session.expire_all()
    assert [citizen.opted_out_at is not None for citizen in (*both, other)] == [True, True, False]
    assert record_opt_in(session, citizen_id=both[0].id, source=OptSource.STAFF) == [both[0].id]
    session.expire_all()
    assert both[0].opted_out_at is None
    assert [change.is_out for change in opt_changes_of(session, both[0].id)] == [False, True]


def test_a_device_comes_moves_and_goes(session: Session, keyring: Keyring) -> None:
    first, second = make_citizen(session, keyring), make_citizen(session, keyring)
    device_id = register_device(session, keyring, citizen_id=first.id, token="t")
    assert register_device(session, keyring, citizen_id=first.id, token="t") == device_id
    moved_id = register_device(session, keyring, citizen_id=second.id, token="t")
    assert moved_id != device_id
    retire_device(session, moved_id)
    assert session.scalar(select(func.count()).where(Device.retired_at.is_(None))) == 0


cells = st.fixed_dictionaries(
    {
        "external_id": st.sampled_from(["A1", "A2", "A3", "A4", ""]),
        "name": st.sampled_from(["Contoh", "Şule Öz", "=1+1", ""]),
        "country": st.sampled_from(["TR", "Suriah", "XX"]),
        "province": st.sampled_from(["", "TR-31", "Aleppo", "?"]),
        "phone": st.sampled_from(["", "+628123456789", "0532 123 45 67", "12345"]),
        "phone2": st.sampled_from(["", "+628123456789", "+60123456789"]),
        "class": st.sampled_from(["", "traveller", "seafarer"]),
        "place_as_of": st.sampled_from(["", "2023-02-05", "2023-02-06T04:17:00+03:00"]),
        "opted_out": st.sampled_from(["", "yes"]),
        "device_token": st.sampled_from(["", "t1", "t2"]),
        "email": st.sampled_from(["", "a@example.org", "A@example.org", "b@example.org", "?"]),
        "is_vulnerable": st.sampled_from(["", "ya", "tidak", "?"]),
    }
)


@given(st.lists(cells, min_size=1, max_size=6), st.lists(cells, min_size=1, max_size=6))
@hypothesis_settings(max_examples=30)
def test_whatever_came_before_a_second_import_of_a_file_changes_nothing(
    session: Session, keyring: Keyring, before: Rows, rows: Rows
) -> None:
    importing = Importing(session, keyring)
    with session.begin_nested() as savepoint:
        _try(importing, before)
        if _try(importing, rows) is not None:
            state = _state(session)
            again = _try(importing, rows)
            assert again is not None
            assert (again.counts["created"], again.counts["updated"]) == (0, 0)
            assert _state(session) == state
        savepoint.rollback()


def _try(importing: Importing, rows: Rows) -> ImportRun | None:
    try:
        return importing(*rows)
    except InvalidError:
        return None


def _state(session: Session) -> list[object]:
    tables = ("citizen", "phone", "device", "email_address", "opt_change")
    return [sorted(session.execute(text(f"SELECT t::text FROM {table} t")).scalars()) for table in tables]
