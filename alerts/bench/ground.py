"""What a path stands on: a database of its own with invented people, an incident, and messages approved by two people."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from alerts.bench.cpu import cpu_seconds
from alerts.bench.outcome import Plan
from alerts.broadcasts.actions import approve_broadcast, draft_broadcast, submit_broadcast
from alerts.broadcasts.rules import Channel
from alerts.broadcasts.schemas import Approval, BroadcastDraft
from alerts.channels.rule_book_outlets import SenderSets
from alerts.embedded import Services
from alerts.embedded.launch import database_name
from alerts.incidents.actions import open_incident
from alerts.incidents.rules import Certainty, Kind, Severity, Urgency
from alerts.incidents.schemas import AreaIn, IncidentOpen
from alerts.kit.actor import SYSTEM, Actor, Via
from alerts.kit.clock import db_now
from alerts.kit.crypto import Keyring
from alerts.kit.db import Sessions, begin, make_engine, make_sessions
from alerts.places import AreaKind
from alerts.settings import Settings
from alerts.staff.actions import NewStaff, create_staff
from alerts.staff.models import Staff
from alerts.staff.rules import Role
from alerts.staff.sign_in import actor_of
from alerts.stage import Stage

STATEMENT_SECONDS = 900
CHUNK, SAY_ABOVE = 20_000, 200_000
COUNTRY, WARM_UP_COUNTRY = "TR", "EG"
TEXTS = {
    "id": "Gempa kuat di dekat Anda. Keluar dari gedung, jauhi kaca dan tebing, ikuti petugas setempat.",
    "en": "Strong earthquake near you. Leave the building, keep away from glass and slopes, follow local officers.",
}
Say = Callable[[str], None]


@dataclass(frozen=True)
class Ground:
    """One path's stage and hands. `say` tells whoever watches what is going on."""

    stage: Stage
    sessions: Sessions
    author: Actor
    approver: Actor
    plan: Plan
    say: Say

    @property
    def settings(self) -> Settings:
        """Of the processes of this path."""
        return self.stage.settings

    def open_incident(self, country: str = COUNTRY) -> UUID:
        """An earthquake in one country."""
        with begin(self.sessions) as session:
            command = IncidentOpen(
                kind=Kind.EARTHQUAKE,
                title="Gempa uji kecepatan",
                urgency=Urgency.IMMEDIATE,
                severity=Severity.EXTREME,
                certainty=Certainty.OBSERVED,
                occurred_at=db_now(session) - timedelta(minutes=1),
                areas=[AreaIn(kind=AreaKind.COUNTRY, code=country)],
                lists=[],
            )
            return open_incident(session, actor=self.author, command=command, report_due=timedelta(minutes=5)).id

    def approve_message(self, incident_id: UUID, *, people: int) -> UUID:
        """A message to everyone concerned, by SMS alone: written, frozen, submitted, approved, not yet released."""
        with begin(self.sessions) as session:
            draft = BroadcastDraft(texts=TEXTS, channels=[Channel.SMS])
            broadcast = draft_broadcast(session, actor=self.author, incident_id=incident_id, command=draft)
            submit_broadcast(
                session, actor=self.author, broadcast_id=broadcast.id, configured=SenderSets.of(self.settings), freeze_at_once_max=people
            )
            approval = Approval(content_hash=broadcast.content_hash or "")
            approve_broadcast(session, actor=self.approver, broadcast_id=broadcast.id, command=approval)
            return broadcast.id

    def invent_people(self, count: int) -> None:
        """Residents with one number each, by one statement: what is sealed in their fields nobody ever opens here."""
        with begin(self.sessions) as session:
            session.execute(text(INVENT), {"count": count, "country": COUNTRY})
        self._analyze()

    def write_people(self, countries: Mapping[str, int], *, first: int = 0) -> None:
        """Residents with one sealed number each, so many per country: these can be texted. As bytes, to be ready soon.

        `first`: where their numbering begins, so that no two calls give a number twice.
        """
        write_people(self, countries, first)
        self._analyze()

    def cpu_of(self, *processes: str) -> Counter[str]:
        """Processor seconds so far, by name, of these processes of ours and of our own servers (of foreign ones: none)."""
        services = self.stage.services
        pids = {name: services.process_pid(name) for name in processes}
        pids |= {"postgres": services.postgres_pid} if services.is_own_postgres else {}
        pids |= {"valkey": services.valkey_pid} if services.is_own_valkey else {}
        return Counter({name: cpu_seconds([pid]) for name, pid in pids.items()})

    def cpu_seconds(self, *processes: str) -> float:
        """The sum of `cpu_of`."""
        return float(sum(self.cpu_of(*processes).values()))

    def _analyze(self) -> None:
        with begin(self.sessions) as session:
            session.execute(text("ANALYZE"))


@contextmanager
def ground(services: Services, path: str, *, plan: Plan, say: Say, overrides: Mapping[str, str] | None = None) -> Iterator[Ground]:
    """A fresh copy of the migrated database of this run, with an author and an approver."""
    url = services.create_database(path, template=database_name(services.database_url))
    stage = Stage(services, mode="test", overrides={"SIAGA_DATABASE_URL": url, **(overrides or {})})
    engine = make_engine(url, pool_size=2, statement_timeout_seconds=STATEMENT_SECONDS)
    try:
        sessions = make_sessions(engine)
        yield Ground(stage, sessions, _actor(sessions, Role.DUTY_OFFICER), _actor(sessions, Role.APPROVER), plan, say)
    finally:
        engine.dispose()
        stage.close()


def make_template(services: Services) -> None:
    """Migrate the run's own database; the paths work on copies of it."""
    stage = Stage(services, mode="test")
    try:
        stage.migrate()
    finally:
        stage.close()


def _actor(sessions: Sessions, role: Role) -> Actor:
    with begin(sessions) as session:
        made = create_staff(session, actor=SYSTEM, command=NewStaff("bench." + role.value.replace("_", "."), role.value.title(), role))
        return actor_of(session.get_one(Staff, made.id), Via.SESSION)


def write_people(floor: Ground, countries: Mapping[str, int], first: int) -> None:
    """The register's rows of made-up people, sealed by the keys of this run, chunk by chunk by COPY."""
    total, began, done = sum(countries.values()), time.perf_counter(), 0
    for country, count in countries.items():
        for start in range(0, count, CHUNK):
            size = min(CHUNK, count - start)
            with begin(floor.sessions) as session:
                _write_chunk(session.connection().connection.cursor(), floor.settings.keyring, country, first=first + done, count=size)
            done += size
            if total >= SAY_ABOVE and done % (CHUNK * 5) < CHUNK:
                left = (time.perf_counter() - began) / done * (total - done)
                floor.say(f"{done} of {total} people written, {left:.0f} s left")


def _write_chunk(cursor: Any, keyring: Keyring, country: str, *, first: int, count: int) -> None:
    ids = [row[0] for row in cursor.execute("SELECT uuidv7() FROM generate_series(1, %s)", (2 * count,)).fetchall()]
    citizens, phones = ids[:count], ids[count:]
    with cursor.copy("COPY citizen (id, name_enc, name_index, language, class, country_iso2) FROM STDIN") as copy:
        for place, citizen in enumerate(citizens, start=first):
            name = keyring.encrypt(f"Warga {place}", table="citizen", column="name_enc", row=citizen)
            copy.write_row((citizen, name, place.to_bytes(32), "id" if place % 4 else "en", "resident", country))
    with cursor.copy("COPY phone (id, citizen_id, e164_enc, e164_index, number_country, position, is_valid) FROM STDIN") as copy:
        for place, (citizen, phone) in enumerate(zip(citizens, phones, strict=True), start=first):
            number = f"+62812{10_000_000 + place}"
            sealed = keyring.encrypt(number, table="phone", column="e164_enc", row=phone)
            copy.write_row((phone, citizen, sealed, keyring.blind_index(number), "ID", 1, True))


# Some bytes where ciphertexts and fingerprints stand: nobody opens them, and no two are alike. In order, to be ready soon.
INVENT = """
WITH made AS (
    INSERT INTO citizen (name_enc, name_index, language, class, country_iso2)
    SELECT uuid_send(gen_random_uuid()), int8send(n) || int8send(n), CASE n % 4 WHEN 0 THEN 'en' ELSE 'id' END, 'resident', :country
    FROM generate_series(1, :count) n RETURNING id
)
INSERT INTO phone (citizen_id, e164_enc, e164_index, number_country, position, is_valid)
SELECT id, uuid_send(gen_random_uuid()), uuid_send(id), 'ID', 1, true FROM made
"""
