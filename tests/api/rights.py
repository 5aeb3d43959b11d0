"""What is public, what each operation asks of a role, and what was promised: written by hand, for the routes to agree with."""

from __future__ import annotations

from alerts.staff.rules import Permission

PUBLIC = {
    "healthz",
    "readyz",
    "metrics",
    "sign_in",
    "receive_receipt",
    "receive_call_status",
    "receive_described_receipt",
    "receive_keypress",
    "receive_notice_receipt",
    "receive_notice_keypress",
    "receive_twilio_message",
    "open_citizen_link",
    "answer_citizen_link",
    "open_open_link",
    "answer_open_link",
    "open_exercise_link",
    "answer_exercise_link",
    "open_exercise_citizen_link",
    "answer_exercise_citizen_link",
    "receive_reply_receipt",
    "open_public_incident",
    "open_public_exercise",
    "read_public_feed",
    "ask_alert",
    "confirm_alert",
    "get_web_push_key",
    "add_link_browser",
    "retire_link_browser",
    "add_link_device",
    "retire_link_device",
}
WITHOUT_KEY = {
    "sign_in",
    "receive_receipt",
    "receive_call_status",
    "receive_described_receipt",
    "receive_keypress",
    "receive_notice_receipt",
    "receive_notice_keypress",
    "receive_twilio_message",
    "answer_citizen_link",
    "answer_open_link",
    "answer_exercise_citizen_link",
    "answer_exercise_link",
    "receive_reply_receipt",
    "issue_report_codes",  # a stored answer would keep the codes
}
ANYBODY = "anybody who is signed in"
# What each operation asks of a role, written by hand: the routes must agree with it.
RIGHT_OF = {
    "sign_out": ANYBODY,
    "get_me": ANYBODY,
    "list_staff_contacts": ANYBODY,
    "add_staff_contact": ANYBODY,
    "remove_staff_contact": ANYBODY,
    "get_mission_board": Permission.VIEW_REPORTS,
    "list_incident_missions": Permission.VIEW_REPORTS,
    "acknowledge_overdue_report": Permission.TAKE_ON_REPORTING,
    "snooze_mission": Permission.CHASE_MISSIONS,
    "cover_mission": Permission.CHASE_MISSIONS,
    "resume_mission": Permission.CHASE_MISSIONS,
    "get_duty": Permission.MANAGE_STAFF,
    "set_duty": Permission.MANAGE_STAFF,
    "list_pagings": ANYBODY,
    "acknowledge_paging": ANYBODY,
    "list_alarms": Permission.HANDLE_ALARMS,
    "acknowledge_alarm": Permission.HANDLE_ALARMS,
    "get_missions": Permission.VIEW_MISSIONS,
    "get_responsible_missions": Permission.VIEW_MISSIONS,
    "get_one_mission": Permission.VIEW_MISSIONS,
    "list_country_rules": Permission.VIEW_MISSIONS,
    "get_country_rule": Permission.VIEW_MISSIONS,
    "put_country_rule": Permission.MANAGE_RULES,
    "post_import": Permission.IMPORT_CITIZENS,
    "get_imports": Permission.IMPORT_CITIZENS,
    "get_one_import": Permission.IMPORT_CITIZENS,
    "get_import_rows": Permission.IMPORT_CITIZENS,
    "get_import_rows_csv": Permission.IMPORT_CITIZENS,
    "get_addresses": Permission.IMPORT_CITIZENS,
    "add_browser": Permission.IMPORT_CITIZENS,
    "retire_browser": Permission.IMPORT_CITIZENS,
    "set_email_address": Permission.IMPORT_CITIZENS,
    "enrol_as_tester": Permission.IMPORT_CITIZENS,
    "withdraw_as_tester": Permission.IMPORT_CITIZENS,
    "retire_email_address": Permission.IMPORT_CITIZENS,
    "open_incident": Permission.OPEN_INCIDENT,
    "list_incidents": Permission.VIEW_INCIDENTS,
    "get_incident": Permission.VIEW_INCIDENTS,
    "change_incident": Permission.EDIT_INCIDENT,
    "close_incident": Permission.CLOSE_INCIDENT,
    "reopen_incident": Permission.CLOSE_INCIDENT,
    "list_crew": Permission.VIEW_INCIDENTS,
    "answer_crew_call": ANYBODY,
    "get_crew_roster": Permission.MANAGE_STAFF,
    "set_crew_roster": Permission.MANAGE_STAFF,
    "take_over_incident": Permission.EDIT_INCIDENT,
    "merge_incident": Permission.EDIT_INCIDENT,
    "sign_handover": Permission.EDIT_INCIDENT,
    "list_handovers": Permission.VIEW_SUMMARY,
    "list_incident_actions": Permission.VIEW_INCIDENTS,
    "fetch_incident_actions": Permission.VIEW_INCIDENTS,
    "preview_audience": Permission.VIEW_INCIDENTS,
    "draft_broadcast": Permission.WRITE_BROADCAST,
    "list_broadcasts": Permission.VIEW_INCIDENTS,
    "get_broadcast": Permission.VIEW_INCIDENTS,
    "edit_broadcast": Permission.WRITE_BROADCAST,
    "submit_broadcast": Permission.WRITE_BROADCAST,
    "approve_broadcast": Permission.APPROVE_BROADCAST,
    "reject_broadcast": Permission.APPROVE_BROADCAST,
    "cancel_broadcast": Permission.CANCEL_BROADCAST,
    "correct_broadcast": Permission.CORRECT_BROADCAST,
    "follow_up_broadcast": Permission.WRITE_BROADCAST,
    "list_templates": Permission.CORRECT_BROADCAST,
    "write_template": Permission.WRITE_BROADCAST,
    "get_template": Permission.CORRECT_BROADCAST,
    "approve_template": Permission.APPROVE_BROADCAST,
    "retire_template": Permission.CANCEL_BROADCAST,
    "preview_first_alert": Permission.VIEW_INCIDENTS,
    "release_first_alert": Permission.RELEASE_FIRST_ALERT,
    "confirm_first_alert": Permission.APPROVE_BROADCAST,
    "list_waves": Permission.VIEW_INCIDENTS,
    "approve_wave": Permission.APPROVE_BROADCAST,
    "decline_wave": Permission.APPROVE_BROADCAST,
    "get_reach": Permission.VIEW_INCIDENTS,
    "get_reach_series": Permission.VIEW_INCIDENTS,
    "get_proof": Permission.VIEW_INCIDENTS,
    "ask_export": Permission.EXPORT_REACH,
    "list_exports": Permission.EXPORT_REACH,
    "get_export": Permission.EXPORT_REACH,
    "grant_export": Permission.EXPORT_REACH,
    "decline_export": Permission.EXPORT_REACH,
    "fetch_export": Permission.EXPORT_REACH,
    "list_inbox": Permission.RECORD_CHECKIN,
    "handle_message": Permission.RECORD_CHECKIN,
    "assign_message": Permission.RECORD_CHECKIN,
    "list_calls": Permission.RECORD_CHECKIN,
    "open_call": Permission.RECORD_CHECKIN,
    "get_call": Permission.RECORD_CHECKIN,
    "release_call": Permission.RECORD_CHECKIN,
    "end_call": Permission.RECORD_CHECKIN,
    "get_forwardable_text": Permission.VIEW_INCIDENTS,
    "list_roaming": Permission.VIEW_INCIDENTS,
    "ask_roaming": Permission.WRITE_BROADCAST,
    "list_cases": Permission.VIEW_PERSONS,
    "get_case": Permission.VIEW_PERSONS,
    "move_case": Permission.RECORD_CHECKIN,
    "note_case": Permission.RECORD_CHECKIN,
    "assign_case": Permission.RECORD_CHECKIN,
    "record_checkin": Permission.RECORD_CHECKIN,
    "list_checkins": Permission.VIEW_PERSONS,
    "get_checkin": Permission.VIEW_PERSONS,
    "open_person": Permission.EDIT_PERSONS,
    "list_persons": Permission.VIEW_PERSONS,
    "get_person": Permission.VIEW_PERSONS,
    "add_person_statement": Permission.EDIT_PERSONS,
    "withdraw_person_statement": Permission.EDIT_PERSONS,
    "get_death": Permission.VIEW_PERSONS,
    "confirm_death": Permission.EDIT_PERSONS,
    "tell_kin": Permission.EDIT_PERSONS,
    "decide_kin_not_found": Permission.DECIDE_PUBLICATION,
    "allow_initials": Permission.EDIT_PERSONS,
    "withdraw_death_step": Permission.EDIT_PERSONS,
    "log_enquiry": Permission.RECORD_CHECKIN,
    "list_enquiries": Permission.VIEW_PERSONS,
    "get_enquiry": Permission.VIEW_PERSONS,
    "move_enquiry": Permission.RECORD_CHECKIN,
    "note_enquiry": Permission.RECORD_CHECKIN,
    "assign_enquiry": Permission.RECORD_CHECKIN,
    "join_enquiry": Permission.RECORD_CHECKIN,
    "separate_enquiry": Permission.RECORD_CHECKIN,
    "recognise_sought": Permission.RECORD_CHECKIN,
    "permit_telling": Permission.RECORD_CHECKIN,
    "tell_caller": Permission.RECORD_CHECKIN,
    "file_report": Permission.FILE_MISSION_REPORT,
    "list_reports": Permission.VIEW_REPORTS,
    "get_report": Permission.VIEW_REPORTS,
    "add_picture": Permission.FILE_MISSION_REPORT,
    "remove_picture": Permission.FILE_MISSION_REPORT,
    "list_pictures": Permission.VIEW_REPORTS,
    "get_picture": Permission.VIEW_REPORTS,
    "list_report_codes": Permission.VIEW_MISSIONS,
    "issue_report_codes": Permission.MANAGE_REPORT_CODES,
    "revoke_report_codes": Permission.MANAGE_REPORT_CODES,
    "confirm_held_lines": Permission.CONFIRM_FIGURES,
    "resolve_conflict": Permission.FILE_MINISTRY_REPORT,
    "get_summary": Permission.VIEW_SUMMARY,
    "get_summary_version": Permission.VIEW_SUMMARY,
    "get_minute_series": Permission.VIEW_SUMMARY,
    "watch_sheet": Permission.VIEW_SUMMARY,
    "get_brief": Permission.VIEW_SUMMARY,
    "draft_statement": Permission.WRITE_STATEMENT,
    "edit_statement": Permission.WRITE_STATEMENT,
    "publish_statement": Permission.PUBLISH_STATEMENT,
    "withdraw_statement": Permission.PUBLISH_STATEMENT,
    "list_statements": Permission.VIEW_SUMMARY,
    "get_statement": Permission.VIEW_SUMMARY,
    "draft_rumour": Permission.WRITE_STATEMENT,
    "publish_rumour": Permission.PUBLISH_STATEMENT,
    "withdraw_rumour": Permission.PUBLISH_STATEMENT,
    "list_rumours": Permission.VIEW_SUMMARY,
}
# Missions have the right to deal with calls and messages, and the ministry alone says which mission: 403 for their staff.
MINISTRY_ONLY = {"assign_message", "assign_case", "assign_enquiry"}
# A body in a stranger's words, described in the settings and not in the document: fields that nobody described are left
# alone, and what cannot be seen is left out of the words. A receipt is not lost for either.
STRANGERS_WORDS = {"receive_described_receipt"}
# A queue of work, not a list: what was handled leaves it, and the next moves up.
QUEUES = {"list_inbox", "list_calls"}
# Read by whoever has opened it first.
OPENED_FIRST = {"get_call"}
# Ordered by what they are lists of: codes of missions, lines of a file, who has waited longest.
OTHER_ORDER = {"get_missions", "list_country_rules", "list_cases", "get_import_rows"}
# Ends the session, or the incident: asked last.
LAST = ("reject_broadcast", "cancel_broadcast", "close_incident", "sign_out")
PROMISED = """
GET /api/v1/incidents                                GET /api/v1/incidents/{incident_id}
GET /api/v1/incidents/{incident_id}/broadcasts       GET /api/v1/broadcasts/{broadcast_id}
GET /api/v1/incidents/{incident_id}/reports          GET /api/v1/incidents/{incident_id}/reports/{report_id}
GET /api/v1/missions                                 GET /api/v1/missions/{code}
GET /api/v1/persons                                  GET /api/v1/persons/{person_id}
GET /api/v1/checkins                                 GET /api/v1/checkins/{checkin_id}
POST /api/v1/incidents                               PATCH /api/v1/incidents/{incident_id}
POST /api/v1/incidents/{incident_id}/close           POST /api/v1/incidents/{incident_id}/reopen
GET /api/v1/incidents/{incident_id}/audience         POST /api/v1/incidents/{incident_id}/broadcasts
PATCH /api/v1/broadcasts/{broadcast_id}              POST /api/v1/broadcasts/{broadcast_id}/submit
POST /api/v1/broadcasts/{broadcast_id}/approve       POST /api/v1/broadcasts/{broadcast_id}/reject
POST /api/v1/broadcasts/{broadcast_id}/cancel        POST /api/v1/broadcasts/{broadcast_id}/correct
GET /api/v1/broadcasts/{broadcast_id}/reach          POST /api/v1/incidents/{incident_id}/reports
GET /api/v1/incidents/{incident_id}/summary          GET /api/v1/incidents/{incident_id}/live
POST /api/v1/checkins                                POST /api/v1/persons
GET /i/{token}                                       POST /i/{token}
POST /api/v1/imports                                 GET /api/v1/me
POST /hooks/twilio/status/{attempt}                  POST /hooks/twilio/inbound
GET /healthz                                         GET /readyz
GET /metrics
"""
