"""Exercise and Actual never meet. Through settings and tables, each way across is refused with its reason."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from alerts.kit.db import begin
from alerts.settings import Settings
from tests.flows.conftest import Worlds
from tests.notices.test_carriers import LIVE

# -- settings -------------------------------------------------------------------------------------------------------------

SECRET = "a-live-secret-of-ours"
HIDDEN = {
    "as it is": SECRET,
    "in an address": f"http://user:{SECRET}@127.0.0.1:9",
    "with percent signs": quote(f"Bearer {SECRET}", safe="").replace("-", "%2D"),
    "in base64": base64.b64encode(f"AC123:{SECRET}".encode()).decode(),
}
LIVE_SECRETS = {
    "SIAGA_TWILIO_AUTH_TOKEN": {},
    "SIAGA_TWILIO_AUTH_TOKEN_PREVIOUS": {},
    "SIAGA_FCM_STATIC_TOKEN": {},
    "SIAGA_EMAIL_PASSWORD": {"SIAGA_EMAIL_HOST": "127.0.0.1", "SIAGA_EMAIL_FROM": "siaga@example.org"},
    "SIAGA_SMS2_SECRET": {},
    "SIAGA_SMS2_RECEIPT_SECRET": {},
}
PLACES = (
    "SIAGA_EXERCISE_TWILIO_AUTH_TOKEN",
    "SIAGA_EXERCISE_TWILIO_AUTH_TOKEN_PREVIOUS",
    "SIAGA_EXERCISE_TWILIO_BASE_URL",
    "SIAGA_EXERCISE_FCM_STATIC_TOKEN",
    "SIAGA_EXERCISE_EMAIL_PASSWORD",
    "SIAGA_EXERCISE_SMS2_SECRET",
    "SIAGA_EXERCISE_SMS2_RECEIPT_SECRET",
    "SIAGA_EXERCISE_SMS2_USER",
)


@pytest.mark.parametrize("form", HIDDEN.values(), ids=HIDDEN.keys())
@pytest.mark.parametrize("place", PLACES)
def test_no_live_secret_in_any_form_is_an_exercises(place: str, form: str) -> None:
    for name, more in LIVE_SECRETS.items():
        with pytest.raises(SystemExit, match=r"exercise.* (is the live one|holds a live secret)"):
            Settings.from_environment({"SIAGA_MODE": "test", name: SECRET, place: form, **more})


def test_no_live_number_or_account_is_an_exercises() -> None:
    live = {"SIAGA_MODE": "test", "SIAGA_TWILIO_ACCOUNT_SID": LIVE, "SIAGA_TWILIO_MESSAGING_SERVICE_SID": "MGlive"}
    for name, value in {"SIAGA_EXERCISE_TWILIO_FROM": "MGlive", "SIAGA_EXERCISE_SMS2_USER": LIVE}.items():
        with pytest.raises(SystemExit, match="is the live one"):
            Settings.from_environment(live | {name: value})


def service_account(folder: Path, name: str, **said: str) -> str:
    """A service account's file as Google gives it out, as far as it names things."""
    path = folder / f"{name}.json"
    own = {"project_id": name, "client_email": f"push@{name}.example", "private_key_id": f"key-of-{name}", "private_key": f"of {name}"}
    path.write_text(json.dumps({"type": "service_account", **own, **said}))
    return str(path)


def test_exercises_push_by_a_service_account_of_their_own(tmp_path: Path) -> None:
    real = {"PROJECT": "drill", "CREDENTIALS_FILE": service_account(tmp_path, "drill"), "BASE_URL": "https://fcm.googleapis.com"}
    own = Settings.from_environment({f"SIAGA_EXERCISE_FCM_{name}": value for name, value in real.items()})
    assert own.exercise.fcm_credentials_file == real["CREDENTIALS_FILE"], "the path, not what is in it"


@pytest.mark.parametrize("part", ["project_id", "client_email", "private_key_id", "private_key"])
def test_no_live_service_account_is_an_exercises(tmp_path: Path, part: str) -> None:
    live = service_account(tmp_path, "live")
    shared = service_account(tmp_path, "drill", **{part: json.loads(Path(live).read_text())[part]})
    (tmp_path / "link.json").symlink_to(live)
    named = {"SIAGA_FCM_PROJECT": "live", "SIAGA_FCM_CREDENTIALS_FILE": live, "SIAGA_EXERCISE_FCM_PROJECT": "drill"}
    for path in (shared, live, str(tmp_path / "link.json")):
        with pytest.raises(SystemExit, match=r"exercise\.fcm_credentials_file is the live one"):
            Settings.from_environment(named | {"SIAGA_EXERCISE_FCM_CREDENTIALS_FILE": path})


# -- the tables -----------------------------------------------------------------------------------------------------------

A, E = (f"(SELECT id FROM incident WHERE status = '{status}')" for status in ("Actual", "Exercise"))
BA, BE = (f"(SELECT id FROM broadcast WHERE status = '{status}')" for status in ("Actual", "Exercise"))
MEMBER = """INSERT INTO audience_member (audience_id, broadcast_id, citizen_id, phone_id, address_id, channel, language, reason)
    SELECT a.id, {broadcast}, c.id, p.id, p.id, 'sms', 'id', 'x' FROM audience a, citizen c JOIN phone p ON p.citizen_id = c.id
    WHERE a.broadcast_id = {list} AND NOT c.is_tester"""
WINDOW = """INSERT INTO send_window (batch_id, generation, sender, deliveries, numbers, lease_until)
    SELECT b.id, 1, '{sender}', ARRAY(SELECT id FROM delivery WHERE broadcast_id = {of} LIMIT 1), '{{2}}', now() FROM delivery_batch b
    WHERE b.broadcast_id = {batch}"""
CROSSINGS = {
    "the status of an incident": ("UPDATE incident SET status = 'Exercise' WHERE status = 'Actual'", "never changes"),
    "the status of a message": ("UPDATE broadcast SET status = 'Exercise' WHERE status = 'Actual'", "never changes"),
    "a message to the other incident": (f"UPDATE broadcast SET incident_id = {E}, status = 'Exercise' WHERE id = {BA}", "never changes"),
    "a correction of an alert by an exercise": (f'UPDATE broadcast SET "references" = ARRAY[{BA}] WHERE id = {BE}', "refers only to"),
    "a correction of an exercise by an alert": (f'UPDATE broadcast SET "references" = ARRAY[{BE}] WHERE id = {BA}', "refers only to"),
    "areas of the other incident": (
        f"UPDATE broadcast SET area_ids = ARRAY(SELECT id FROM incident_area WHERE incident_id = {E}) WHERE id = {BA}",
        "areas and lists of its own",
    ),
    "the list of the other message": (
        f"UPDATE broadcast SET audience_id = (SELECT id FROM audience WHERE broadcast_id = {BA}) WHERE id = {BE}",
        "a list of its own",
    ),
    "somebody who is no tester": (MEMBER.format(broadcast=BE, list=BE), "testers alone"),
    "a member on the other's list": (MEMBER.format(broadcast=BA, list=BE), "the message of the list"),
    "an exercise's text without its word": (f"UPDATE broadcast_text SET body = 'Gempa' WHERE broadcast_id = {BE}", "LATIHAN"),
    "an alert's text with it": (f"UPDATE broadcast_text SET body = 'LATIHAN: Gempa' WHERE broadcast_id = {BA}", "LATIHAN"),
    "a batch to the other's list": (
        f"UPDATE delivery_batch SET audience_id = (SELECT id FROM audience WHERE broadcast_id = {BA}) WHERE broadcast_id = {BE}",
        "a list of that message",
    ),
    "a delivery in the other's batch": (
        f"""INSERT INTO delivery (id, member_id, broadcast_id, batch_id, step, channel)
        SELECT m.id * 64 + 5, m.id, {BE}, b.id, 5, 'sms' FROM audience_member m, delivery_batch b
        WHERE m.broadcast_id = {BE} AND b.broadcast_id = {BA} LIMIT 1""",
        "the message of its batch",
    ),
    "a delivery moved to the other message": (
        f"UPDATE delivery SET broadcast_id = {BE} WHERE broadcast_id = {BA}",
        "append-only|not change",
    ),
    "an alert by an exercise's sender": (WINDOW.format(sender="exercise:twilio", of=BA, batch=BA), "is not sent by"),
    "an exercise by a live sender": (WINDOW.format(sender="twilio", of=BE, batch=BE), "is not sent by"),
    "an alert's people in an exercise's window": (WINDOW.format(sender="exercise:twilio", of=BA, batch=BE), "members of its own lists"),
    "a window's sender afterwards": ("UPDATE send_window SET sender = 'twilio'", "append-only|not change"),
    "an answer to the other incident": (
        f"""INSERT INTO checkin (incident_id, citizen_id, answer, channel, rung, recorded_by, member_id)
        SELECT {A}, citizen_id, 'safe', 'sms', 'reported', 'x', id FROM audience_member WHERE broadcast_id = {BE}""",
        "the incident whose message",
    ),
    "a case of the other status": (
        f"INSERT INTO help_case (incident_id, status, citizen_id) SELECT {E}, 'Actual', id FROM citizen WHERE is_tester",
        "status is that of the incident",
    ),
    "a report of the other status": (
        f"""INSERT INTO report (incident_id, status, source, version, state, as_of, filed, filed_by)
        SELECT {E}, 'Actual', 'ministry', 1, 'accepted', now(), '{{}}', 'x'""",
        "fk_report_incident_id_status",
    ),
    "a page of the other status": (
        f"""INSERT INTO paging (kind, subject_kind, subject_id, incident_id, status, role, texts, path)
        VALUES ('approval', 'broadcast', 'x', {E}, 'Actual', 'approver', '{{}}', '/')""",
        "status is that of the incident",
    ),
    "a message that came in": (
        f"""INSERT INTO inbound_message (provider_id, from_enc, from_index, body_enc, segments, media, carrier_opted_out, incident_id,
            status) VALUES ('x', '', '', '', 1, 0, false, {E}, 'Actual')""",
        "status is that of the incident",
    ),
}


@pytest.mark.parametrize(("statement", "reason"), CROSSINGS.values(), ids=CROSSINGS.keys())
def test_the_tables_refuse_rows_of_another_status(worlds: Worlds, statement: str, reason: str) -> None:
    with pytest.raises(IntegrityError, match=reason), begin(worlds.sessions) as session:
        session.execute(text(statement))
