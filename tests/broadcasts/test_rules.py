from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.broadcasts import rules
from alerts.broadcasts.rules import ALLOWED, Channel, Move, MsgType, ResendUnknown, State, Submission, Variant
from alerts.channels.country_rules import TextVariant
from alerts.kit.errors import ConflictError, ForbiddenError, InvalidError
from alerts.kit.ids import read_alert_code

TEXTS = {"id": "Jauhi gedung retak.", "en": "Keep away from cracked buildings."}


def submission() -> Submission:
    return Submission(
        broadcast_id=UUID(int=1),
        incident_id=UUID(int=2),
        msg_type=MsgType.ALERT,
        references=[],
        texts=rules.all_variants(TEXTS),
        areas=[{"kind": "country", "code": "TR", "geometry": None}],
        list_ids=[],
        channels=[Channel.PUSH, Channel.SMS],
        validity_seconds=3600,
        resend_unknown=ResendUnknown.ONCE,
        audience_number=1,
        audience_count=10,
    )


CHANGES = {
    "texts": rules.all_variants({**TEXTS, "en": "Stay indoors."}),
    "areas": [{"kind": "province", "code": "TR-31", "geometry": None}],
    "list_ids": [UUID(int=3)],
    "channels": [Channel.SMS],
    "validity_seconds": 3601,
    "resend_unknown": ResendUnknown.NEVER,
    "audience_number": 2,
    "audience_count": 11,
    "references": [UUID(int=4)],
    "msg_type": MsgType.UPDATE,
    "later_texts": rules.all_variants(TEXTS),
}


@pytest.mark.parametrize("name", CHANGES)
def test_any_change_of_what_was_submitted_is_another_hash(name: str) -> None:
    assert rules.content_hash(replace(submission(), **{name: CHANGES[name]})) != rules.content_hash(submission())


@pytest.mark.parametrize(("seconds", "is_past"), [(-1, True), (120, True), (121, False), (None, False)])
def test_a_promise_is_past_a_little_before_its_time(seconds: int | None, is_past: bool) -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    assert rules.is_promise_past(None if seconds is None else now + timedelta(seconds=seconds), now=now) is is_past


def test_the_order_in_which_parts_are_named_is_no_change() -> None:
    turned = replace(submission(), channels=[Channel.SMS, Channel.PUSH], texts=dict(reversed(submission().texts.items())))
    assert rules.content_hash(turned) == rules.content_hash(submission())


@given(st.sampled_from(list(State)), st.sampled_from(list(Move)))
def test_a_move_happens_by_the_table_or_not_at_all(state: State, move: Move) -> None:
    if (state, move) in ALLOWED:
        assert rules.next_state(state, move) is ALLOWED[state, move]
    else:
        with pytest.raises(ConflictError):
            rules.next_state(state, move)


def test_only_a_submitted_message_can_be_approved() -> None:
    assert {state for state, move in ALLOWED if move is Move.APPROVE} == {State.SUBMITTED}


def test_nobody_approves_own_work_and_nobody_without_a_name_approves() -> None:
    author, other = uuid4(), uuid4()
    rules.check_decider(other, [author])
    for decider in (author, None):
        with pytest.raises(ForbiddenError):
            rules.check_decider(decider, [author])


def test_an_empty_list_or_another_hash_is_not_approved() -> None:
    rules.check_approval(given_hash="a", current_hash="a", count=1)
    with pytest.raises(ConflictError, match="nobody"):
        rules.check_approval(given_hash="a", current_hash="a", count=0)
    with pytest.raises(ConflictError, match="no longer"):
        rules.check_approval(given_hash="a", current_hash="b", count=1)


def test_an_exercise_says_so_and_an_alert_never_does() -> None:
    assert rules.check_texts(TEXTS, is_exercise=True)["id"].startswith("LATIHAN: ")
    written = {"id": "LATIHAN: uji", "en": "latihan latihan – test"}
    assert rules.check_texts(written, is_exercise=True) == {"id": "LATIHAN: uji", "en": "LATIHAN: test"}
    with pytest.raises(InvalidError) as refused:
        rules.check_texts({"id": "Latihan evakuasi", "en": "x"}, is_exercise=False)
    assert refused.value.field == "texts.id"


@pytest.mark.parametrize(
    "dressed", ["[LATIHAN] Gempa", "*Latihan* Gempa", "_LATIHAN_", "L\u200bATIHAN Gempa", "\u202eLATIHAN", "\uff2c\uff21TIHAN"]
)
def test_an_alert_does_not_begin_with_the_word_in_disguise(dressed: str) -> None:
    with pytest.raises(InvalidError) as refused:
        rules.check_texts({"id": "Gempa", "en": dressed}, is_exercise=False)
    assert (refused.value.code, refused.value.field) == ("exercise_word", "texts.en")


def test_what_nobody_sees_is_not_sent() -> None:
    written = {"id": "\ufeffNaik\u202e ke\u200b tem\u00adpat\x07 tinggi", "en": "This is not a drill: LATIHAN is our word for one."}
    assert rules.check_texts(written, is_exercise=False) == {"id": "Naik ke tempat tinggi", "en": written["en"]}


@pytest.mark.parametrize(
    ("texts", "field"),
    [
        ({"id": " ", "en": "x"}, "texts.id"),
        ({"id": "\u200b\u202e", "en": "x"}, "texts.id"),
        ({"id": "x"}, "texts.en"),
        ({"id": "{link}", "en": "x"}, "texts.id"),
        ({"id": "{li\u200bnk}", "en": "x"}, "texts.id"),
    ],
)
def test_both_languages_are_written_and_the_link_is_ours(texts: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidError) as refused:
        rules.check_texts(texts, is_exercise=False)
    assert refused.value.field == field


@given(st.booleans(), st.booleans())
def test_a_text_asks_and_links_exactly_where_it_may(may_ask: bool, may_link: bool) -> None:
    rule = TextVariant(may_ask_reply=may_ask, may_link=may_link, may_name_phone=True, is_uncertain=False)
    variant = Variant(rule.key)
    for language, body in TEXTS.items():
        text = rules.compose(body, language, variant)
        assert text.startswith(body)
        assert (rules.REPLY_TAIL[language] in text) == may_ask
        assert (rules.LINK_PLACE in text) == may_link


@given(st.text("abc é.ü{", min_size=1), st.sampled_from(Variant), st.text("23456789abcdefghjkmnpqrstvwxyz", min_size=6, max_size=6))
def test_a_message_ends_with_its_code_and_an_ear_hears_it_without(body: str, variant: Variant, code: str) -> None:
    for language, word in (("id", "Kode"), ("en", "Code")):
        text = rules.compose(body, language, variant, code=code)
        assert text.endswith(f" {word} {code}")
        assert read_alert_code(text[-6:]) == code, "as the public page reads it"
        assert len(rules.compose(body, language, variant, code=rules.CODE_SAMPLE)) == len(text)
        assert rules.without_code(text, language, code=code) == rules.compose(body, language, variant)


def test_every_language_has_every_variant() -> None:
    assert set(rules.all_variants(TEXTS)) == {(language, variant) for language in ("id", "en") for variant in Variant}
