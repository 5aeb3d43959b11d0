"""The SQL of an import. The temporary tables live as long as the transaction."""

from __future__ import annotations

PERSON = {
    "id": "uuid",
    "external_id": "text",
    "name_enc": "bytea",
    "name_index": "bytea",
    "language": "text",
    "class": "text",
    "country_iso2": "text",
    "province_code": "text",
    "lat": "float8",
    "lon": "float8",
    "place_as_of": "timestamptz",
    "stay_from": "date",
    "stay_until": "date",
    "is_opted_out": "bool",
    "wants_whatsapp": "bool",
    "is_vulnerable": "bool",
    "is_tester": "bool",
    "tester_consented_at": "timestamptz",
    "source_digest": "bytea",
}
PHONE = {
    "id": "uuid",
    "citizen_id": "uuid",
    "e164_enc": "bytea",
    "e164_index": "bytea",
    "number_country": "text",
    "position": "int2",
    "is_valid": "bool",
}
DEVICE = {"id": "uuid", "citizen_id": "uuid", "token_enc": "bytea", "token_index": "bytea", "seen_at": "timestamptz"}
EMAIL = {"id": "uuid", "citizen_id": "uuid", "address_enc": "bytea", "address_index": "bytea"}
RESULT = {"run_id": "uuid", "line": "int4", "outcome": "text", "external_id": "text", "citizen_id": "uuid", "problems": "jsonb"}

# Temporary tables of an import, one chunk at a time.
STAGES = {
    "import_chunk": {"line": "int4", "external_id": "text", "digest": "bytea"},
    "import_citizen": PERSON,
    "import_phone": PHONE,
    "import_device": DEVICE,
    "import_email": EMAIL,
}
# Everything that is copied into: table, columns, their types.
COPIES = STAGES | {"import_row": RESULT}


def stage_statements() -> list[str]:
    """What makes the temporary tables, and empties the memory of ids that another import in this transaction left."""
    tables = [f"{name} ({', '.join(f'{column} {kind}' for column, kind in columns.items())})" for name, columns in STAGES.items()]
    tables.append("import_seen (external_id text PRIMARY KEY, line int NOT NULL)")
    return [f"CREATE TEMP TABLE IF NOT EXISTS {table} ON COMMIT DROP" for table in tables] + ["TRUNCATE import_seen"]


# Ids seen earlier in the file keep their first line; a new person's id is made here, since it is part of the encryption.
SORT_OUT = """
WITH fresh AS (
    INSERT INTO import_seen (external_id, line)
    SELECT DISTINCT ON (external_id) external_id, line FROM import_chunk ORDER BY external_id, line
    ON CONFLICT DO NOTHING RETURNING external_id, line)
SELECT c.line, coalesce(f.line, s.line) AS first_line, coalesce(z.id, uuidv7()) AS citizen_id, z.id IS NULL AS is_new,
    coalesce(z.source_digest = c.digest, false) AS is_same
FROM import_chunk c
LEFT JOIN fresh f USING (external_id) LEFT JOIN import_seen s USING (external_id)
LEFT JOIN citizen z USING (external_id)
"""

ALWAYS = ("name_enc", "name_index", "language", "class", "stay_from", "stay_until", "source_digest")
PLACE = ("country_iso2", "province_code", "lat", "lon", "place_as_of")
# An undated word on somebody's place never replaces a dated one, nor an older one a newer.
IS_NEWER = "coalesce(excluded.place_as_of >= c.place_as_of, c.place_as_of IS NULL)"

# A file never takes back a person's own wish for silence.
UPSERT_PEOPLE = f"""
INSERT INTO citizen AS c (id, external_id, opted_out_at, {", ".join(ALWAYS)}, {", ".join(PLACE)})
SELECT id, external_id, CASE WHEN is_opted_out THEN now() END, {", ".join(ALWAYS)}, {", ".join(PLACE)}
FROM import_citizen
ON CONFLICT (id) DO UPDATE SET updated_at = now(), opted_out_at = coalesce(c.opted_out_at, excluded.opted_out_at),
    {", ".join(f"{name} = excluded.{name}" for name in ALWAYS)},
    {", ".join(f"{name} = CASE WHEN {IS_NEWER} THEN excluded.{name} ELSE c.{name} END" for name in PLACE)}
"""  # noqa: S608 - our own column names

# A blank phone in the file never takes away a number that we have.
RETIRE_PHONES = """
UPDATE phone p SET retired_at = now() FROM import_phone n
WHERE p.citizen_id = n.citizen_id AND p.position = n.position AND p.retired_at IS NULL AND p.e164_index <> n.e164_index
"""

ADD_PHONES = """
INSERT INTO phone (id, citizen_id, e164_enc, e164_index, number_country, position, is_valid)
SELECT id, citizen_id, e164_enc, e164_index, number_country, position, is_valid FROM import_phone
ON CONFLICT (citizen_id, position) WHERE retired_at IS NULL DO NOTHING
"""

ADD_OPT_CHANGES = """
INSERT INTO opt_change (citizen_id, is_out, source)
SELECT i.id, true, 'import' FROM import_citizen i JOIN citizen c USING (id)
WHERE i.is_opted_out AND c.opted_out_at = now()
"""

# A token belongs to whoever used it last: the former holder's row retires.
RETIRE_DEVICES = """
UPDATE device d SET retired_at = now() FROM import_device n
WHERE d.token_index = n.token_index AND d.citizen_id <> n.citizen_id AND d.retired_at IS NULL
"""

ADD_DEVICES = """
INSERT INTO device AS d (id, citizen_id, platform, token_enc, token_index, last_seen_at)
SELECT DISTINCT ON (token_index) id, citizen_id, 'fcm', token_enc, token_index, seen_at FROM import_device
ORDER BY token_index, seen_at DESC
ON CONFLICT (token_index) WHERE retired_at IS NULL
DO UPDATE SET last_seen_at = greatest(d.last_seen_at, excluded.last_seen_at), link_member_id = NULL, link_generation = NULL
"""

FLAGS = ("wants_whatsapp", "is_vulnerable", "is_tester")
# Most files say nothing of these: then nothing is written. A tester without a time of consent consented now (trigger).
SET_FLAGS = f"""
UPDATE citizen c SET {", ".join(f"{name} = coalesce(i.{name}, c.{name})" for name in FLAGS)},
    tester_consented_at = CASE WHEN coalesce(i.is_tester, c.is_tester) THEN coalesce(i.tester_consented_at, c.tester_consented_at) END
FROM import_citizen i WHERE i.id = c.id AND ({" OR ".join(f"i.{name} <> c.{name}" for name in FLAGS)}
    OR c.is_tester AND i.tester_consented_at <> c.tester_consented_at)
"""  # noqa: S608 - our own column names

# As with phones: a blank takes nothing away, another address replaces the one before.
RETIRE_EMAILS = """
UPDATE email_address e SET retired_at = now() FROM import_email n
WHERE e.citizen_id = n.citizen_id AND e.retired_at IS NULL AND e.address_index <> n.address_index
"""

ADD_EMAILS = """
INSERT INTO email_address (id, citizen_id, address_enc, address_index)
SELECT id, citizen_id, address_enc, address_index FROM import_email
ON CONFLICT (citizen_id) WHERE retired_at IS NULL DO NOTHING
"""

IN_ORDER = (
    *(UPSERT_PEOPLE, SET_FLAGS, RETIRE_PHONES, ADD_PHONES, ADD_OPT_CHANGES),
    *(RETIRE_DEVICES, ADD_DEVICES, RETIRE_EMAILS, ADD_EMAILS),
)
