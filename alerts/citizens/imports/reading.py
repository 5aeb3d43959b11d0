"""A file of bytes becomes numbered rows: encoding, delimiter, header. Refuses what is no CSV at all."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO

from alerts.kit.errors import InvalidError

SAMPLE_BYTES = 65_536
CELL_MAX = 2_000
COLUMNS_MAX = 80
DELIMITERS = (",", ";", "\t", "|")
FALLBACK_ENCODING = "cp1252"
# The first bytes of what people upload by mistake.
OTHER_KINDS = {
    b"PK\x03\x04": "an Excel workbook or ZIP archive",
    b"\xd0\xcf\x11\xe0": "an old Excel or Word document",
    b"%PDF": "a PDF document",
    b"\x1f\x8b": "a compressed file",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"{\\rtf": "a rich text document",
}
BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
# What a column may be headed, folded: English as documented, Indonesian as found in missions' own lists.
HEADINGS: dict[str, str] = {
    "external_id": "external_id id nomor_induk no_registrasi registration_id",
    "name": "name full_name nama nama_lengkap",
    "phone": "phone phone1 phone_number mobile telepon no_telepon no_hp nomor_hp hp",
    "phone2": "phone2 second_phone telepon2 telepon_2 no_hp_2 no_hp2",
    "language": "language lang bahasa",
    "class": "class kelas golongan kategori",
    "country": "country country_iso2 negara",
    "province": "province province_code provinsi wilayah",
    "lat": "lat latitude lintang",
    "lon": "lon lng longitude bujur",
    "place_as_of": "place_as_of updated_at tanggal_data data_per",
    "stay_from": "stay_from arrival tanggal_tiba",
    "stay_until": "stay_until departure tanggal_pulang",
    "opted_out": "opted_out opt_out berhenti_pesan",
    "device_token": "device_token",
    "device_seen_at": "device_seen_at",
    "email": "email e_mail email_address surel alamat_surel",
    "wants_whatsapp": "wants_whatsapp mau_whatsapp",
    "is_vulnerable": "is_vulnerable vulnerable rentan kelompok_rentan",
    "is_tester": "is_tester tester penguji",
    "tester_consented_at": "tester_consented_at setuju_penguji",
}
COLUMN_OF = {heading: column for column, headings in HEADINGS.items() for heading in headings.split()}
REQUIRED = ("external_id", "name", "country")


@dataclass(frozen=True, slots=True)
class RawRow:
    """One record as written. `line` counts records, the header being 1."""

    line: int
    cells: Mapping[str, str]
    fault: str | None = None


class RegisterFile:
    """An opened CSV file: what it looks like, and its rows once through. Raises InvalidError for another kind of file."""

    def __init__(self, file: IO[bytes], *, encoding: str | None = None) -> None:
        self._file = _Counting(file)
        self.size_bytes = file.seek(0, io.SEEK_END)
        file.seek(0)
        sample = file.read(SAMPLE_BYTES)
        _check_kind(sample)
        self.encoding = encoding or _encoding_of(file, sample)
        self.delimiter, self.columns, self.ignored = self._read_header(sample)
        file.seek(0)

    @property
    def bytes_done(self) -> int:
        return min(self._file.done, self.size_bytes)

    @property
    def sha256(self) -> bytes:
        """Of all that was read so far; complete once the rows are through."""
        return self._file.digest.digest()

    def rows(self) -> Iterator[RawRow]:
        """Every record behind the header; one that cannot be read comes with its fault, and blank ones not at all."""
        self._file.restart()
        text = io.TextIOWrapper(io.BufferedReader(self._file), self.encoding, errors="replace", newline="")
        reader = csv.reader(text, delimiter=self.delimiter)
        line = 0
        while True:
            line += 1
            try:
                cells = next(reader)
            except StopIteration:
                break
            except csv.Error as error:
                yield RawRow(line, {}, f"the row cannot be read: {error}")
                continue
            if line > 1 and any(cell.strip() for cell in cells):
                yield self._row(line, cells)
        text.detach()

    def _row(self, line: int, cells: list[str]) -> RawRow:
        fault = None
        if len(cells) > len(self.columns) and any(cell.strip() for cell in cells[len(self.columns) :]):
            fault = f"the row has {len(cells)} cells, the header {len(self.columns)}"
        elif any(len(cell) > CELL_MAX for cell in cells):
            fault = f"a cell is longer than {CELL_MAX} characters"
        elif any("\x00" in cell for cell in cells):
            fault = "a cell contains a NUL character"
        named = {column: cell.strip() for column, cell in zip(self.columns, cells, strict=False) if column}
        return RawRow(line, named, fault)

    def _read_header(self, sample: bytes) -> tuple[str, list[str], list[str]]:
        """Delimiter, our column for each position ("" for one that we do not take), and the headings left aside."""
        text = codecs.getincrementaldecoder(self.encoding)("replace").decode(sample)
        best: tuple[str, list[str]] = (",", [])
        for delimiter in DELIMITERS:
            headings = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
            if _known(headings) > _known(best[1]) or not best[1]:
                best = (delimiter, headings)
        delimiter, headings = best
        columns = [COLUMN_OF.get(_fold(heading), "") for heading in headings[:COLUMNS_MAX]]
        _check_header(headings, columns)
        ignored = [heading[:80] for heading, column in zip(headings, columns, strict=False) if not column]
        return delimiter, columns, ignored


class _Counting(io.RawIOBase):
    """Counts and hashes the bytes that go through."""

    def __init__(self, file: IO[bytes]) -> None:
        self._inner = file
        self.restart()

    def restart(self) -> None:
        self.done = 0
        self.digest = hashlib.sha256()
        self._inner.seek(0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        chunk = self._inner.read(len(buffer))
        buffer[: len(chunk)] = chunk
        self.done += len(chunk)
        self.digest.update(chunk)
        return len(chunk)


def _check_kind(sample: bytes) -> None:
    for start, kind in OTHER_KINDS.items():
        if sample.startswith(start):
            raise InvalidError("not_a_csv_file", f"this is {kind}; save the sheet as CSV and send that", field="file")
    is_wide = sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if b"\x00" in sample and not is_wide:
        raise InvalidError("not_a_csv_file", "this is not text; save the sheet as CSV and send that", field="file")
    if not sample.strip():
        raise InvalidError("empty_file", "the file is empty", field="file")


def _encoding_of(file: IO[bytes], sample: bytes) -> str:
    for bom, encoding in BOMS.items():
        if sample.startswith(bom):
            return encoding
    decoder = codecs.getincrementaldecoder("utf-8")()
    file.seek(0)
    try:
        while chunk := file.read(1 << 20):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return FALLBACK_ENCODING
    return "utf-8"


def _check_header(headings: list[str], columns: list[str]) -> None:
    if len(headings) > COLUMNS_MAX:
        raise InvalidError("too_many_columns", f"at most {COLUMNS_MAX} columns", field="file")
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        detail = f"the first row must name the columns; missing: {', '.join(missing)}"
        errors = [{"field": f"row[1].{name}", "code": "missing_column", "message": f"no column is headed {name!r}"} for name in missing]
        raise InvalidError("missing_columns", detail, field="file", errors=errors, missing=missing)
    double = sorted({name for name in columns if name and columns.count(name) > 1})
    if double:
        raise InvalidError("double_columns", f"more than one column is headed {', '.join(double)}", field="file")


def _known(headings: list[str]) -> int:
    return sum(_fold(heading) in COLUMN_OF for heading in headings)


def _fold(heading: str) -> str:
    apart = unicodedata.normalize("NFKC", heading).strip().casefold()
    return re.sub(r"[^a-z0-9]+", "_", apart).strip("_")
