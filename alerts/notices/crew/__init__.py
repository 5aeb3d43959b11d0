"""Who is called to an incident when it opens: functions, deputies, answers."""
