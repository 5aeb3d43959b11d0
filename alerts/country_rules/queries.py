"""Named reads of country rules, and the book that everything else asks."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Text, cast, func, select, tuple_
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from alerts.channels.country_rules import CountryRule, RuleKey, unlisted
from alerts.channels.rule_book import RuleBook, current_book, remember_book
from alerts.country_rules.models import CountryRuleVersion
from alerts.country_rules.rules import KEY_FIELDS, VALUE_FIELDS

HISTORY_MAX = 200


def load_book(session: Session) -> RuleBook:
    """The rules in force. Call it once per request or batch: the rows are read only when one was added since the last time.

    A database into which no rules were loaded yet answers with the packaged ones.
    """
    newest = func.max(cast(CountryRuleVersion.id, Text))
    count, last = session.execute(select(func.count(), newest).select_from(CountryRuleVersion)).one()
    if not count:
        return remember_book(RuleBook.packaged())
    known, stamp = current_book(), f"{count}:{last}"
    if known.stamp == stamp:
        return known
    return remember_book(RuleBook.of(map(rule_of, newest_versions(session)), stamp))


def newest_versions(session: Session) -> Iterable[CountryRuleVersion]:
    """The version in force of every rule."""
    key = (CountryRuleVersion.provider, CountryRuleVersion.channel, CountryRuleVersion.number_country)
    return session.scalars(select(CountryRuleVersion).ext(distinct_on(*key)).order_by(*key, CountryRuleVersion.version.desc()))


def list_newest(session: Session, *, after: RuleKey | None, limit: int, country: str | None = None) -> list[CountryRuleVersion]:
    """The rules in force by country, provider and channel, after the given key."""
    key = (CountryRuleVersion.number_country, CountryRuleVersion.provider, CountryRuleVersion.channel)
    query = select(CountryRuleVersion).ext(distinct_on(*key)).order_by(*key, CountryRuleVersion.version.desc()).limit(limit)
    if country is not None:
        query = query.where(CountryRuleVersion.number_country == country)
    if after is not None:
        provider, channel, number_country = after
        query = query.where(tuple_(*key) > (number_country, provider, channel))
    return list(session.scalars(query))


def find_newest(session: Session, key: RuleKey) -> CountryRuleVersion | None:
    """The version in force of one rule, if anybody ever wrote one."""
    return next(iter(list_history(session, key, limit=1)), None)


def list_history(session: Session, key: RuleKey, *, limit: int = HISTORY_MAX) -> list[CountryRuleVersion]:
    """The versions of one rule, newest first."""
    where = dict(zip(KEY_FIELDS, key, strict=True))
    query = select(CountryRuleVersion).filter_by(**where).order_by(CountryRuleVersion.version.desc()).limit(limit)
    return list(session.scalars(query))


def rule_of(row: CountryRuleVersion) -> CountryRule:
    """The rule that a row states."""
    values = {name: getattr(row, name) for name in (*VALUE_FIELDS, "version", "provider", "number_country")}
    return CountryRule(channel=row.channel.value, **values)


def rule_in_force(session: Session, key: RuleKey) -> CountryRule:
    """The rule that counts now; the one of unknowns (version 0) where nobody wrote any."""
    row = find_newest(session, key)
    provider, channel, number_country = key
    return rule_of(row) if row else unlisted(number_country, provider=provider, channel=channel)
