"""Who signed a webhook: Twilio's own code over the *configured* public address, never over the Host header."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from functools import lru_cache
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
        self._validators = [(token, RequestValidator(token)) for token in tokens if token]

    def is_genuine(self, path_and_query: str, form: FormData, signature: str | None) -> bool:
        """True if any token signed this address with exactly these fields (SHA-1 form, fixed by configuration)."""
        return self.signer(path_and_query, form, signature) is not None

    def signer(self, path_and_query: str, form: FormData, signature: str | None) -> str | None:
        """The token that signed, or None.

        Twilio always posts fields: an empty form (a JSON body, say) is refused, because its content would not be
        covered by the signature; so is a file, which Twilio never sends.
        """
        if not signature or not form or any(not isinstance(value, str) for _, value in form.multi_items()):
            return None
        url = self._public_url + path_and_query
        return next((token for token, validator in self._validators if _fits(validator, url, form, signature)), None)

    def signer_of(self, path: str, fields: Mapping[str, str], signature: str) -> str | None:
        """The token that signed these fields (each there once) at the address as it is configured, or None."""
        if not signature or not fields:
            return None
        url, form, shown = self._public_url + path, _Fields(fields), signature.encode("latin-1")
        return next(
            (token for token, each in self._validators if hmac.compare_digest(each.compute_signature(url, form).encode(), shown)), None
        )


class _Fields(dict[str, str]):
    """A form in the manner in which Twilio's code likes to read one."""

    def getall(self, name: str) -> list[str]:
        return [self[name]]


@lru_cache(8)
def webhook_check(public_url: str, tokens: tuple[str, ...]) -> WebhookCheck:
    """The check of one configuration, made once."""
    return WebhookCheck(public_url, tokens)


def _fits(validator: RequestValidator, url: str, form: FormData, signature: str) -> bool:
    """Nearly always the address is signed as it is configured; Twilio's full check also tries it with or without its port."""
    if hmac.compare_digest(validator.compute_signature(url, form).encode(), signature.encode()):
        return True
    return bool(validator.validate(url, form, signature))
