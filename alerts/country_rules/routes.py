"""HTTP of country rules: everybody of the staff may read them, an administrator edits them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from alerts.channels.country_rules import CountryRule
from alerts.country_rules import actions, queries
from alerts.country_rules.rules import RuledChannel, check_key
from alerts.country_rules.schemas import CountryRuleList, CountryRulePut, CountryRuleView, RuleVersionView
from alerts.kit.actor import Actor
from alerts.kit.db import Tx
from alerts.kit.http import LIMIT_DEFAULT, LIMIT_MAX, IfMatch, check_if_match, etag_of, is_unchanged
from alerts.kit.idempotency import Idem
from alerts.places import place_name
from alerts.staff.access import require
from alerts.staff.rules import Permission

router = APIRouter(prefix="/api/v1/country-rules", tags=["country rules"])
Reader = Annotated[Actor, Depends(require(Permission.VIEW_MISSIONS))]
Manager = Annotated[Actor, Depends(require(Permission.MANAGE_RULES))]
CURSOR = r"^[A-Z]{2}\.[a-z0-9_-]{1,40}\.[a-z]{1,20}$"


Provider = Annotated[str, Path(max_length=40, description="name of the sender's provider: `twilio`, or the second one's as configured")]
Country = Annotated[str, Path(pattern="^[A-Z]{2}$", description="of the number, ISO 3166-1")]


@router.get("", operation_id="list_country_rules")
def get_rules(
    session: Tx,
    _: Reader,
    cursor: Annotated[str | None, Query(pattern=CURSOR, max_length=70, description="`next_cursor` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT,
    country: Annotated[str | None, Query(pattern="^[A-Z]{2}$", description="of the number, ISO 3166-1")] = None,
) -> CountryRuleList:
    """The rules in force, by country, provider and channel. A country without one is not listed: nothing is known of it."""
    number_country, provider, channel = cursor.split(".") if cursor else ("", "", "")
    after = (provider, channel, number_country) if cursor else None
    rows = queries.list_newest(session, after=after, limit=limit + 1, country=country)
    items = [RuleVersionView.model_validate(row) for row in rows[:limit]]
    return CountryRuleList(items=items, next_cursor=items[-1].code if len(rows) > limit else None)


@router.get("/{provider}/{ruled_channel}/{number_country}", response_model=CountryRuleView, operation_id="get_country_rule")
def get_rule(
    provider: Provider, ruled_channel: RuledChannel, number_country: Country, request: Request, response: Response, session: Tx, _: Reader
) -> CountryRuleView | Response:
    """One rule with its history. For a country of which nobody wrote a rule: version 0, everything unknown."""
    check_key(provider=provider, number_country=number_country)
    view = _view(session, queries.rule_in_force(session, (provider, ruled_channel.value, number_country)))
    if is_unchanged(request, view.etag):
        return Response(status_code=304, headers={"ETag": view.etag})
    response.headers["ETag"] = view.etag
    return view


@router.put("/{provider}/{ruled_channel}/{number_country}", response_model=CountryRuleView, operation_id="put_country_rule")
def put_rule(
    provider: Provider,
    ruled_channel: RuledChannel,
    number_country: Country,
    body: CountryRulePut,
    session: Tx,
    actor: Manager,
    idem: Idem,
    if_match: IfMatch = None,
) -> Response:
    """Write the whole rule as its next version; it counts for every message from then on. If-Match: the rule's ETag, also of version 0."""
    idem.start(actor.key)
    rule = actions.claim_rule(session, (provider, ruled_channel.value, number_country))
    current = _view(session, rule)
    check_if_match(if_match, current.etag, current=current)
    view = _view(session, actions.change_rule(session, actor=actor, rule=rule, values=body.values()))
    return idem.answer(200, view, {"ETag": view.etag})


def _view(session: Tx, rule: CountryRule) -> CountryRuleView:
    history = [RuleVersionView.model_validate(row) for row in queries.list_history(session, rule.key)]
    newest = history[0] if history else RuleVersionView.model_validate(rule)
    names = {language: place_name(rule.number_country, language) for language in ("id", "en")}
    etag = etag_of("country_rule", *rule.key, rule.version)
    return CountryRuleView(**dict(newest), country_name=names, history=history, etag=etag)
