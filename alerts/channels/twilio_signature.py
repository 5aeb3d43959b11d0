"""Who signed a webhook: Twilio's own code over the *configured* public address, never over the Host header."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from twilio.request_validator import RequestValidator

if TYPE_CHECKING:
    from starlette.datastructures import FormData


class WebhookCheck:
    """Whether a form really comes from Twilio: by the *configured* public address, never by the Host header.

    `tokens` holds the account's token and, while it is being changed, the one before. Empty tokens are left out.
    """

    def __init__(self, public_url: str, tokens: Sequence[str]) -> None:
        self._public_url = public_url.rstrip("/")
        self._validators = [RequestValidator(token) for token in tokens if token]

    def is_genuine(self, path_and_query: str, form: FormData, signature: str | None) -> bool:
        """True if any token signed this address with exactly these fields (SHA-1 form, fixed by configuration).

        Twilio always posts fields: an empty form (a JSON body, say) is refused, because its content would not be
        covered by the signature; so is a file, which Twilio never sends.
        """
        if not signature or not form or any(not isinstance(value, str) for _, value in form.multi_items()):
            return False
        url = self._public_url + path_and_query
        return any(validator.validate(url, form, signature) for validator in self._validators)
