"""Identity measured: people whose records are known to be theirs, found again by the shipped rules.

The outside truth is Febrl's: names, addresses and birth dates with slips, omissions and swaps, without the national id.
The other set is made up (``bench.identity_people``) and larger. Both are imported as any shop imports customers.
"""

from __future__ import annotations

import csv
import itertools
import resource
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import orjson
import sqlalchemy as sa
import typer

from bench import Tell, identity_people, scratch
from hub import identity_estimate, importing, mapping
from hub.config import Settings
from hub.db import HUB, Database

FEBRL = {"4": ("dataset4a.csv", "dataset4b.csv"), "2": ("dataset2.csv",), "1": ("dataset1.csv",)}
"""The files of each set, in the order in which it names them."""

PRECISION, RECALL, ASKED = 0.999, 0.95, 0.995
PEOPLE = (12_000, 30_000, 60_000)

Whose = dict[str, str]
"""Whose a record is, by what the record is called."""


@dataclass(frozen=True)
class Figures:
    """What was found of the pairs of records that are one person's. ``asked``: recall with the candidates."""

    records: int
    pairs: int
    precision: float
    recall: float
    asked: float
    candidates: int
    import_s: float
    resolve_s: float
    memory_mb: int


def febrl(database: Database, folder: Path, number: str) -> Figures:
    """One of Febrl's sets, as records of two systems."""
    whose: Whose = {}
    started = perf_counter()
    with tempfile.TemporaryDirectory() as temporary:
        for system, rows in _two_systems(folder, FEBRL[number]):
            path = Path(temporary) / f"{system}.csv"
            with path.open("w", newline="") as file:
                writer = csv.DictWriter(file, rows[0].keys())
                writer.writeheader()
                writer.writerows(rows)
            _import(database, path, _mapping(Path(temporary), system))
            whose |= {f"{system} {row['rec_id']}": row["rec_id"].split("-")[1] for row in rows}
    return measure_found(database, whose, perf_counter() - started)


def _two_systems(folder: Path, files: Sequence[str]) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """The records of two systems; a set of one file is dealt out in turns."""
    read = []
    for name in files:
        with (folder / name).open() as file:
            rows = [_row(row) for row in csv.DictReader(file)]
        read.append(rows)
    if len(read) == 1:
        read = [read[0][::2], read[0][1::2]]
    yield from zip(("crm", "till"), read, strict=True)


def _row(given: dict[str, str]) -> dict[str, str]:
    """A record as shops have it: without the national id, street and number in one field."""
    row = {key.strip(): text.strip() for key, text in given.items()}
    del row["soc_sec_id"]
    return row | {"street": f"{row.pop('street_number')} {row.pop('address_1')}".strip()}


def _mapping(folder: Path, system: str) -> mapping.Mapping:
    path = folder / f"{system}.yaml"
    path.write_text(MAPPING.format(system=system))
    return mapping.load(str(path))


MAPPING = """
name: {system}
noun: source_record
system: {system}
format: {{kind: csv}}
key: external_ids.{system}
fields:
  - {{from: rec_id, to: external_ids.{system}, required: true}}
  - {{from: given_name, to: given_name}}
  - {{from: surname, to: family_name}}
  - {{from: date_of_birth, to: birth_date, refuse: value}}
  - {{from: street, to: "addresses[home].street"}}
  - {{from: address_2, to: "addresses[home].street2"}}
  - {{from: suburb, to: "addresses[home].city"}}
  - {{from: postcode, to: "addresses[home].postal_code"}}
  - {{from: state, to: "addresses[home].region"}}
  - {{to: "addresses[home].country", default: AU}}
"""

PEOPLE_MAPPING = """
name: people
noun: source_record
system: people
key: external_ids.people
fields:
  - {from: id, to: external_ids.people, required: true}
  - {from: given_name, to: given_name}
  - {from: family_name, to: family_name}
  - {from: birth_date, to: birth_date}
  - {from: email, to: email}
  - {from: phone, to: phone}
  - {from: address.street, to: "addresses[home].street"}
  - {from: address.city, to: "addresses[home].city"}
  - {from: address.postal_code, to: "addresses[home].postal_code"}
  - {from: address.country, to: "addresses[home].country"}
"""


def people(database: Database, count: int) -> Figures:
    """Records that are made up, as one system's."""
    made = identity_people.records(count)
    whose: Whose = {}
    started = perf_counter()
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "people.jsonl"
        with path.open("wb") as file:
            for each in made:
                row = each.row | {"id": f"{each.row['system']}-{each.row['external_id']}"}
                address = row.pop("addresses", [None])[0]
                row = {name: told for name, told in row.items() if name not in ("system", "external_id")}
                if address:
                    row["address"] = {name: told for name, told in address.items() if name != "code"}
                file.write(orjson.dumps(row) + b"\n")
                whose[f"people {row['id']}"] = str(each.person)
        (Path(temporary) / "people.yaml").write_text(PEOPLE_MAPPING)
        _import(database, path, mapping.load(str(Path(temporary) / "people.yaml")))
    return measure_found(database, whose, perf_counter() - started)


def _import(database: Database, path: Path, how: mapping.Mapping) -> None:
    summary = importing.run(database, path, how, lambda _: None, secret="of the bench")  # noqa: S106 - of a database that is thrown away
    importing.finish(database, summary.run)


def measure_found(database: Database, whose: Whose, import_s: float) -> Figures:
    """Fit the weights, look at everything again, and compare what was found with the truth."""
    started = perf_counter()
    with database.write(HUB) as tx:
        identity_estimate.refresh(tx)
    resolve_s = perf_counter() - started
    true = _pairs(whose)
    found, asked = _found(database)
    right, known = len(found & true), len((found | asked) & true)
    return Figures(
        records=len(whose),
        pairs=len(true),
        precision=round(right / max(1, len(found)), 5),
        recall=round(right / len(true), 4),
        asked=round(known / len(true), 4),
        candidates=len(asked - found),
        import_s=round(import_s, 1),
        resolve_s=round(resolve_s, 1),
        memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    )


Named = set[tuple[str, str]]


def _found(database: Database) -> tuple[Named, Named]:
    """The pairs that are one customer, and those that people are asked about, by what the records are called."""
    with database.read() as tx:
        shown = tx.execute(
            sa.text(
                "SELECT r.name, coalesce(c.merged_into_id, c.id) FROM identity_record r JOIN customer c ON c.id = r.customer_id"
            )
        ).all()
        asked = tx.execute(
            sa.text(
                "SELECT a.name, b.name FROM identity_link l JOIN identity_record a ON a.customer_id = l.one_id"
                " JOIN identity_record b ON b.customer_id = l.other_id WHERE l.verdict = 'candidate' OR l.dropped IS NOT NULL"
            )
        ).all()
    return _pairs({name: str(number) for name, number in shown}), {
        (min(pair), max(pair)) for pair in map(tuple, asked)
    }


def _pairs(whose: Whose) -> Named:
    groups: dict[str, list[str]] = defaultdict(list)
    for name, person in whose.items():
        groups[person].append(name)
    return {pair for group in groups.values() for pair in itertools.combinations(sorted(group), 2)}


Sizes = Annotated[list[int], typer.Option(help="Numbers of people who are made up, in turn.")]


def measure(settings: Settings, tell: Tell, people_made: Sizes = list(PEOPLE)) -> dict[str, Any]:  # noqa: B006 - an option's default
    """Febrl's sets 4, 2 and 1, and people made up, each in an empty database."""
    runs: list[tuple[str, Callable[[Database], Figures]]] = [
        (f"febrl_{number}", lambda database, number=number: febrl(database, settings.data / "febrl", number))  # type: ignore[misc]
        for number in FEBRL
    ]
    runs += [
        (f"people_{count}", lambda database, count=count: people(database, count))  # type: ignore[misc]
        for count in people_made
    ]
    figures: dict[str, Any] = {}
    for done, (name, run) in enumerate(runs):
        tell(done, len(runs))
        with scratch.database(settings) as database:
            found = run(database)
        figures |= {f"{name}_{key}": told for key, told in asdict(found).items()}
    wrong = [
        name
        for name, _ in runs
        if figures[f"{name}_precision"] < PRECISION
        or (
            name.startswith("febrl")
            and (figures[f"{name}_recall"] < RECALL or figures[f"{name}_asked"] < ASKED)
        )
    ]
    return figures | {"faults": len(wrong)}
