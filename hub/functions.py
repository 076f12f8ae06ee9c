"""Functions of the database that column defaults and checks call. They must be there before the tables are."""

from __future__ import annotations

from collections import defaultdict

from babel.core import get_global
from babel.numbers import list_currencies

GTIN_WEIGHTS = (3, 1) * 7
COMBINING = r"[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"

WRITER = """
CREATE OR REPLACE FUNCTION hub_actor() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(nullif(current_setting('hub.actor', true), ''), session_user::text)
$$;
CREATE OR REPLACE FUNCTION hub_source() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(nullif(current_setting('hub.source', true), ''), 'sql')
$$;
CREATE OR REPLACE FUNCTION hub_mark() RETURNS jsonb LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT jsonb_build_array(
        coalesce(nullif(current_setting('hub.source', true), ''), 'sql'),
        coalesce(nullif(current_setting('hub.actor', true), ''), session_user::text),
        to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
$$;
CREATE OR REPLACE FUNCTION hub_provenance() RETURNS jsonb LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT jsonb_build_object('*', jsonb_build_array(
        coalesce(nullif(current_setting('hub.source', true), ''), 'sql'),
        coalesce(nullif(current_setting('hub.actor', true), ''), session_user::text),
        to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')))
$$;
"""

SORT_KEY = f"""
CREATE OR REPLACE FUNCTION sort_key(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT regexp_replace(normalize(lower(normalize($1, NFKD)), NFKD), '{COMBINING}', '', 'g')
$$;
"""


def statements() -> str:
    """The SQL that makes all of them, or makes them anew."""
    return WRITER + SORT_KEY + _gtin_valid() + _currency_digits()


def _gtin_valid() -> str:
    """GS1 General Specifications 7.9: filled up to 14 digits, weights 3 and 1, the sum divides by ten."""
    padded = "lpad($1, 14, '0')"
    terms = " + ".join(
        f"{weight} * substr({padded}, {place}, 1)::int" for place, weight in enumerate(GTIN_WEIGHTS, start=1)
    )
    return f"""
CREATE OR REPLACE FUNCTION gtin_valid(text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN $1 ~ '^([0-9]{{8}}|[0-9]{{12,14}})$' THEN ({terms}) % 10 = 0 ELSE false END
$$;
"""


def _currency_digits() -> str:
    """Decimals of a currency's smallest unit in the account (not in cash); null for a code that is no currency."""
    fractions = get_global("currency_fractions")
    by_digits: dict[int, list[str]] = defaultdict(list)
    for code in sorted(list_currencies()):
        by_digits[fractions.get(code, fractions["DEFAULT"])[0]].append(code)
    cases = " ".join(
        f"WHEN $1 = ANY ('{{{','.join(codes)}}}'::text[]) THEN {digits}"
        for digits, codes in sorted(by_digits.items(), key=lambda each: len(each[1]))
    )
    return f"""
CREATE OR REPLACE FUNCTION currency_digits(text) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN $1 = 'EUR' THEN 2 {cases} END
$$;
"""
