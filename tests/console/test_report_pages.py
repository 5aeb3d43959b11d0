"""The report's page: what its cells become, for a mission and for the ministry, and the warning on a death that is held."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from alerts.console.report_forms import places_to_tally
from alerts.incidents.actions import close_incident
from alerts.kit.clock import db_now
from alerts.reports.actions import file_report
from alerts.reports.models import Report, ReportLine
from alerts.reports.schemas import ReportIn
from tests.console.conftest import Browser, Person
from tests.factories.incidents import HATAY, OPENER, TURKEY, make_incident
from tests.factories.reports import line, report_body


def form_key(page: str) -> str:
    found = re.search(r'name="form_key" value="([0-9a-f]{32})"', page)
    assert found
    return found.group(1)


def reporting(browse: Browser, session: Session) -> tuple[Person, str]:
    incident = make_incident(session, areas=[HATAY, TURKEY])
    session.commit()
    return browse("mission_staff"), f"/incidents/{incident.id}"


def test_nothing_known_yet_is_one_tap(browse: Browser, session: Session) -> None:
    person, incident = reporting(browse, session)
    key = form_key(person.get(f"{incident}/report").text.split("report/nothing")[1])
    answer = person.post(f"{incident}/report/nothing", form_key=key)
    assert answer.status_code == 303
    assert "belum ditanyakan" in person.get(answer.headers["location"]).text
    assert set(session.scalars(select(ReportLine.silence))) == {"not_asked"}


def test_the_signs_of_the_paper_sheet_are_understood(browse: Browser, session: Session) -> None:
    person, incident = reporting(browse, session)
    page = person.get(f"{incident}/report").text
    signs = {"dead": "-", "injured": "~12", "missing": "?", "unaccounted": "x", "sheltering": "0", "evacuated": "banyak"}
    form: dict[str, object] = {f"cell::{category}:own": sign for category, sign in signs.items()}
    answer = person.post(f"{incident}/report", **form, zero_how="datang ke lokasi", form_key=form_key(page))
    assert answer.status_code == 303, answer.text
    lines = {line.category: line for line in session.scalars(select(ReportLine))}
    assert lines["dead"].silence == "asked_none_reported"
    assert (lines["injured"].number, lines["injured"].is_approximate) == (12, True)
    assert lines["missing"].silence == "asked_no_answer"
    assert lines["unaccounted"].silence == "not_asked"
    assert (lines["sheltering"].silence, lines["sheltering"].how) == ("checked_none_found", "datang ke lokasi")
    assert (lines["evacuated"].raw, lines["evacuated"].state) == ("banyak", "held")
    filed = person.get(answer.headers["location"]).text
    assert "banyak" in filed
    assert "ditahan" in filed


def test_safe_without_who_when_and_how_is_only_reported(browse: Browser, session: Session) -> None:
    person, incident = reporting(browse, session)
    key = form_key(person.get(f"{incident}/report").text)
    person.post(f"{incident}/report", **{"cell::safe:own": "3"}, contact_who="Atase", form_key=key)
    line = session.scalars(select(ReportLine)).one()
    assert (line.claim, line.counted_claim) == ("contact_made", "reported")


def test_the_ministry_files_the_totals_of_the_host_state_and_the_media(browse: Browser, session: Session) -> None:
    _, incident = reporting(browse, session)
    officer = browse("duty_officer")
    for source, people in (("host_state", 1_541), ("media", 1_600)):
        page = officer.get(f"{incident}/report").text
        assert page.index("semua kewarganegaraan") < page.index('name="cell::dead:own"')
        form = {"cell::dead:mixed": str(people), "cell::injured:mixed": "~9000", "source": source, "author": "AFAD"}
        assert officer.post(f"{incident}/report", **form, form_key=form_key(page)).status_code == 303
    lines = session.scalars(select(ReportLine).where(ReportLine.category == "dead").order_by(ReportLine.id)).all()
    assert [(line.nationality, line.series, line.number) for line in lines] == [("mixed", "host_state", 1541), ("mixed", "media", 1600)]
    sheet = officer.get(f"/api/v1{incident}/summary").json()
    host, ours = (next(q for q in sheet["questions"] if q["key"] == key) for key in ("host_casualties", "ours"))
    assert {each["number"] for each in host["values"] + host["others"]} >= {1541, 1600}
    assert not ours["values"]
    assert "1.541" in officer.get(f"{incident}/sheet").text


def test_a_mission_has_no_column_for_everybody(browse: Browser, session: Session) -> None:
    person, incident = reporting(browse, session)
    page = person.get(f"{incident}/report").text
    assert ":mixed" not in page
    answer = person.post(f"{incident}/report", **{"cell::dead:mixed": "5"}, form_key=form_key(page))
    assert answer.status_code == 422, "what no cell of the sheet says is no report"


def test_the_whole_area_is_its_outermost_places(browse: Browser, session: Session) -> None:
    _, incident = reporting(browse, session)
    officer = browse("duty_officer")
    key = form_key(officer.get(f"{incident}/report").text)
    assert officer.post(f"{incident}/report", **{"cell::dead:own": "1"}, source="ministry", form_key=key).status_code == 303
    assert session.scalars(select(ReportLine)).one().places == ["TR"], "a country is not filed with its own province"


def test_the_whole_area_is_known_before_the_sheet_is_cut() -> None:
    provinces = [f"TR-{number:02}" for number in range(1, 21)]
    places = places_to_tally(["SY-HL", "TR", *provinces])
    assert (len(places.rows), places.whole) == (12, ("SY-HL", "TR"))
    assert places_to_tally(provinces).whole == tuple(provinces)
    assert places_to_tally(["TR-31"], ["TR-31", "SY", "SY-HL"]).whole == ("SY", "TR-31")
    assert places_to_tally(["TR"], [f"TR-{number}" for number in range(300)]).whole == ("TR",)


def test_a_held_death_of_ours_is_marked(browse: Browser, session: Session) -> None:
    person, incident = reporting(browse, session)
    form = {"cell::dead:own": "beberapa", "cell::injured:own": "banyak", "form_key": form_key(person.get(f"{incident}/report").text)}
    assert person.post(f"{incident}/report", **form).status_code == 303
    officer = browse("duty_officer")
    key = form_key(officer.get(f"{incident}/report").text)
    officer.post(f"{incident}/report", **{"cell::dead:mixed": "ribuan"}, source="media", form_key=key)
    for suffix in ("", "/minister"):
        page = browse("duty_officer").get(f"{incident}{suffix}").text
        warnings = re.findall(r'class="note secretly" role="note">(.*?)</div>', page, re.DOTALL)
        assert len(warnings) == 1
        assert "BELUM TERKONFIRMASI, bukan untuk umum" in warnings[0]
        assert "beberapa" in warnings[0]


def test_an_empty_sheet_is_no_report(browse: Browser, session: Session) -> None:
    person, incident = reporting(browse, session)
    answer = person.post(f"{incident}/report", form_key=form_key(person.get(f"{incident}/report").text))
    assert answer.status_code == 422
    assert session.scalar(select(func.count()).select_from(Report)) == 0


def test_another_missions_incident_does_not_exist(browse: Browser, session: Session) -> None:
    _, incident = reporting(browse, session)
    stranger = browse("mission_staff", mission_code="kbri-tokyo")
    assert stranger.get(incident).status_code == 404
    assert stranger.get(f"{incident}/report").status_code == 404


def filed_without_summing(person: Person, incident: str) -> str:
    """A report whose injured are fewer than its seriously injured; the address of its page."""
    cells = {"cell::injured:own": "3", "cell::seriously_injured:own": "5"}
    answer = person.post(f"{incident}/report", **cells, form_key=form_key(person.get(f"{incident}/report").text))
    assert answer.status_code == 303
    return str(answer.headers["location"])


def test_the_mission_lets_its_own_held_figures_count(browse: Browser, session: Session) -> None:
    person, incident = reporting(browse, session)
    path = filed_without_summing(person, incident)
    page = person.get(path).text
    chosen = re.findall(r'name="line_ids" value="([^"]+)"', page)
    assert len(chosen) == 2
    assert "jumlahnya tidak cocok" in page
    nothing = person.post(f"{path}/confirm", form_key=form_key_of(page, "confirm"), reason="dua daftar", came_from=path)
    assert (nothing.status_code, "Pilih angka yang akan dihitung." in nothing.text) == (422, True)
    key = form_key_of(nothing.text, "confirm")
    short = person.post(f"{path}/confirm", form_key=key, line_ids=chosen, reason="a", came_from=path)
    assert short.status_code == 422
    key = form_key_of(short.text, "confirm")
    done = person.post(f"{path}/confirm", form_key=key, line_ids=chosen, reason="dua <daftar> berbeda")
    assert (done.status_code, done.headers["location"]) == (303, path)
    page = person.get(path).text
    assert page.count("dihitung, dikonfirmasi") == 2
    assert "dua &lt;daftar&gt; berbeda" in page
    assert 'name="line_ids"' not in page
    sheet = browse("duty_officer").get(f"{incident}/sheet").text
    assert "dua &lt;daftar&gt; berbeda" in sheet
    assert "mengonfirmasi angka yang ditahan" in browse("duty_officer").get(f"{incident}/log").text


def test_the_ministry_lets_a_held_figure_count_on_the_page_of_all_figures(browse: Browser, session: Session) -> None:
    person, incident = reporting(browse, session)
    path = filed_without_summing(person, incident)
    officer = browse("duty_officer", lang="en")
    page = officer.get(f"{incident}/sheet").text
    assert page.count("It is right as it stands") == 2
    form = re.findall(rf'action="{path}/confirm">(.*?)</form>', page, re.DOTALL)[0]
    fields = dict(re.findall(r'name="(form_key|on_sheet|line_ids)" value="([^"]*)"', form))
    done = officer.post(f"{path}/confirm", **fields, reason="counted twice")
    assert (done.status_code, done.headers["location"]) == (303, f"{incident}/sheet")
    page = officer.get(f"{incident}/sheet").text
    assert "does not add up, confirmed" in page
    assert page.count("It is right as it stands") == 1


def test_a_part_says_which_one_it_is_and_when_it_was_said_if_earlier_than_its_whole(browse: Browser, session: Session) -> None:
    incident = make_incident(session, areas=[HATAY, TURKEY])
    now = db_now(session)

    def leg(value: int, words: str) -> dict[str, object]:
        return line("repatriated", value, kind="of_which", of="repatriated", words=words)

    for minutes, lines in (
        (90, [line("repatriated", 180), leg(110, "kloter 1"), leg(70, "kloter 2 <TK>")]),
        (5, [line("repatriated", 260)]),
    ):
        body = report_body(*lines, source="ministry", as_of=(now - timedelta(minutes=minutes)).isoformat())
        file_report(session, actor=OPENER, incident_id=incident.id, command=ReportIn.model_validate(body))
        session.commit()
        page = browse("duty_officer").get(f"/incidents/{incident.id}/sheet").text
        parts = re.findall(r"di antaranya [^<]*<q>.*?</q>(.*?)</span>", page)
        assert "<q>kloter 1</q>" in page
        assert "<q>kloter 2 &lt;TK&gt;</q>" in page
        assert [bool(said) for said in parts] == [minutes == 5] * 2, "an older part bears its own time, one of the same report does not"


def test_who_may_not_confirm_sees_no_form(browse: Browser, session: Session) -> None:
    person, incident = reporting(browse, session)
    path = filed_without_summing(person, incident)
    minister = browse("minister")
    assert 'name="line_ids"' not in minister.get(f"{incident}/sheet").text + minister.get(path).text
    assert minister.post(f"{path}/confirm", line_ids="x", reason="dua", form_key="k").status_code == 403
    close_incident(session, actor=OPENER, incident_id=UUID(incident.rsplit("/", 1)[1]), reason="selesai")
    session.commit()
    assert 'name="line_ids"' not in person.get(path).text


def form_key_of(page: str, form: str) -> str:
    found = re.search(rf'/{form}"><input type="hidden" name="form_key" value="([0-9a-f]+c)"', page)
    assert found
    return found.group(1)
