"""Files as they come: encodings, delimiters, headings, and files that are no CSV at all."""

from __future__ import annotations

import codecs
import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.citizens.imports.reading import RegisterFile
from alerts.citizens.imports.rows import ReadRow, read_row
from alerts.citizens.rules import CitizenClass
from alerts.kit.errors import InvalidError

PLAIN = "external_id,name,country\nA1,Şule Contoh,TR\nA2,Budi Contoh,SY\n"


def read(content: bytes | str, **options: str) -> list[ReadRow]:
    raw = content.encode() if isinstance(content, str) else content
    return [read_row(row, home_country="ID") for row in RegisterFile(io.BytesIO(raw), **options).rows()]


def one(**cells: str) -> ReadRow:
    cells = {"external_id": "A1", "name": "Contoh", "country": "TR"} | cells
    return read(",".join(cells) + "\n" + ",".join(f'"{cell}"' for cell in cells.values()) + "\n")[0]


def codes(row: ReadRow) -> list[tuple[str, str]]:
    return [(problem.field, problem.code) for problem in row.problems]


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (PLAIN.encode(), "utf-8"),
        (codecs.BOM_UTF8 + PLAIN.encode(), "utf-8-sig"),
        (PLAIN.encode("utf-16"), "utf-16"),
        (codecs.BOM_UTF16_BE + PLAIN.encode("utf-16-be"), "utf-16"),
        (PLAIN.replace("Ş", "Ü").encode("cp1252"), "cp1252"),
        (PLAIN.replace(",", ";").encode(), "utf-8"),
        (PLAIN.replace(",", "\t").encode(), "utf-8"),
        (PLAIN.replace(",", "|").replace("\n", "\r\n").encode(), "utf-8"),
        (PLAIN.replace("\n", "\r").encode(), "utf-8"),
    ],
)
def test_every_usual_form_is_read(content: bytes, encoding: str) -> None:
    assert RegisterFile(io.BytesIO(content)).encoding == encoding
    rows = read(content)
    assert [(row.line, row.external_id) for row in rows] == [(2, "A1"), (3, "A2")]
    assert rows[0].person is not None
    assert rows[0].person.name in ("Şule Contoh", "Üule Contoh")


def test_a_given_encoding_is_believed() -> None:
    rows = read("external_id,name,country\nA1,Işık,TR\n".encode("cp1254"), encoding="cp1254")
    assert rows[0].person is not None
    assert rows[0].person.name == "Işık"


def test_indonesian_headings_and_columns_that_are_not_ours() -> None:
    content = "No Registrasi;Nama Lengkap;Negara;No. HP;Provinsi;Nomor Paspor\nA1;Contoh;Turki;0812-3456-789;Hatay;X123\n"
    file = RegisterFile(io.BytesIO(content.encode()))
    assert file.ignored == ["Nomor Paspor"]
    person = read(content)[0].person
    assert person is not None
    assert (person.country, person.province, person.phones[0].number) == ("TR", "TR-31", "+628123456789")
    assert "X123" not in repr(person)


def _workbook() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (_workbook(), "not_a_csv_file"),
        (b"%PDF-1.7 ...", "not_a_csv_file"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "not_a_csv_file"),
        (b"\x89PNG\r\n\x1a\n\x00", "not_a_csv_file"),
        (b"external_id,name,country\n\x00\x01", "not_a_csv_file"),
        (b"", "empty_file"),
        (b"\n \n", "empty_file"),
        (b"hello world\n", "missing_columns"),
        (b"external_id,name\nA1,x\n", "missing_columns"),
        (b"external_id,name,country,nama\nA1,x,TR,y\n", "double_columns"),
        (b",".join(b"c%d" % n for n in range(81)), "too_many_columns"),
    ],
)
def test_another_kind_of_file_is_refused(content: bytes, code: str) -> None:
    with pytest.raises(InvalidError) as refusal:
        RegisterFile(io.BytesIO(content))
    assert (refusal.value.code, refusal.value.field) == (code, "file")


@pytest.mark.parametrize(
    "line", ["A1,x,TR,surplus", f"A1,{'x' * 2001},TR", "A1,a\x00b,TR", f'A1,"{"x" * 200_000}",TR'], ids=["cells", "long", "nul", "huge"]
)
def test_a_row_that_cannot_be_read_is_rejected_and_the_next_one_is_not(line: str) -> None:
    padding = "".join(f"P{n},{'y' * 500},TR\n" for n in range(200))  # the NUL lies behind the sample that is looked at
    rows = read(f"external_id,name,country\n{padding}{line}\nA2,x,TR\n")
    bad = [row for row in rows if row.person is None]
    assert [codes(row) for row in bad] == [[("row", "unreadable_row")]]
    assert rows[-1].external_id == "A2"
    assert rows[-1].person is not None


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        ({"external_id": ""}, ("external_id", "external_id_missing")),
        ({"name": " "}, ("name", "name_missing")),
        ({"name": "\u200b\u202e"}, ("name", "name_missing")),
        ({"country": "Atlantis"}, ("country", "unknown_country")),
        ({"country": "TR-31"}, ("country", "unknown_country")),
        ({"country": ""}, ("country", "unknown_country")),
        ({"class": "king"}, ("class", "unknown_class")),
        ({"stay_from": "yesterday"}, ("stay_from", "date_unreadable")),
        ({"stay_from": "2023-02-06", "stay_until": "2023-02-01"}, ("stay_until", "stay_reversed")),
    ],
)
def test_what_would_make_it_another_person_or_audience_rejects_the_row(cells: dict[str, str], problem: tuple[str, str]) -> None:
    row = one(**cells)
    assert row.person is None
    assert problem in codes(row)


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        ({"phone": "12345"}, ("phone", "phone_invalid")),
        ({"phone": "+628123456789", "phone2": "0812 3456 789"}, ("phone2", "phone_repeated")),
        ({"province": "Atlantis"}, ("province", "unknown_province")),
        ({"province": "SY-HL"}, ("province", "unknown_province")),
        ({"lat": "91", "lon": "0"}, ("lat", "point_out_of_range")),
        ({"lat": "36.2"}, ("lat", "point_unreadable")),
        ({"lat": "nan", "lon": "0"}, ("lat", "point_out_of_range")),
        ({"place_as_of": "last week"}, ("place_as_of", "time_unreadable")),
        ({"place_as_of": "0001-01-01T00:00:00+14:00"}, ("place_as_of", "time_unreadable")),
        ({"language": "bahasa Indonesia"}, ("language", "unknown_language")),
        ({"opted_out": "maybe"}, ("opted_out", "not_yes_or_no")),
    ],
)
def test_anything_else_is_a_warning_and_the_person_stays(cells: dict[str, str], problem: tuple[str, str]) -> None:
    row = one(**cells)
    assert row.person is not None
    assert codes(row) == [problem]


def test_whoever_may_have_asked_for_silence_gets_it() -> None:
    row = one(opted_out="maybe")
    assert row.person is not None
    assert row.person.is_opted_out


def test_an_unusable_number_is_kept_as_written_without_a_country() -> None:
    person = one(phone="12345", phone2="+90 532 123 45 67").person
    assert person is not None
    assert [(phone.position, phone.number, phone.country) for phone in person.phones] == [(1, "12345", None), (2, "+905321234567", "TR")]


def test_defaults_and_words_for_classes() -> None:
    person = one().person
    assert person is not None
    assert (person.class_, person.language, person.phones, person.is_opted_out) == (CitizenClass.RESIDENT, "id", (), False)
    for word, class_ in [("ABK", CitizenClass.SEAFARER), ("Wisatawan", CitizenClass.TRAVELLER), ("Kontingen", CitizenClass.CONTINGENT)]:
        row = one(**{"class": word})
        assert row.person is not None
        assert row.person.class_ is class_


def test_a_preview_is_masked() -> None:
    person = one(name="Rahasia Sekali", phone="+628123456789", device_token="secret-token").person
    assert person is not None
    shown = repr(person.masked())
    assert "ahasia" not in shown
    assert "8123456" not in shown
    assert "secret-token" not in shown


@given(st.binary(max_size=400))
def test_any_bytes_are_rows_or_refused(content: bytes) -> None:
    try:
        read(b"external_id,name,country\n" + content)
    except InvalidError:
        return


@given(st.lists(st.text(max_size=20), min_size=3, max_size=8))
def test_any_cells_are_a_person_or_a_reason(cells: list[str]) -> None:
    heads = ["name", "country", "phone", "class", "stay_from", "lat", "lon", "opted_out"][: len(cells)]
    written = (cell.replace('"', "").replace("\n", "").replace("\r", "") for cell in cells)
    row = one(**dict(zip(heads, written, strict=True)))
    assert (row.person is None) == any(problem.is_fatal for problem in row.problems)
