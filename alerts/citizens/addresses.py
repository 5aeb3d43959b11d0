"""Use cases of a person's browsers and mailbox: remembered, replaced, retired. What is personal in them is sealed."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from alerts.channels.outlets import endpoint_policy
from alerts.citizens.models import Citizen, EmailAddress, WebPushSubscription
from alerts.citizens.queries import find_email, get_citizen, open_subscription
from alerts.citizens.rules import Browser, LinkUsed, fold_email, parse_browser, parse_email
from alerts.citizens.schemas import BrowserIn
from alerts.kit import audit
from alerts.kit.actor import Actor
from alerts.kit.crypto import Keyring
from alerts.kit.db import new_id
from alerts.kit.errors import ConflictError, InvalidError, NotFoundError
from alerts.kit.p256 import public_text
from alerts.settings import Settings


def push_key_of(settings: Settings, *, is_exercise: bool) -> str:
    """The public key that browsers subscribe for in one of the two worlds; empty where Web Push is not set up."""
    private = (settings.exercise_web_push if is_exercise else settings.web_push).private_key.get_secret_value()
    return public_text(private) if private else ""


def read_browser(settings: Settings, given: BrowserIn) -> Browser:
    """A subscription whose address is one of a push service that we know, by the services of its world; else InvalidError."""
    group = settings.exercise_web_push if given.is_exercise else settings.web_push
    fault = endpoint_policy(settings, group).registering_fault(given.endpoint)
    if fault is not None:
        raise InvalidError(str(fault), "this is not the address of a push service that we know", field="endpoint")
    return parse_browser(given.endpoint, given.keys.p256dh, given.keys.auth, is_exercise=given.is_exercise)


def has_browser(session: Session, keyring: Keyring, *, citizen_id: UUID, browser: Browser) -> bool:
    """Whether this person reads in this browser already, with these very keys."""
    current = _current_browser(session, keyring.blind_index(browser.endpoint))
    return current is not None and current.citizen_id == citizen_id and _has_keys(keyring, current, browser)


def register_browser(
    session: Session, keyring: Keyring, *, citizen_id: UUID, browser: Browser, actor: Actor, link: LinkUsed | None = None
) -> WebPushSubscription:
    """Remember that this person reads in this browser. Seen again with the same keys, it is the same row.

    An address that another person had, or that comes with new keys, retires there: it is one browser, and who used it
    last is who reads in it. Raises NotFoundError for an unknown person.
    `link`: it came by a personal link. That never replaces what staff registered: ConflictError.
    """
    person = get_citizen(session, citizen_id)
    index = keyring.blind_index(browser.endpoint)
    _one_at_a_time(session, index)
    current = _current_browser(session, index)
    if current is not None and current.citizen_id == person.id and _has_keys(keyring, current, browser):
        current.last_seen_at = func.now()
        if link is None or current.link_member_id is not None:
            _came_by(current, link)
        session.flush()
        session.refresh(current)
        return current
    if current is not None:
        if link is not None and current.link_member_id is None:
            raise ConflictError("registered_otherwise", "This address is registered otherwise; a link cannot change that.")
        retire_browser(session, current.id)
    row = _sealed_browser(session, keyring, citizen_id, browser)
    _came_by(row, link)
    session.add(row)
    session.flush()
    audit.record(session, actor=actor, action="citizen.browser_registered", subject=("citizen", person.id), detail={"id": str(row.id)})
    return row


def retire_browser(session: Session, subscription_id: UUID) -> None:
    """The push service, or the person, says that the browser takes no more messages."""
    is_current = (WebPushSubscription.id == subscription_id, WebPushSubscription.retired_at.is_(None))
    session.execute(update(WebPushSubscription).where(*is_current).values(retired_at=func.now()))


def take_browser_away(session: Session, *, citizen_id: UUID, subscription_id: UUID, actor: Actor) -> None:
    """Forget one browser of a person. Raises NotFoundError if it is none of theirs; one retired before stays retired."""
    row = session.get(WebPushSubscription, subscription_id)
    if row is None or row.citizen_id != citizen_id:
        raise NotFoundError("no_such_browser", "this person has no such browser")
    if row.retired_at is None:
        retire_browser(session, row.id)
        audit.record(session, actor=actor, action="citizen.browser_retired", subject=("citizen", citizen_id), detail={"id": str(row.id)})


def set_email(session: Session, keyring: Keyring, *, citizen_id: UUID, written: str, actor: Actor) -> EmailAddress:
    """The address where this person reads mail, instead of the one before. The same address again is the same row.

    Raises InvalidError naming `email` for what is no address, NotFoundError for an unknown person.
    """
    address = parse_email(written)
    person = _locked(session, citizen_id)
    index = keyring.blind_index(fold_email(address))
    current = find_email(session, citizen_id)
    if current is not None and bytes(current.address_index) == index:
        return current
    if current is not None:
        retire_email(session, current.id)
    email_id = new_id(session)
    seal = keyring.encrypt(address, table="email_address", column="address_enc", row=email_id)
    row = EmailAddress(id=email_id, citizen_id=person.id, address_enc=seal, address_index=index)
    session.add(row)
    session.flush()
    audit.record(session, actor=actor, action="citizen.email_set", subject=("citizen", person.id), detail={"id": str(email_id)})
    return row


def retire_email(session: Session, email_id: UUID) -> None:
    """Nobody reads there any more: a mail server said so, or the person did."""
    is_current = (EmailAddress.id == email_id, EmailAddress.retired_at.is_(None))
    session.execute(update(EmailAddress).where(*is_current).values(retired_at=func.now()))


def take_email_away(session: Session, *, citizen_id: UUID, actor: Actor) -> None:
    """Forget where a person reads mail. Raises NotFoundError for an unknown person; without an address nothing happens."""
    _locked(session, citizen_id)
    current = find_email(session, citizen_id)
    if current is not None:
        retire_email(session, current.id)
        detail = {"id": str(current.id)}
        audit.record(session, actor=actor, action="citizen.email_retired", subject=("citizen", citizen_id), detail=detail)


def _locked(session: Session, citizen_id: UUID) -> Citizen:
    get_citizen(session, citizen_id)
    return session.scalars(select(Citizen).where(Citizen.id == citizen_id).with_for_update(key_share=True)).one()


def _one_at_a_time(session: Session, index: bytes) -> None:
    """Two people at once with the address of one browser: the later one has it."""
    key = int.from_bytes(index[:8], signed=True)
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


def _current_browser(session: Session, index: bytes) -> WebPushSubscription | None:
    row = WebPushSubscription
    return session.scalar(select(row).where(row.endpoint_index == index, row.retired_at.is_(None)))


def _came_by(row: WebPushSubscription, link: LinkUsed | None) -> None:
    row.link_member_id, row.link_generation = (None, None) if link is None else (link.member_id, link.generation)


def _has_keys(keyring: Keyring, row: WebPushSubscription, browser: Browser) -> bool:
    kept = open_subscription(keyring, row.id, endpoint_enc=row.endpoint_enc, p256dh_enc=row.p256dh_enc, auth_enc=row.auth_enc)
    return (kept.p256dh, kept.auth, row.is_exercise) == (browser.p256dh, browser.auth, browser.is_exercise)


def _sealed_browser(session: Session, keyring: Keyring, citizen_id: UUID, browser: Browser) -> WebPushSubscription:
    row_id = new_id(session)

    def seal(value: str, column: str) -> bytes:
        return keyring.encrypt(value, table="web_push_subscription", column=column, row=row_id)

    return WebPushSubscription(
        id=row_id,
        citizen_id=citizen_id,
        endpoint_enc=seal(browser.endpoint, "endpoint_enc"),
        endpoint_index=keyring.blind_index(browser.endpoint),
        p256dh_enc=seal(browser.p256dh, "p256dh_enc"),
        auth_enc=seal(browser.auth, "auth_enc"),
        is_exercise=browser.is_exercise,
    )
