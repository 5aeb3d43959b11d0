"""Loading the packaged rules, and editing one. A version is written once; the highest counts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from alerts.channels.country_rules import CountryRule, RuleKey, packaged_rules
from alerts.country_rules.models import CountryRuleVersion
from alerts.country_rules.queries import find_newest, newest_versions, rule_in_force, rule_of
from alerts.country_rules.rules import check_key, check_rule, differences, values_of
from alerts.kit.actor import Actor
from alerts.kit.audit import record


@dataclass(frozen=True, slots=True)
class LoadedRules:
    """What a load did: packaged rules, versions written, and rules left as an administrator edited them. Twice in a row: 0 written."""

    rules: int
    written: int
    left: int


def load_packaged_rules(session: Session) -> LoadedRules:
    """Bring the rules to what the packaged file says, except those that an administrator has ever edited."""
    _lock(session, "*")
    current = {rule_of(row).key: row for row in newest_versions(session)}
    written = left = 0
    for key, rule in packaged_rules().items():
        row = current.get(key)
        if row is not None and row.edited_by is not None:
            left += 1
        elif row is None or differences(rule_of(row), rule):
            _write(session, rule, version=row.version + 1 if row else 1, actor=None)
            written += 1
    return LoadedRules(len(packaged_rules()), written, left)


def claim_rule(session: Session, key: RuleKey) -> CountryRule:
    """The rule in force, locked against other edits until the transaction ends. InvalidError for a place that cannot have one."""
    provider, _, number_country = key
    check_key(provider=provider, number_country=number_country)
    _lock(session, "*", is_shared=True)
    _lock(session, ":".join(key))
    return rule_in_force(session, key)


def change_rule(session: Session, *, actor: Actor, rule: CountryRule, values: dict[str, Any]) -> CountryRule:
    """Write the next version of a rule that the caller has claimed. InvalidError names the field; no difference, no version."""
    after = replace(rule, **values)
    check_rule(after)
    changed = differences(rule, after)
    if not changed and rule.is_listed:
        return rule
    _write(session, after, version=rule.version + 1, actor=actor)
    row = find_newest(session, after.key)
    assert row is not None
    detail = {"rule": ":".join(after.key), "version": row.version, "fields": changed}
    record(session, actor=actor, action="country_rule.changed", subject=("country_rule", row.id), detail=detail)
    return rule_of(row)


def _write(session: Session, rule: CountryRule, *, version: int, actor: Actor | None) -> None:
    where = {"provider": rule.provider, "channel": rule.channel, "number_country": rule.number_country, "version": version}
    edited_by = actor.staff_id if actor is not None else None
    session.execute(insert(CountryRuleVersion).values(**values_of(rule), **where, edited_by=edited_by))


def _lock(session: Session, name: str, *, is_shared: bool = False) -> None:
    """Until the end of the transaction: a load waits for edits, an edit for another of the same rule."""
    take = func.pg_advisory_xact_lock_shared if is_shared else func.pg_advisory_xact_lock
    session.execute(select(take(func.hashtextextended(f"siaga.country_rule:{name}", 0))))
