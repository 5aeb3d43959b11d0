"""Which pace a message keeps to: its provider's account, its sender, and that sender's numbers of one country."""

from __future__ import annotations

from alerts.channels.rule_book import Outlet, RuleBook
from alerts.channels.rule_book_outlets import rates_of, sent_by
from alerts.deliveries.buckets import Lane, Rates
from alerts.settings import Pace


def lane_of(pace: Pace, book: RuleBook, outlet: Outlet, number_country: str, *, is_exercise: bool) -> Lane:
    """The lane, at the rates of the settings and of the rule in force. Ways of one provider share its account.

    What exercises send has accounts of its own, as it has senders of its own.
    """
    rates = rates_of(pace, outlet, is_exercise=is_exercise)
    rule = book.rate_for(number_country, outlet)
    return Lane(
        account=sent_by(outlet.provider, is_exercise=is_exercise),
        sender=sent_by(outlet.name, is_exercise=is_exercise),
        number_country=number_country,
        rates=Rates(rates.account, rates.sender, rates.country if rule is None else rule),
    )
