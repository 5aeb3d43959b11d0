"""Has the prepared words of a crisis file written by one person and approved by another, as the product wants it."""

from __future__ import annotations

from alerts.story.crisis import Crisis
from alerts.story.signing import Login, signed_in


def prepare_words(crisis: Crisis, base_url: str, *, writer: Login, approver: Login) -> int:
    """The count of words that are now in use. Raises ReplayError where the product refuses them."""
    with signed_in(base_url, writer) as author, signed_in(base_url, approver) as second:
        for words in crisis.prepared:
            body = {"template_code": words.code, "kind": words.kind, "title": words.title, "texts": words.texts.model_dump()}
            event_kind = crisis.incident.get("kind") if words.kind == "first_alert" else None
            written = author.post("/templates", body | {"event_kind": event_kind})
            second.post(f"/templates/{written['id']}/approve", {"content_hash": written["content_hash"]})
    return len(crisis.prepared)
