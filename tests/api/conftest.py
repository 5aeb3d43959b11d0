"""A small world with one of everything, and the operations of the interface as its own document names them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session, sessionmaker

from alerts.app import create_app
from alerts.checkins.actions import NewCheckin, record_checkin
from alerts.checkins.cases.models import HelpCase
from alerts.checkins.rules import Answer, Channel
from alerts.country_rules.actions import load_packaged_rules
from alerts.deliveries.exports.models import ReachExport
from alerts.deliveries.rules import attempt_name
from alerts.inbox.actions import Inbound, receive_message, understand_message
from alerts.inbox.models import InboundMessage
from alerts.incidents.calling_out import call_out
from alerts.incidents.models import Incident
from alerts.incidents.queries import list_areas
from alerts.kit.actor import SYSTEM, Via
from alerts.kit.crypto import Keyring
from alerts.kit.db import Sessions, make_engine, make_sessions
from alerts.kit.ids import callback_token, incident_code
from alerts.live.actions import refresh
from alerts.live.shifts.actions import hand_over
from alerts.live.shifts.schemas import HandoverIn
from alerts.notices.actions import PagingStart, start_paging
from alerts.notices.alarms import raise_alarm
from alerts.notices.crew.models import CrewCall, CrewSlot
from alerts.notices.crew.rules import Function
from alerts.notices.queries import list_contacts
from alerts.notices.rules import AlarmKind
from alerts.people.deaths.actions import tell_kin
from alerts.people.deaths.models import DeathStep
from alerts.people.deaths.schemas import KinToldIn
from alerts.people.models import Person
from alerts.reports.code_lists.actions import issue_code_list
from alerts.reports.pictures.schemas import TWO_BY_TWO
from alerts.settings import Settings
from alerts.staff.models import Staff
from alerts.staff.rules import Role
from alerts.staff.sign_in import actor_of
from tests.api.interface import Operation, headers_for, load_document
from tests.channels.ways import SECRET, described
from tests.factories.checkins import link_of, make_citizen, make_member
from tests.factories.deliveries import make_delivery
from tests.factories.families import make_enquiry
from tests.factories.incidents import HATAY, OPENER, make_incident
from tests.factories.notices import make_contact
from tests.factories.people import make_person, statement
from tests.factories.reports import line, report_body
from tests.factories.staff import make_staff, session_headers, token_headers
from tests.factories.templates import make_template
from tests.support.apps import lent
from tests.support.servers import Servers, fresh_database

_numbers = count(1)
BROWSER_KEYS = {
    "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
    "auth": "BTBZMqHH6r4Tts7J_aSIgg",
}
QUERIES = {"responsible": {"place": "TR-31"}, "duty": {"role": "approver"}}
BASE_URL = "http://testserver"
CSV = "external_id,name,phone,country,province\nWNI-1,Contoh Nama,+62 812-3456-789,TR,Hatay\n"


@dataclass
class World:
    """One of everything in Türkiye, and somebody of every role (mission roles: kbri-ankara)."""

    client: TestClient
    ids: dict[str, str] = field(default_factory=dict)
    others: dict[str, dict[str, str]] = field(default_factory=dict)
    """For some operations another thing than the world's usual one."""
    who: dict[str, dict[str, str]] = field(default_factory=dict)

    def call(self, operation: Operation, role: str | None, **more: Any) -> Any:
        """The operation with its own example as body and the ids of this world. `None` is nobody."""
        path = self.path_of(operation)
        query = QUERIES.get(path.rpartition("/")[2])
        if operation.id == "preview_first_alert":
            query = {name: self.ids[name] for name in ("template_id", "area_id")}
        headers = headers_for(operation) | ({} if role is None else self.who[role]) | more.pop("headers", {})
        values = {"params": query} | operation.body_arguments(self.ids) | more
        return self.client.request(operation.method, path, headers=headers, **values)

    def path_of(self, operation: Operation) -> str:
        """Its address, about the things of this world."""
        return operation.path.format(**(self.ids | self.others.get(operation.id, {})))


@pytest.fixture(scope="session")
def settings(make_settings: Callable[..., Settings], worker_database_url: str) -> Settings:
    """Those of all tests, and a described provider whose receipts are genuine by their address alone."""
    receipts = {"status": "/message/state", "id": "/message/id", "states": {"ARRIVED": "delivered"}, "auth": "path"}
    dialect = described(receipts=receipts).model_dump_json(by_alias=True)
    return make_settings(worker_database_url, SIAGA_SMS2_URL="http://127.0.0.1:9", SIAGA_SMS2_SECRET=SECRET, SIAGA_SMS2_DESCRIPTION=dialect)


@pytest.fixture(scope="session")
def shared_app(settings: Settings) -> FastAPI:
    """As everywhere, with these settings."""
    return create_app(settings)


@pytest.fixture(scope="session")
def document(shared_app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document."""
    return load_document(shared_app)


@pytest.fixture(scope="session")
def world_engine(servers: Servers, worker_name: str) -> Iterator[Engine]:
    """A database with the world in it and nothing else."""
    with fresh_database(servers, f"{worker_name}_world") as url:
        engine = make_engine(url)
        yield engine
        engine.dispose()


@pytest.fixture
def savepoint_sessions(request: pytest.FixtureRequest) -> Iterator[Sessions]:
    """As everywhere, and for tests with a world on its database: what they do to it is rolled back."""
    engine = request.getfixturevalue("world_engine" if "world" in request.fixturenames else "_worker_engine")
    with engine.connect() as connection:
        outer = connection.begin()
        yield sessionmaker(connection, expire_on_commit=False, join_transaction_mode="create_savepoint")
        outer.rollback()


@pytest.fixture
def world(made_world: World, client: TestClient) -> World:
    """The world, as it was made."""
    return World(client, dict(made_world.ids), dict(made_world.others), dict(made_world.who))


@pytest.fixture(scope="session")
def made_world(shared_app: FastAPI, world_engine: Engine, keyring: Keyring, settings: Settings) -> World:
    """Made once for all tests of this process, and committed."""
    sessions = make_sessions(world_engine)
    with lent(shared_app, settings, sessions), TestClient(shared_app, base_url=BASE_URL) as client, sessions() as session:
        return make_world(client, session, keyring, settings)


def make_world(client: TestClient, session: Session, keyring: Keyring, settings: Settings) -> World:
    world = World(client)
    people: dict[Role, Staff] = {}
    for role in Role:
        people[role] = staff = make_staff(session, role)
        world.who[role.value] = session_headers(session, staff, settings)
        world.who[f"token of {role.value}"] = token_headers(session, staff)
    load_packaged_rules(session)
    incident = make_incident(session, areas=[HATAY])
    citizen = make_citizen(session, keyring)
    member = make_member(session, incident, citizen)
    person = make_person(session, keyring, incident, statement("contact", "unaccounted"))
    number = next(_numbers)
    receive_message(
        session, keyring=keyring, inbound=Inbound(f"SM{number:032}", citizen.e164, "2 kaki patah", 1, 0, carrier_opted_out=False)
    )
    message_id = session.scalars(select(InboundMessage.id).order_by(InboundMessage.id.desc())).first()
    assert message_id is not None
    understand_message(session, keyring=keyring, message_id=message_id)
    session.flush()
    refresh(session, incident.id)
    officer = people[Role.DUTY_OFFICER]
    make_contact(session, keyring, officer)
    for number in range(2):
        for role, mission in ((Role.DUTY_OFFICER, None), (Role.MISSION_STAFF, "kbri-ankara")):
            texts = {"id": "Uji", "en": "Test"}
            paging_id = start_paging(session, PagingStart("alarm", ("test", f"{role}-{number}"), role, texts, "/duty", mission))
    raise_alarm(session, kind=AlarmKind.DEAD_TOKENS, sender="fcm", count=7)
    alarm_id = raise_alarm(session, kind=AlarmKind.STOP_ALL, sender="twilio", count=1)
    world.ids |= {
        "staff_id": str(officer.id),
        "contact_id": str(list_contacts(session, officer.id)[0].id),
        "paging_id": str(paging_id),
        "alarm_id": str(alarm_id),
    }
    world.ids |= {"template_id": str(make_template(session).id), "area_id": str(list_areas(session, incident.id)[0].id), "wave": "2"}
    world.ids |= _call_for_help(session, keyring, incident)
    _add_dead(world, session, keyring, incident)
    _add_families(world, session, keyring, incident)
    _add_crew(world, session, incident, people)
    codes = issue_code_list(session, actor=SYSTEM, keyring=keyring, mission_code="kbri-ankara", size=2)
    session.commit()
    world.ids |= {
        "list_id": str(codes.row.id),
        "incident_id": str(incident.id),
        "person_id": str(person.id),
        "citizen_external_id": citizen.external_id,
        "citizen_id": str(citizen.id),
        "message_id": str(message_id),
        "token": link_of(keyring, member).removeprefix("/i/"),
        "link": link_of(keyring, member).removeprefix("/i/"),
        "provider": "lintas",
        "code": "kbri-ankara",
        "ruled_channel": "sms",
        "number_country": "TR",
        "version": "1",
        "conflict_id": "ab12",
        "slug": "earthquake-tr-222222",
        "alert_code": "222222",
        "function": "spokesman",
    }
    # The usual message is a draft, which nobody may forward.
    world.others["get_forwardable_text"] = {"broadcast_id": world.ids.pop("approved_id")}
    _add_by_http(world)
    world.ids["export_id"] = _ask_for_exports(session, world.ids["broadcast_id"])
    session.commit()
    return world


def _call_for_help(session: Session, keyring: Keyring, incident: Incident) -> dict[str, str]:
    """Somebody whom no message reached and who called for help by an open link, and the link."""
    citizen = make_citizen(session, keyring)
    member = make_member(session, incident, citizen)
    delivery = make_delivery(session, member, "failed")
    record_checkin(session, actor=SYSTEM, keyring=keyring, new=NewCheckin(incident.id, citizen.id, Answer.NEED_HELP, Channel.OPEN_LINK))
    case_id = session.scalars(select(HelpCase.id).order_by(HelpCase.id.desc())).first()
    return {
        "case_id": str(case_id),
        "member_id": str(member.id),
        "link_code": incident_code(keyring.link, incident.id),
        "attempt": callback_token(keyring.callback, attempt_name(delivery.id, 1)),
        "approved_id": str(member.broadcast_id),
    }


def _add_dead(world: World, session: Session, keyring: Keyring, incident: Incident) -> None:
    """Somebody who is said to be dead, with one step towards the publication."""
    dead = make_person(session, keyring, incident, statement("condition", "dead", said_by="RS Adana"))
    told = {"said_by": "KBRI", "how": "telepon", "reason": "ibu", "as_of": "2023-02-18T12:00:00Z"}
    tell_kin(session, actor=OPENER, person_id=dead.id, command=KinToldIn.model_validate(told))
    world.ids["step_id"] = str(session.scalars(select(DeathStep.id)).one())
    acts = ("get_death", "confirm_death", "tell_kin", "decide_kin_not_found", "allow_initials", "withdraw_death_step")
    world.others |= {act: {"person_id": str(dead.id)} for act in acts}


def _add_families(world: World, session: Session, keyring: Keyring, incident: Incident) -> None:
    """Families ask after three people: one of them is recognised, and one is asked after twice."""
    mother, friend, other = (make_enquiry(session, keyring, incident, sought_name=name) for name in ("Riski", "Slamet", "Dewi"))
    mother.enquiry.person_id = session.scalars(select(Person.id)).first()
    other.enquiry.joined_into = mother.enquiry.id
    world.ids |= {"enquiry_id": str(mother.enquiry.id), "call_id": str(mother.call.id), "into": str(mother.enquiry.id)}
    world.others |= {"join_enquiry": {"enquiry_id": str(friend.enquiry.id)}, "separate_enquiry": {"enquiry_id": str(other.enquiry.id)}}


def _add_crew(world: World, session: Session, incident: Incident, people: dict[Role, Staff]) -> None:
    """The duty officer is called to the incident, and two shifts were handed over."""
    call_out(session, incident.id)
    slot = session.scalars(select(CrewSlot).where(CrewSlot.function == Function.DUTY_OFFICER)).one()
    officer = people[Role.DUTY_OFFICER]
    call = CrewCall(slot_id=slot.id, staff_id=officer.id)
    session.add(call)
    session.flush()
    world.others["answer_crew_call"] = {"call_id": str(call.id)}
    world.ids["to_staff"] = str(people[Role.APPROVER].id)
    for _ in range(2):
        command = HandoverIn(to_staff=people[Role.APPROVER].id, note="Uji")
        hand_over(session, actor=actor_of(officer, Via.SESSION), incident=incident, command=command)


def _ask_for_exports(session: Session, broadcast_id: str) -> str:
    """Two files of who was reached wait for somebody to grant them, asked for by somebody else than all of these people."""
    for _ in range(2):
        export = ReachExport(broadcast_id=UUID(broadcast_id), reason="Uji", has_contacts=False, row_count=3, asked_by=uuid4())
        export.expires_at = datetime.now(UTC) + timedelta(hours=1)
        session.add(export)
        session.flush()
    return str(export.id)


def _add_by_http(world: World) -> None:
    incident, duty = f"/api/v1/incidents/{world.ids['incident_id']}", world.who["token of duty_officer"]
    person = world.client.get(f"/api/v1/persons/{world.ids['person_id']}", headers=duty).json()
    world.ids["statement_id"] = person["statements"][0]["id"]
    draft = {"texts": {"id": "Gempa kuat. Jauhi gedung retak.", "en": "Strong earthquake. Keep away from cracked buildings."}}
    world.ids["broadcast_id"] = _post(world, f"{incident}/broadcasts", duty, json=draft)
    report = report_body(line("injured", 2, places=["TR-31"]))
    world.ids["report_id"] = _post(world, f"{incident}/reports", world.who["token of mission_staff"], json=report)
    pictures = f"{incident}/reports/{world.ids['report_id']}/pictures"
    world.ids["picture_id"] = _post(world, pictures, world.who["token of mission_staff"], json={"picture": TWO_BY_TWO})
    removed = _post(world, pictures, world.who["token of mission_staff"], json={"picture": TWO_BY_TWO})
    world.others["remove_picture"] = {"picture_id": removed}
    checkin = {"incident_id": world.ids["incident_id"], "citizen_external_id": world.ids["citizen_external_id"], "answer": "safe"}
    world.ids["checkin_id"] = _post(world, "/api/v1/checkins", duty, json=checkin)
    said = {"clauses": ["as_of", "present"]}
    world.ids["public_statement_id"] = _post(world, f"{incident}/statements", duty, json=said)
    for act in ("publish_statement", "withdraw_statement"):
        world.others[act] = {"public_statement_id": _post(world, f"{incident}/statements", duty, json=said)}
    rumour = {"claim": {"id": "Kabar", "en": "Word"}, "verdict": "false", "explanation": {"id": "Tidak benar.", "en": "Not so."}}
    world.ids["rumour_id"] = _post(world, f"{incident}/rumours", duty, json=rumour)
    for act in ("publish_rumour", "withdraw_rumour"):
        world.others[act] = {"rumour_id": _post(world, f"{incident}/rumours", duty, json=rumour)}
    browser = {"endpoint": "https://updates.push.services.mozilla.com/wpush/v2/contoh", "keys": BROWSER_KEYS}
    world.ids["browser_id"] = _post(world, f"/api/v1/citizens/{world.ids['citizen_id']}/browsers", duty, json=browser)
    world.ids["run_id"] = _post(world, "/api/v1/imports", duty | {"Content-Type": "text/csv"}, content=CSV)


def _post(world: World, path: str, headers: dict[str, str], **more: Any) -> str:
    answer = world.client.post(path, headers=headers | {"Idempotency-Key": str(uuid4())}, **more)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])
