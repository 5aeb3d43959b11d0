"""The statements behind claims and windows (windows.py): each is one round trip, and right whatever the tables looked like.

They are planned once (STEADY_PLANS), perhaps while a table was empty that has a million rows a minute later. So that every plan is
right for any table: LATERAL … OFFSET 0 finds rows by their keys and in no other way, as do constants; `id + 0` is in no index's
order; `state || ''` and `coalesce(closed_at, …)` fit no partial index, which may be full of dead entries.
"""

from __future__ import annotations

from sqlalchemy import text

from alerts.broadcasts.rules import Channel

CLAIM = text("""
UPDATE delivery_batch b SET state = 'claimed', generation = b.generation + 1, owner = :owner,
    begun_at = coalesce(b.begun_at, clock_timestamp()), lease_until = clock_timestamp() + make_interval(secs => :lease)
FROM delivery_batch o CROSS JOIN LATERAL (SELECT * FROM broadcast m WHERE m.id = o.broadcast_id OFFSET 0) m
WHERE b.id = :batch AND o.id = :batch AND (b.state || '' = 'waiting' AND b.due_at <= clock_timestamp()
    OR b.state || '' = 'claimed' AND b.lease_until < clock_timestamp())
RETURNING b.id AS batch_id, b.broadcast_id, m.incident_id, b.generation, m.status, b.channel, b.number_country, b.step, m.only_sender,
    b.is_overtaken, CASE WHEN m.purpose = 'follow_up' THEN m."references" END AS reminds_of, b.held_at IS NOT NULL AS was_stopped,
    m.state <> 'approved' OR clock_timestamp() >= m.approved_at + make_interval(secs => m.validity_seconds) AS is_over,
    (SELECT jsonb_object_agg(sender, extract(epoch FROM until - clock_timestamp())) FROM sender_rest) AS resting
""")

OTHER = text("""
SELECT b.id FROM delivery_batch b WHERE b.state = 'waiting' AND b.due_at <= clock_timestamp()
    AND b.id <> ALL (CAST(:but AS bigint[])) AND NOT EXISTS (
    SELECT FROM unnest(CAST(:channels AS text[]), CAST(:countries AS text[])) AS l(channel, country)
    WHERE l.channel = b.channel AND l.country = b.number_country)
ORDER BY b.due_at, b.id LIMIT 1
""")

# Ids rise with the distance from the danger. Whose hint is used for another batch is asked for in its place, if that one still
# had to be. Locks are taken in the order of ids; who finds a row locked takes the next.
_DUE_NOW = (
    """(b.state || '' = 'waiting' AND b.due_at <= clock_timestamp() OR b.state || '' = 'claimed' AND b.lease_until < clock_timestamp())"""
)
_OF_LANE = """b.broadcast_id = (SELECT broadcast_id FROM delivery_batch WHERE id = :batch)
    AND b.channel = (SELECT channel FROM delivery_batch WHERE id = :batch)
    AND b.number_country = (SELECT number_country FROM delivery_batch WHERE id = :batch) AND b.id <> ALL (CAST(:but AS bigint[]))"""
FIRST = text(f"""
WITH first AS MATERIALIZED (
    SELECT b.id, b.rung_at IS NULL OR b.rung_at < CASE b.state WHEN 'waiting' THEN b.due_at ELSE b.lease_until END AS is_unasked
    FROM delivery_batch b WHERE {_OF_LANE} AND {_DUE_NOW} ORDER BY b.id + 0 LIMIT 1 FOR UPDATE OF b SKIP LOCKED
), passed_over AS (
    UPDATE delivery_batch n SET rung_at = NULL FROM first
    WHERE n.id = :batch AND first.id < n.id AND first.is_unasked AND n.state || '' <> 'done'
)
SELECT id FROM first
""")  # noqa: S608 - our own words

OWED = text(f"""
SELECT n.state = 'claimed' OR EXISTS (SELECT FROM delivery_batch b WHERE {_OF_LANE} AND {_DUE_NOW})
FROM delivery_batch n WHERE n.id = :batch
""")  # noqa: S608

RENEW = text("""
UPDATE delivery_batch SET lease_until = clock_timestamp() + make_interval(secs => :lease)
WHERE id = :batch AND generation = :generation AND state = 'claimed' AND lease_until > clock_timestamp() RETURNING id
""")

SEALED = {
    Channel.SMS: ("ARRAY[a.e164_enc]", "phone"),
    Channel.WHATSAPP: ("ARRAY[a.e164_enc]", "phone"),
    Channel.VOICE: ("ARRAY[a.e164_enc]", "phone"),
    Channel.PUSH: ("ARRAY[a.token_enc]", "device"),
    Channel.WEB_PUSH: ("ARRAY[a.endpoint_enc, a.p256dh_enc, a.auth_enc]", "web_push_subscription"),
    Channel.EMAIL: ("ARRAY[a.address_enc]", "email_address"),
}
"""Per channel: the encrypted fields of an address, and the table that holds it."""

IS_AFTER_PROMISE = "m.wave > 1 AND (SELECT u.is_after_promise FROM audience u WHERE u.id = m.audience_id) AS is_after_promise"
ROW = f"""d.id, d.attempts, d.member_id, m.citizen_id, d.address_id, m.language, d.number_country, m.link_generation, {IS_AFTER_PROMISE}"""

LOAD = {
    channel: text(f"""
SELECT {ROW}, a.sealed FROM delivery d
CROSS JOIN LATERAL (SELECT * FROM audience_member m WHERE m.id = d.member_id OFFSET 0) m
CROSS JOIN LATERAL (SELECT {fields} AS sealed FROM {table} a WHERE a.id = d.address_id OFFSET 0) a
WHERE d.batch_id = :batch AND d.state = 'queued' AND (d.next_attempt_at IS NULL OR d.next_attempt_at <= clock_timestamp())
ORDER BY d.id + 0
""")  # noqa: S608 - our own words
    for channel, (fields, table) in SEALED.items()
}

# FOR SHARE: a cancel that committed first is seen; one that comes later waits until this intent is written down.
# Nobody else takes a queued delivery of this batch: the generation is ours, and a stop looks for open windows.
_INTEND = """
live AS (
    SELECT b.id FROM delivery_batch b JOIN broadcast m ON m.id = b.broadcast_id
    WHERE b.id = :batch AND b.generation = :generation AND b.state || '' = 'claimed' AND b.lease_until > clock_timestamp()
      AND m.id = :broadcast AND m.state = 'approved' AND clock_timestamp() < m.approved_at + make_interval(secs => m.validity_seconds)
    FOR SHARE OF b, m
), may AS (
    SELECT d.id, d.attempts + 1 AS number
    FROM live CROSS JOIN unnest(CAST(:ids AS bigint[]), CAST(:citizens AS uuid[])) AS r(id, citizen_id)
    CROSS JOIN LATERAL (SELECT FROM citizen c WHERE c.id = r.citizen_id
        AND c.opted_out_at IS NULL AND c.died_at IS NULL AND c.merged_into IS NULL OFFSET 0) c
    CROSS JOIN LATERAL (SELECT d.id, d.member_id, d.attempts FROM delivery d WHERE d.id = r.id AND d.state = 'queued' OFFSET 0) d
    WHERE true {further}
), opened AS (
    INSERT INTO send_window (batch_id, generation, sender, deliveries, numbers, lease_until)
    SELECT :batch, :generation, :next_sender, array_agg(id ORDER BY id), array_agg(number ORDER BY id),
        clock_timestamp() + make_interval(secs => :lease)
    FROM may HAVING count(*) > 0
    RETURNING id, deliveries, numbers
)"""
_OPENED = "SELECT id, deliveries, numbers FROM opened"
ANSWERED_ELSEWHERE = """(SELECT FROM delivery p
    WHERE p.id BETWEEN d.member_id * 64 + 1 AND d.member_id * 64 + 63 AND p.id <> d.id AND p.answered_at IS NOT NULL)"""
ANSWERED_ORIGINAL = """(SELECT FROM (SELECT id FROM audience_member o WHERE o.citizen_id = {citizen}
        AND o.broadcast_id = ANY (CAST(:originals AS uuid[])) OFFSET 0) o
    CROSS JOIN LATERAL (SELECT FROM delivery p
        WHERE p.id BETWEEN o.id * 64 + 1 AND o.id * 64 + 63 AND p.answered_at IS NOT NULL OFFSET 0) p)"""
_PLAIN_INTENT = _INTEND.format(further="")
_UNANSWERED = f"AND NOT EXISTS {ANSWERED_ELSEWHERE}"
_UNANSWERED_BEFORE = f"{_UNANSWERED} AND NOT EXISTS {ANSWERED_ORIGINAL.format(citizen='r.citizen_id')}"
INTEND = text(f"WITH {_PLAIN_INTENT} {_OPENED}")
INTEND_LATER_STEP = text(f"WITH {_INTEND.format(further=_UNANSWERED)} {_OPENED}")
INTEND_REMINDER = text(f"WITH {_INTEND.format(further=_UNANSWERED_BEFORE)} {_OPENED}")

MINE = """
EXISTS (SELECT FROM delivery_batch b WHERE b.id = :batch AND b.generation = :generation AND b.state = 'claimed')
AND NOT EXISTS (SELECT FROM send_window w WHERE w.closed_at IS NULL AND w.batch_id = :batch AND d.id = ANY (w.deliveries))
"""

STOP_QUEUED = text(f"""
UPDATE delivery d SET state_at = clock_timestamp(), state = CASE WHEN m.state = 'approved' THEN 'expired' ELSE 'cancelled' END
FROM broadcast m WHERE m.id = d.broadcast_id AND d.batch_id = :batch AND d.state = 'queued'
  AND NOT (m.state = 'approved' AND clock_timestamp() < m.approved_at + make_interval(secs => m.validity_seconds)) AND {MINE}
""")  # noqa: S608 - our own words

# Opt-out, death and merge may have come after the list was frozen; an answer ends all other steps.
LEAVE_OUT = text(f"""
UPDATE delivery d SET state_at = clock_timestamp(), state = CASE WHEN c.opted_out_at IS NOT NULL THEN 'opted_out' ELSE 'cancelled' END,
    error_code = CASE WHEN c.opted_out_at IS NOT NULL THEN 'opted_out' WHEN c.died_at IS NOT NULL THEN 'died'
        WHEN c.merged_into IS NOT NULL THEN 'merged' ELSE 'answered' END
FROM audience_member m JOIN citizen c ON c.id = m.citizen_id
WHERE d.batch_id = :batch AND d.state = 'queued' AND m.id = d.member_id
  AND (c.opted_out_at IS NOT NULL OR c.died_at IS NOT NULL OR c.merged_into IS NOT NULL OR EXISTS {ANSWERED_ELSEWHERE}
       OR EXISTS {ANSWERED_ORIGINAL.format(citizen="m.citizen_id")})
  AND {MINE}
""")  # noqa: S608

FAIL_UNSERVED = text(f"""
UPDATE delivery d SET state = 'failed', error_code = 'no_provider', state_at = clock_timestamp()
WHERE d.batch_id = :batch AND d.state = 'queued' AND {MINE}
""")  # noqa: S608

# A callback may have been quicker: what it said stays, and only what it left open is filled in.
_RECORD = """
held AS (
    SELECT w.id, w.intent_at FROM send_window w JOIN delivery_batch b ON b.id = w.batch_id
    WHERE w.id = :window AND coalesce(w.closed_at, 'infinity') = 'infinity'
      AND b.id = :batch AND b.generation = :generation AND b.state || '' = 'claimed' FOR UPDATE OF w
), o AS MATERIALIZED (
    {answers}
), written AS (
    INSERT INTO attempt (delivery_id, number, window_id, channel, sender, state, evidence, intent_at, resolved_at, provider_id, raw_status,
        error_code)
    SELECT o.delivery_id, o.number, held.id, :channel, :sender, o.attempt_state, 'answer', held.intent_at, clock_timestamp(), o.provider_id,
        o.raw_status, o.code
    FROM o CROSS JOIN held
    ON CONFLICT (delivery_id, number) DO UPDATE SET window_id = excluded.window_id, sender = excluded.sender,
        intent_at = excluded.intent_at, provider_id = coalesce(attempt.provider_id, excluded.provider_id)
), closed AS (
    UPDATE send_window w SET closed_at = clock_timestamp() WHERE w.id = :window AND EXISTS (SELECT FROM held)
), moved AS (
    UPDATE delivery d SET state = o.state, attempts = o.number, state_at = clock_timestamp(), error_code = o.code,
        provider_id = coalesce(d.provider_id, o.provider_id),
        accepted_at = CASE WHEN o.provider_id IS NULL THEN d.accepted_at ELSE coalesce(d.accepted_at, clock_timestamp()) END,
        next_attempt_at = CASE WHEN o.wait IS NULL THEN NULL ELSE clock_timestamp() + make_interval(secs => o.wait) END
    FROM o CROSS JOIN held WHERE d.id = o.delivery_id AND d.id = ANY (CAST(:deliveries AS bigint[])) AND d.state = 'queued' RETURNING 1
)"""
_ANSWERED = _RECORD.format(
    answers="""
    SELECT * FROM unnest(CAST(:deliveries AS bigint[]), CAST(:numbers AS smallint[]), CAST(:states AS text[]),
        CAST(:attempt_states AS text[]), CAST(:providers AS text[]), CAST(:raws AS text[]), CAST(:codes AS text[]),
        CAST(:waits AS float8[]))
        AS o(delivery_id, number, state, attempt_state, provider_id, raw_status, code, wait) ORDER BY delivery_id"""
)
_ACCEPTED = _RECORD.format(
    answers="""
    SELECT *, 'accepted' AS state, 'accepted' AS attempt_state, CAST(:raw AS text) AS raw_status, CAST(NULL AS text) AS code,
        CAST(NULL AS float8) AS wait
    FROM unnest(CAST(:deliveries AS bigint[]), CAST(:numbers AS smallint[]), CAST(:providers AS text[]))
        AS o(delivery_id, number, provider_id)
    ORDER BY delivery_id"""
)
RECORD = text(f"WITH {_ANSWERED} SELECT count(*) FROM moved")  # noqa: S608 - our own words
RECORD_ACCEPTED = text(f"WITH {_ACCEPTED} SELECT count(*) FROM moved")  # noqa: S608 - our own words
"""What nearly every window comes to, with the least that has to be said of it."""
RECORD_AND_INTEND = text(f"WITH {_ACCEPTED}, {_PLAIN_INTENT} {_OPENED}")
"""Both of the hot path in one: a window's answers, and the intent of what goes next (other rows, another window)."""

EXPIRE_OF_BATCH = text(
    "SELECT id FROM send_window WHERE batch_id = :batch AND closed_at IS NULL AND resend_of IS NULL ORDER BY id FOR UPDATE"
)
EXPIRE_LATE = text("""
SELECT id FROM send_window WHERE closed_at IS NULL AND lease_until < clock_timestamp() ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
""")

# A callback may have been quicker than the record: its attempt learns here what it was part of, and what it repeated.
EXPIRE = text("""
WITH item AS (
    SELECT w.id AS window_id, w.sender, w.intent_at, u.delivery_id, u.number, w.resend_of[u.place] AS resend_of
    FROM send_window w, unnest(w.deliveries, w.numbers) WITH ORDINALITY AS u(delivery_id, number, place) WHERE w.id = ANY (:windows)
), locked AS MATERIALIZED (
    SELECT d.id, d.channel FROM delivery d WHERE d.id IN (SELECT delivery_id FROM item) ORDER BY d.id FOR UPDATE
), lost AS (
    INSERT INTO attempt (delivery_id, number, window_id, channel, sender, state, evidence, resend_of, intent_at, resolved_at)
    SELECT i.delivery_id, i.number, i.window_id, l.channel, i.sender, 'unknown', :evidence, i.resend_of, i.intent_at, clock_timestamp()
    FROM item i JOIN locked l ON l.id = i.delivery_id ORDER BY 1 ON CONFLICT (delivery_id, number) DO NOTHING RETURNING delivery_id, number
), told AS (
    UPDATE attempt a SET window_id = i.window_id, sender = i.sender, resend_of = i.resend_of, intent_at = i.intent_at
    FROM item i JOIN locked l ON l.id = i.delivery_id WHERE (a.delivery_id, a.number) = (i.delivery_id, i.number) AND a.window_id IS NULL
), closed AS (
    UPDATE send_window SET closed_at = clock_timestamp() WHERE id = ANY (:windows)
), marked AS (
    UPDATE delivery d SET attempts = greatest(d.attempts, lost.number),
        state_at = CASE WHEN d.state = 'queued' THEN clock_timestamp() ELSE d.state_at END,
        state = CASE WHEN d.state = 'queued' THEN 'unknown' ELSE d.state END
    FROM lost WHERE d.id = lost.delivery_id
)
SELECT delivery_id FROM lost
""")

# The first look at the clock comes when the last handed over has had the time, but not long after the first had it: a batch
# that went out at once escalates at once, a slow one in parts (see escalation.py, which sets all later looks).
FINISH = text("""
UPDATE delivery_batch b SET lease_until = NULL, owner = NULL, state = CASE WHEN q.due_at IS NULL THEN 'done' ELSE 'waiting' END,
    due_at = CASE WHEN q.due_at IS NULL THEN b.due_at ELSE greatest(q.due_at, clock_timestamp() + make_interval(secs => :wait)) END,
    next_step_at = CASE
        WHEN q.due_at IS NULL AND NOT CAST(:repeat AS boolean) THEN NULL
        WHEN b.is_overtaken OR b.next_step_at IS NOT NULL THEN b.next_step_at
        WHEN q.due_at IS NULL AND q.first_at IS NULL THEN NULL
        ELSE least(coalesce(q.last_at, b.begun_at) + make_interval(secs => CAST(:step AS float8)),
            CASE WHEN q.due_at IS NULL THEN q.first_at ELSE b.begun_at END + make_interval(secs => CAST(:step AS float8) * 7 / 6)) END
FROM (SELECT min(coalesce(next_attempt_at, clock_timestamp())) FILTER (WHERE state = 'queued') AS due_at,
          bool_or(state IN ('failed', 'undelivered')) AS has_failures, min(r.at) AS first_at, max(r.at) AS last_at
      FROM delivery CROSS JOIN LATERAL (SELECT CASE WHEN state IN ('accepted', 'sent', 'delivered', 'unknown')
              OR state = 'undelivered' AND error_code = '30003'
          THEN coalesce(accepted_at, state_at) END AS at) r WHERE batch_id = :batch) q
WHERE b.id = :batch AND b.generation = :generation AND b.state || '' = 'claimed' RETURNING b.state, q.has_failures
""")
