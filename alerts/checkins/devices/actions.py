"""Use cases of whoever holds a link: alerts in this browser, in this app, or no longer there. None commits."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from alerts.checkins.actions import LinkHolder, find_link_holder
from alerts.checkins.devices.rules import NEW_ONES, check_pace, check_takes
from alerts.citizens.actions import register_device, retire_device
from alerts.citizens.addresses import has_browser, read_browser, register_browser, take_browser_away
from alerts.citizens.models import Device, WebPushSubscription
from alerts.citizens.queries import get_citizen
from alerts.citizens.rules import LinkUsed
from alerts.citizens.schemas import BrowserIn
from alerts.incidents.queries import get_incident
from alerts.incidents.rules import State, Status
from alerts.kit.actor import Actor, Via
from alerts.kit.clock import db_now
from alerts.kit.crypto import Keyring
from alerts.kit.errors import NotFoundError
from alerts.kit.i18n import translator
from alerts.settings import Settings


def get_holder(session: Session, keyring: Keyring, link: str, *, is_exercise: bool) -> LinkHolder:
    """Whom the link belongs to; 404, the same for every link that is none of this world."""
    holder = find_link_holder(session, keyring, link, Status.EXERCISE if is_exercise else Status.ACTUAL)
    if holder is None:
        raise NotFoundError("link_not_found", "There is no such link.", field="link")
    return holder


def actor_of(holder: LinkHolder) -> Actor:
    return Actor(Via.LINK, label=f"member:{holder.member_id}")


def add_browser(session: Session, settings: Settings, holder: LinkHolder, given: BrowserIn) -> None:
    """From now on alerts go to this browser of the holder's too, after their other ways; again, and it was seen again.

    409: the link's time is over, the person gets no messages, or the browser is registered otherwise.
    422: no push service that we know, or keys that are none. 429: too many new ones.
    """
    _check_takes(session, holder)
    browser = read_browser(settings, given.model_copy(update={"is_exercise": holder.is_exercise}))
    _lock(session, holder.citizen_id)
    if not has_browser(session, settings.keyring, citizen_id=holder.citizen_id, browser=browser):
        mine = WebPushSubscription.citizen_id == holder.citizen_id
        _check_pace(session, select(WebPushSubscription.created_at).where(mine).order_by(WebPushSubscription.created_at.desc()))
    used = LinkUsed(holder.member_id, holder.generation)
    register_browser(session, settings.keyring, citizen_id=holder.citizen_id, browser=browser, actor=actor_of(holder), link=used)


def take_browser(session: Session, keyring: Keyring, holder: LinkHolder, endpoint: str) -> None:
    """No more alerts to this browser. One that is not the holder's, or was taken before, changes nothing."""
    row_id = _find_browser(session, keyring, holder, endpoint)
    if row_id is not None:
        take_browser_away(session, citizen_id=holder.citizen_id, subscription_id=row_id, actor=actor_of(holder))


def add_device(session: Session, keyring: Keyring, holder: LinkHolder, token: str) -> None:
    """From now on alerts go to this app of the holder's too, after their other ways; 409 and 429 as for a browser."""
    _check_takes(session, holder)
    _lock(session, holder.citizen_id)
    if _find_device(session, keyring, holder, token) is None:
        mine = Device.citizen_id == holder.citizen_id
        _check_pace(session, select(Device.created_at).where(mine).order_by(Device.created_at.desc()))
    register_device(session, keyring, citizen_id=holder.citizen_id, token=token, link=LinkUsed(holder.member_id, holder.generation))


def take_device(session: Session, keyring: Keyring, holder: LinkHolder, token: str) -> None:
    """No more alerts to this app. One that is not the holder's, or was taken before, changes nothing."""
    device_id = _find_device(session, keyring, holder, token)
    if device_id is not None:
        retire_device(session, device_id)


def _find_browser(session: Session, keyring: Keyring, holder: LinkHolder, endpoint: str) -> UUID | None:
    row = WebPushSubscription
    mine = (row.citizen_id == holder.citizen_id, row.endpoint_index == keyring.blind_index(endpoint), row.retired_at.is_(None))
    return session.scalar(select(row.id).where(*mine))


def _find_device(session: Session, keyring: Keyring, holder: LinkHolder, token: str) -> UUID | None:
    mine = (Device.citizen_id == holder.citizen_id, Device.token_index == keyring.blind_index(token), Device.retired_at.is_(None))
    return session.scalar(select(Device.id).where(*mine))


def _check_pace(session: Session, newest: Select[Any]) -> None:
    check_pace(list(session.scalars(newest.limit(NEW_ONES.failures))), db_now(session))


def _check_takes(session: Session, holder: LinkHolder) -> None:
    incident = get_incident(session, holder.incident_id)
    person = get_citizen(session, holder.citizen_id)
    check_takes(
        translator(holder.language),
        is_over=holder.is_cancelled or incident.state is not State.OPEN,
        is_out=person.opted_out_at is not None,
        is_withdrawn=holder.is_exercise and not person.is_tester,
    )


def _lock(session: Session, citizen_id: UUID) -> None:
    """One at a time for a person, so that many at once cannot pass the limit together."""
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"devices:{citizen_id}", 0))))
