"""Country rules for administrators: the table, one rule to edit, and how it came to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Annotated, Any, NamedTuple
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import ValidationError
from sqlalchemy.orm import Session

from alerts.channels.country_rules import CountryRule, Known, QuietScope, RuleKey, SenderKind
from alerts.console.forms import Form, FormDep
from alerts.console.once import start_once
from alerts.console.pages import go, language_of, render
from alerts.country_rules.actions import change_rule, claim_rule
from alerts.country_rules.models import CountryRuleVersion
from alerts.country_rules.queries import list_history, load_book, rule_of
from alerts.country_rules.rules import RuledChannel, both_sides, check_key
from alerts.country_rules.schemas import CountryRulePut
from alerts.kit.actor import Actor
from alerts.kit.db import Tx
from alerts.kit.errors import ConflictError, InvalidError
from alerts.places.names import place_name
from alerts.staff.access import require
from alerts.staff.queries import names_of
from alerts.staff.rules import Permission

router = APIRouter(prefix="/country-rules", include_in_schema=False)
Manager = Annotated[Actor, Depends(require(Permission.MANAGE_RULES))]
CHOICES = {
    "known": list(Known),
    "plain": [Known.YES, Known.NO, Known.UNKNOWN],
    "sender_kinds": list(SenderKind),
    "quiet_scopes": list(QuietScope),
}
NULLABLE = ("rate_per_second", "quiet_from", "quiet_until", "price_per_segment")


class Edit(NamedTuple):
    """One version in the history, and what it changed against the one before."""

    version: int
    edited_at: datetime
    edited_by: UUID | None
    changes: Mapping[str, tuple[str, str]]


@router.get("")
def rules_page(request: Request, session: Tx, actor: Manager) -> Response:
    """The rules in force, by the country's name as the reader has it."""
    lang = language_of(request, actor)
    rules = sorted(load_book(session).list_rules(), key=lambda rule: place_name(rule.number_country, lang))
    context = {"rules": rules, "channels": list(RuledChannel)}
    return render(request, "country_rules.html", context, actor=actor)


@router.get("/find")
def find_page(provider: str, channel: RuledChannel, number_country: str, _: Manager) -> Response:
    """From the table's form to the rule, whether anybody has written it or not."""
    country = number_country.strip().upper()
    check_key(provider=provider, number_country=country)
    return go(f"/country-rules/{quote(provider)}/{channel}/{country}")


@router.get("/{provider}/{channel}/{number_country}")
def rule_page(provider: str, channel: RuledChannel, number_country: str, request: Request, session: Tx, actor: Manager) -> Response:
    """One rule as a form, with every version below."""
    key = (provider, channel.value, number_country)
    check_key(provider=provider, number_country=number_country)
    rows = list_history(session, key)
    context = {
        "rule": _rule(session, key),
        "history": _edits(rows),
        "names": names_of(session, [row.edited_by for row in rows]),
    }
    return render(request, "country_rule.html", context | CHOICES, actor=actor)


@router.post("/{provider}/{channel}/{number_country}")
def rule_form(
    provider: str, channel: RuledChannel, number_country: str, request: Request, form: FormDep, session: Tx, actor: Manager
) -> Response:
    """Refused when somebody else changed the rule meanwhile."""
    once = start_once(request, session, form, actor)
    key = (provider, channel.value, number_country)
    rule = claim_rule(session, key)
    if form.text("version") != str(rule.version):
        raise ConflictError("stale_version", "Somebody changed this rule since you opened it: look at it first.")
    change_rule(session, actor=actor, rule=rule, values=_typed_rule(form).values())
    return once.go(f"/country-rules/{provider}/{channel}/{number_country}")


def _rule(session: Session, key: RuleKey) -> CountryRule:
    provider, channel, number_country = key
    return load_book(session).rules_for(number_country, provider=provider, channel=channel)


def _typed_rule(form: Form) -> CountryRulePut:
    """The same checks as at the API; the first fault names its field."""
    fields: dict[str, Any] = {name: form.text(name, limit=2000) for name in CountryRulePut.model_fields}
    fields |= {name: fields[name] or None for name in NULLABLE}
    try:
        return CountryRulePut.model_validate(fields)
    except ValidationError as error:
        field = str(error.errors()[0]["loc"][-1])
        raise InvalidError("rule_field", "This cannot be read as a rule: look at the field again.", field=field) from None


def _edits(rows: Sequence[CountryRuleVersion]) -> list[Edit]:
    """Newest first, each against the version before it."""
    rules = [rule_of(row) for row in rows]
    changes: list[Mapping[str, tuple[str, str]]] = [both_sides(before, after) for after, before in pairwise(rules)]
    return [Edit(row.version, row.edited_at, row.edited_by, changed) for row, changed in zip(rows, [*changes, {}], strict=False)]
