"""The desk: what the ERP does about an order, one step after the other.

It looks at the order as the hub has it now, never at what a message said of it. So it does not matter in which order
messages come, how often, or how late. Each step is written down here before it is told, under a number that is used
once; the hub takes the same number with the same content once. So it does not matter either where a kill hits.
"""

from collections.abc import Iterator
from typing import Any

from book import Book
from client import Hub

SYSTEM, INVOICES = "erp", "erp-invoice"
OPEN = ("PLACED", "CONFIRMED", "PARTLY_FULFILLED")
STEPS = 20

Order = dict[str, Any]
Step = tuple[str, dict[str, Any]]
"""A mutation and its variables."""

FIELDS = """fragment Fields on Order { id number version status placedAt currency total externalIds { system id }
  lines { position sku name quantity cancelled fulfilled returned total variant { id } }
  fulfilments { number location { code } lines { line quantity } }
  returns { number location { code } lines { line quantity restock } }
  refunds { number amount } } """

LOOK = FIELDS + "query ($ids: [ID!]!) { nodes(ids: $ids) { ...Fields } }"
NAME = (
    FIELDS
    + """mutation ($order: Reference!, $input: ExternalIdEntryInput!) {
  orderExternalIdUpsert(order: $order, input: $input) { order { ...Fields } userErrors { message } } }"""
)
CONFIRM = (
    FIELDS
    + "mutation ($order: Reference!) { orderTransition(order: $order, to: CONFIRMED) { order { ...Fields } userErrors { message } } }"
)
SEND = (
    FIELDS
    + """mutation ($order: Reference!, $input: FulfilmentInput!) {
  fulfilmentCreate(order: $order, input: $input) { order { ...Fields } userErrors { message } } }"""
)
LEVELS = "query ($id: ID!) { variant(id: $id) { stockLevels { location { code } onHand } } }"


def look(hub: Hub, ids: list[str]) -> dict[str, Order | None]:
    """The orders as they are now; null for one that is gone."""
    found = hub.ask(LOOK, ids=ids)["nodes"]
    return dict(zip(ids, found, strict=True))


def work(hub: Hub, book: Book, order: Order) -> str | None:
    """Do all that is to be done about an order. What keeps it from being done, as a sentence; null where nothing does."""
    trouble = None
    for _ in range(STEPS):
        with book.transaction():
            take(book, order)
        open_items(hub, book, order)
        step = next_step(book, order)
        if step is None:
            return None
        answer, trouble = hub.command(step[0], **step[1])
        if trouble is None:
            order = answer["order"]
            continue
        found = look(hub, [order["id"]])[order["id"]]
        if found is None:
            return None
        order = found
        drop_plans(book, order)
    return trouble


def take(book: Book, order: Order) -> None:
    """Write an order as it is now into the book; it gets our number the first time. An older version changes nothing."""
    held = book.one("SELECT version FROM sale WHERE order_id = ?", order["id"])
    if order["status"] == "DRAFT" or (held is not None and held >= order["version"]):
        return
    if held is None:
        number = named(order, SYSTEM) or f"A-{book.draw('sale')}"
        columns = (order["id"], number, order["number"], order["currency"])
        book.run("INSERT INTO sale VALUES (?, ?, ?, 0, '', ?, '0')", *columns)
    state = (order["version"], order["status"], order["total"], order["id"])
    book.run("UPDATE sale SET version = ?, status = ?, total = ? WHERE order_id = ?", *state)
    _take_lines(book, order)
    _take_parcels(book, order)
    _take_returns(book, order)


def _take_lines(book: Book, order: Order) -> None:
    book.run("DELETE FROM sale_line WHERE order_id = ?", order["id"])
    for line in order["lines"]:
        values = [
            line[name]
            for name in ("position", "sku", "name", "quantity", "cancelled", "fulfilled", "returned", "total")
        ]
        book.run("INSERT INTO sale_line VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", order["id"], *values)
    for refund in order["refunds"]:
        values = [order["id"], refund["number"], refund["amount"]]
        book.run("INSERT OR IGNORE INTO refund VALUES (?, ?, ?)", *values)


def _take_parcels(book: Book, order: Order) -> None:
    """What the hub took is sent, and lies here no longer."""
    for parcel in order["fulfilments"]:
        book.run("UPDATE parcel SET state = 'sent' WHERE number = ? AND state <> 'sent'", parcel["number"])
        if parcel["location"] is not None:
            _move(book, order, parcel, parcel["number"], -1)


def _take_returns(book: Book, order: Order) -> None:
    """What came back to a location of ours lies there again."""
    for back in order["returns"]:
        if back["location"] is not None:
            lines = [line for line in back["lines"] if line["restock"]]
            _move(book, order, {**back, "lines": lines}, f"{order['number']}/{back['number']}", 1)


def _move(book: Book, order: Order, part: dict[str, Any], document: str, sign: int) -> None:
    items = {line["position"]: line["sku"] for line in order["lines"] if line["variant"] is not None}
    for line in part["lines"]:
        if line["line"] in items:
            values = (
                document,
                line["line"],
                part["location"]["code"],
                items[line["line"]],
                sign * line["quantity"],
            )
            book.run("INSERT OR IGNORE INTO movement VALUES (?, ?, ?, ?, ?, 1)", *values)


def open_items(hub: Hub, book: Book, order: Order) -> None:
    """An item that the book has no movement of is opened with what the hub has of it."""
    for line in _left(order):
        sku = line["sku"]
        if line["variant"] is None or book.one("SELECT 1 FROM movement WHERE sku = ?", sku):
            continue
        found = hub.ask(LEVELS, id=line["variant"]["id"])["variant"]
        with book.transaction():
            for place, level in enumerate(found["stockLevels"] or ()):
                values = (f"OPENING-{sku}", place, level["location"]["code"], sku, level["onHand"])
                book.run("INSERT OR IGNORE INTO movement VALUES (?, ?, ?, ?, ?, 1)", *values)


def next_step(book: Book, order: Order) -> Step | None:
    """What is to be told next; null where all is done."""
    sale = book.rows("SELECT * FROM sale WHERE order_id = ?", order["id"])
    if not sale:
        return None
    if named(order, SYSTEM) is None:
        return NAME, _name(order, SYSTEM, sale[0]["number"])
    if order["status"] == "PLACED":
        return CONFIRM, {"order": {"id": order["id"]}}
    if order["status"] in OPEN and _left(order):
        return SEND, {"order": {"id": order["id"]}, "input": parcel(book, order, sale[0]["number"])}
    if order["status"] in ("FULFILLED", "CLOSED") and not _left(order) and named(order, INVOICES) is None:
        return NAME, _name(order, INVOICES, invoice(book, order))
    return None


def _name(order: Order, system: str, name: str) -> dict[str, Any]:
    return {"order": {"id": order["id"]}, "input": {"system": system, "id": name}}


def named(order: Order, system: str) -> str | None:
    """What a system calls the order."""
    return next((each["id"] for each in order["externalIds"] if each["system"] == system), None)


def _left(order: Order) -> list[dict[str, Any]]:
    return [line for line in order["lines"] if line["quantity"] > line["cancelled"] + line["fulfilled"]]


def parcel(book: Book, order: Order, number: str) -> dict[str, Any]:
    """The parcel that is planned, or a new plan. It is sent when the hub has taken it, and not before."""
    planned = book.rows("SELECT * FROM parcel WHERE order_id = ? AND state = 'planned'", order["id"])
    if not planned:
        with book.transaction():
            _plan(book, order, number)
        planned = book.rows("SELECT * FROM parcel WHERE order_id = ? AND state = 'planned'", order["id"])
    lines = book.rows(
        "SELECT position, quantity FROM parcel_line WHERE number = ? ORDER BY position", planned[0]["number"]
    )
    return {
        "number": planned[0]["number"],
        "location": {"key": planned[0]["location"]},
        "carrier": "Post",
        "trackingNumber": f"T{planned[0]['number']}",
        "lines": [{"line": line["position"], "quantity": line["quantity"]} for line in lines],
    }


def _plan(book: Book, order: Order, number: str) -> None:
    """All that is left goes from where most of it lies; of every other order the first parcel takes but the half."""
    left = _left(order)
    made = book.one("SELECT count(*) FROM parcel WHERE order_id = ?", order["id"])
    name = f"LS-{number.removeprefix('A-')}-{made + 1}"
    book.run("INSERT INTO parcel VALUES (?, ?, ?, 'planned')", name, order["id"], _place(book, left))
    halved = made == 0 and int(number.rpartition("-")[2], 36) % 2 == 1
    for position, quantity in _packed(left, halved=halved):
        book.run("INSERT INTO parcel_line VALUES (?, ?, ?)", name, position, quantity)


def _packed(left: list[dict[str, Any]], *, halved: bool) -> Iterator[tuple[int, int]]:
    pieces = [(line["position"], line["quantity"] - line["cancelled"] - line["fulfilled"]) for line in left]
    if not halved:
        yield from pieces
        return
    room = max(1, sum(quantity for _, quantity in pieces) // 2)
    for position, quantity in pieces:
        if room > 0:
            yield position, min(quantity, room)
        room -= quantity


def _place(book: Book, left: list[dict[str, Any]]) -> str:
    """The location at which most of the pieces lie; the main one where none is known."""
    lying: dict[str, int] = {}
    for line in left:
        for place, quantity in book.on_hand(line["sku"]).items() if line["sku"] else ():
            lying[place] = lying.get(place, 0) + min(quantity, line["quantity"])
    return max(lying, key=lambda place: lying[place]) if lying else str(book.setting("location"))


def drop_plans(book: Book, order: Order) -> None:
    """A parcel that the hub refused is planned anew. One that it has was taken, whatever we heard of it."""
    taken = {each["number"] for each in order["fulfilments"]}
    for row in book.rows("SELECT number FROM parcel WHERE order_id = ? AND state = 'planned'", order["id"]):
        if row["number"] not in taken:
            book.run("UPDATE parcel SET state = 'dropped' WHERE number = ?", row["number"])


def invoice(book: Book, order: Order) -> str:
    """The number of the order's invoice, which is written once."""
    with book.transaction():
        if not book.one("SELECT 1 FROM invoice WHERE order_id = ?", order["id"]):
            values = (f"RE-{book.draw('invoice')}", order["id"], order["total"])
            book.run("INSERT INTO invoice VALUES (?, ?, ?)", *values)
    return str(book.one("SELECT number FROM invoice WHERE order_id = ?", order["id"]))
