"""A quiet incident: what was taken is followed by nothing, what failed may try another way, and no phone rings."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from alerts.deliveries.carriers import Carriers
from alerts.deliveries.messages import Messages
from alerts.kit.db import begin
from tests.deliveries.conftest import Fanout

pytestmark = pytest.mark.deliveries
Make = Callable[..., Fanout]
SMS = "jsonb_build_array(jsonb_build_array('sms', phone_id, number_country))"
VOICE = "jsonb_build_array(jsonb_build_array('voice', phone_id, number_country))"


def steps_after(message: Fanout, carriers: Carriers, *, is_quiet: bool, way: str = SMS) -> list[int]:
    """The steps that everybody came to when the clock of the first had run out."""
    message.run(f"UPDATE audience_member SET further_ways = {way}")
    message.release()
    message.send(carriers)
    message.run("UPDATE incident SET is_quiet = :quiet", quiet=is_quiet)
    message.step_time_passes()
    return [row["step"] for row in message.rows("SELECT step FROM delivery ORDER BY id")]


@pytest.mark.parametrize(("is_quiet", "steps"), [(False, [1, 2]), (True, [1])])
def test_what_was_taken_is_followed_by_nothing(fanout: Make, carriers: Carriers, is_quiet: bool, steps: list[int]) -> None:
    assert steps_after(fanout("+6281260000001"), carriers, is_quiet=is_quiet) == steps


@pytest.mark.parametrize(("way", "steps"), [(SMS, [1, 2]), (VOICE, [1])])
def test_after_a_failure_another_way_may_be_tried_but_nobody_is_called(
    fanout: Make, carriers: Carriers, way: str, steps: list[int]
) -> None:
    message = fanout("+6281219991211")
    message.run("UPDATE incident SET is_quiet = true")
    assert steps_after(message, carriers, is_quiet=True, way=way) == steps


WHATSAPP = "jsonb_build_array(jsonb_build_array('whatsapp', phone_id, number_country))"
BROWSER = "jsonb_build_array(jsonb_build_array('web_push', phone_id, NULL))"
TAKEN = """
UPDATE delivery SET state = :state, provider_id = 'p', accepted_at = now(), answered_at = CASE WHEN :answered THEN now() END WHERE step = 2
"""


@pytest.mark.parametrize(
    ("way", "state", "is_answered", "goes_on"),
    [
        (SMS, "accepted", False, True),
        (SMS, "unknown", False, True),
        (f"{WHATSAPP} || {SMS}", "accepted", False, True),
        (WHATSAPP, "accepted", False, False),
        (VOICE, "accepted", False, False),
        (SMS, "delivered", False, False),
        (SMS, "accepted", True, False),
    ],
)
def test_a_browser_that_took_it_has_reached_nobody_while_there_is_a_text(
    fanout: Make, carriers: Carriers, way: str, state: str, is_answered: bool, goes_on: bool
) -> None:
    message = fanout("+6281219991211")
    message.run("UPDATE incident SET is_quiet = true")
    assert steps_after(message, carriers, is_quiet=True, way=f"{BROWSER} || {way}") == [1, 2]
    message.run(TAKEN, state=state, answered=is_answered)
    message.step_time_passes()
    assert [row["step"] for row in message.rows("SELECT step FROM delivery ORDER BY id")] == [1, 2, *([3] if goes_on else [])]


def test_the_first_words_are_neutral(fanout: Make) -> None:
    message = fanout("+6281260000001")
    message.run("UPDATE incident SET is_quiet = true")
    with begin(message.sessions) as session:
        messages = Messages.load(session, message.settings, message.broadcast_id)
    assert not messages.manners.has_sound
    assert messages.manners.title == {"id": "Pesan baru", "en": "New message"}
