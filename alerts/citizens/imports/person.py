"""A person as a row of a file describes them, and what was wrong with the row."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from alerts.citizens.rules import CitizenClass, mask_name, mask_phone


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one cell. `is_fatal`: the row is rejected for it."""

    field: str
    code: str
    message: str
    is_fatal: bool = False

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ImportedPhone:
    """A number as we keep it: E.164 with its country, or as it was written without one."""

    position: int
    number: str
    country: str | None


@dataclass(frozen=True, slots=True)
class ImportedDevice:
    """A push token; `seen_at` null means: now."""

    token: str
    seen_at: datetime | None


@dataclass(frozen=True, slots=True)
class Person:
    """What a row says of somebody, checked. Its repr in a fixed order is what `source_digest` is made of.

    Of the three flags, None is silence: what the register holds stays.
    """

    external_id: str
    name: str
    language: str
    class_: CitizenClass
    country: str
    province: str | None
    lat: float | None
    lon: float | None
    place_as_of: datetime | None
    stay_from: date | None
    stay_until: date | None
    is_opted_out: bool
    phones: tuple[ImportedPhone, ...]
    device: ImportedDevice | None
    email: str | None
    wants_whatsapp: bool | None
    is_vulnerable: bool | None
    is_tester: bool | None
    tester_consented_at: datetime | None

    def masked(self) -> dict[str, Any]:
        """What a preview shows: enough to see that columns were understood, not enough to harm."""
        return {
            "external_id": self.external_id,
            "name": mask_name(self.name),
            "phones": [mask_phone(phone.number) for phone in self.phones],
            "number_countries": [phone.country for phone in self.phones],
            "language": self.language,
            "class": self.class_.value,
            "country": self.country,
            "province": self.province,
            "has_point": self.lat is not None,
            "has_device": self.device is not None,
            "has_email": self.email is not None,
        }
