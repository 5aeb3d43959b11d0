"""HTTP of persons: parse, authorise, call one action, answer."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import AwareDatetime

from alerts.kit.actor import Actor
from alerts.kit.db import Tx
from alerts.kit.http import Page, PagingDep, etag_of, is_unchanged, page_of
from alerts.kit.idempotency import Idem
from alerts.people import actions, queries
from alerts.people.models import Person
from alerts.people.queries import Moment
from alerts.people.schemas import PersonIn, PersonSummaryView, PersonView, StatementIn, WithdrawalIn
from alerts.settings import KeyringDep
from alerts.staff.access import require
from alerts.staff.rules import Permission

router = APIRouter(prefix="/api/v1/persons", tags=["persons"])
Viewer = Annotated[Actor, Depends(require(Permission.VIEW_PERSONS))]
Editor = Annotated[Actor, Depends(require(Permission.EDIT_PERSONS))]


def moment(
    as_of: Annotated[AwareDatetime | None, Query(description="what was true by then; default now")] = None,
    known_at: Annotated[AwareDatetime | None, Query(description="as we knew it then; default now")] = None,
) -> Moment:
    """The two times of a question."""
    return Moment(as_of, known_at)


At = Annotated[Moment, Depends(moment)]


@router.post("", status_code=201, response_model=PersonView, operation_id="open_person")
def post_person(body: PersonIn, actor: Editor, session: Tx, keyring: KeyringDep, idem: Idem) -> Response:
    """Name a person in an incident, with what is said of them so far."""
    idem.start(actor.key)
    person = actions.open_person(session, actor=actor, keyring=keyring, command=body)
    return _answer(session, idem, person)


@router.get("", operation_id="list_persons")
def get_persons(
    actor: Viewer,
    session: Tx,
    keyring: KeyringDep,
    page: PagingDep,
    incident_id: Annotated[UUID | None, Query()] = None,
) -> Page[PersonSummaryView]:
    """Persons that the caller may know of, newest first: staff of a mission see their mission's."""
    rows = queries.list_persons(session, actor, page, incident_id=incident_id)
    views = queries.present_persons(session, rows, opener=queries.opener_for(actor, keyring))
    return page_of(views, [row.id for row in rows], page.limit)


@router.get("/{person_id}", response_model=PersonView, operation_id="get_person")
def get_person(
    person_id: UUID, request: Request, response: Response, actor: Viewer, session: Tx, keyring: KeyringDep, at: At
) -> PersonView | Response:
    """One person with every statement; 404 when it is another mission's."""
    person = queries.get_person(session, person_id, actor)
    etag = etag_of("person", person.id, person.version, at, actor.role)
    if is_unchanged(request, etag):
        return Response(status_code=304, headers={"ETag": etag})
    response.headers["ETag"] = etag
    return queries.present_person(session, person, opener=queries.opener_for(actor, keyring), at=at)


@router.post("/{person_id}/statements", status_code=201, response_model=PersonView, operation_id="add_person_statement")
def post_statement(person_id: UUID, body: StatementIn, actor: Editor, session: Tx, keyring: KeyringDep, idem: Idem) -> Response:
    """Say one more thing of a person, on one axis."""
    idem.start(actor.key)
    person = actions.add_statement(session, actor=actor, keyring=keyring, person_id=person_id, command=body)
    return _answer(session, idem, person)


@router.post(
    "/{person_id}/statements/{statement_id}/withdraw",
    status_code=201,
    response_model=PersonView,
    operation_id="withdraw_person_statement",
)
def post_withdrawal(person_id: UUID, statement_id: UUID, body: WithdrawalIn, actor: Editor, session: Tx, idem: Idem) -> Response:
    """Take a statement back, with author and reason. It stays readable; it no longer counts."""
    idem.start(actor.key)
    person = actions.withdraw_statement(session, actor=actor, person_id=person_id, statement_id=statement_id, command=body)
    return _answer(session, idem, person)


def _answer(session: Tx, idem: Idem, person: Person) -> Response:
    """The answer is kept for seven days to be replayed, so it carries no name and no words: read the person for those."""
    view = queries.present_person(session, person, opener=None)
    return idem.answer(201, view, {"Location": f"/api/v1/persons/{person.id}"})
