"""The pages, as HTML that needs no script. Whatever comes from outside goes through ``text``."""

from collections.abc import Iterable
from decimal import Decimal
from html import escape
from typing import Any
from urllib.parse import urlencode

STYLE = """
:root { --ink: #1d2521; --soft: #66706a; --line: #e2e5e0; --leaf: #2f6b4f; --paper: #fbfaf7; }
* { box-sizing: border-box; } body { margin: 0; font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--paper); }
header, main { max-width: 68rem; margin: auto; padding: 1rem 1.25rem; } header { display: flex; gap: 1.5rem; align-items: center; }
header a { color: inherit; text-decoration: none; font-weight: 650; } header form { flex: 1; display: flex; gap: .5rem; }
input, select, button { font: inherit; padding: .45rem .7rem; border: 1px solid var(--line); border-radius: .5rem; background: #fff; }
input[type=search] { flex: 1; } button { background: var(--leaf); color: #fff; border-color: var(--leaf); cursor: pointer; }
.shelf { display: grid; grid-template-columns: 13rem 1fr; gap: 2rem; } aside h2 { font-size: .85rem; color: var(--soft); margin: 1rem 0 .2rem; }
aside ul { list-style: none; margin: 0; padding: 0; } aside a { color: inherit; text-decoration: none; } aside a.on { font-weight: 700; color: var(--leaf); }
.goods { display: grid; grid-template-columns: repeat(auto-fill, minmax(12rem, 1fr)); gap: 1.25rem; list-style: none; margin: 0; padding: 0; }
.goods a { color: inherit; text-decoration: none; display: block; } img { width: 100%; aspect-ratio: 1; object-fit: cover; border-radius: .75rem; background: #eee9df; }
.soft { color: var(--soft); } .item { display: grid; grid-template-columns: 1fr 1fr; gap: 2.5rem; } .item form { display: flex; gap: .5rem; margin: .4rem 0; align-items: center; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .5rem .4rem; border-bottom: 1px solid var(--line); } td.n, th.n { text-align: right; }
.refused { background: #fdecea; border-radius: .5rem; padding: .6rem .9rem; } form.ask { display: grid; gap: .6rem; max-width: 26rem; margin-top: 1rem; }
@media (max-width: 44rem) { .shelf, .item { grid-template-columns: 1fr; } }
"""

SAID = {
    "PLACED": "ordered",
    "CONFIRMED": "confirmed",
    "PARTLY_FULFILLED": "on its way in part",
    "FULFILLED": "on its way",
}
SAID |= {"CANCELLED": "cancelled", "CLOSED": "done", "DRAFT": "not ordered yet"}


def text(value: object) -> str:
    """A value as text of a page, also within quotes; nothing for null."""
    return "" if value is None else escape(str(value), quote=True)


def money(amount: str | None, currency: str | None) -> str:
    """An amount with its currency, as a page shows it."""
    return "no price" if amount is None else f"{text(amount)} {text(currency)}"


def page(title: str, body: str, query: str = "") -> str:
    """A whole page."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{text(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>'
        f'<header><a href="/">Cup &amp; Leaf</a><form action="/"><input type="search" name="q" value="{text(query)}"'
        f' placeholder="Search" aria-label="Search"><button>Search</button></form><a href="/cart">Cart</a></header>'
        f"<main>{body}</main></body></html>"
    )


def products(found: Any, query: str, chosen: dict[str, list[str]], hub: str) -> str:
    """The list with its facets."""
    count = found["total"]["count"]
    facets = "".join(_facet(each, query, chosen) for each in found["facets"] if each["values"])
    goods = "".join(_card(each, hub) for each in found["nodes"])
    meant = found["didYouMean"]
    hint = (
        f'<p>Did you mean <a href="/?{text(urlencode({"q": meant}))}">{text(meant)}</a>?</p>' if meant else ""
    )
    nothing = "<p>Nothing was found. Try other words or fewer filters.</p>" if not found["nodes"] else ""
    more = ""
    if found["pageInfo"]["hasNextPage"]:
        link = _link(query, chosen, after=found["pageInfo"]["endCursor"])
        more = f'<p><a rel="next" href="{link}">More</a></p>'
    title = f"{query} ({count})" if query else f"All {count} products"
    body = f'{hint}<div class="shelf"><aside>{facets}</aside><section><h1>{text(title)}</h1>{nothing}<ul class="goods">{goods}</ul>{more}</section></div>'
    return page(query or "Cup & Leaf", body, query)


def _link(query: str, chosen: dict[str, list[str]], **more: str) -> str:
    pairs = [("q", query)] if query else []
    pairs += [(code, value) for code, values in chosen.items() for value in values]
    return text("/?" + urlencode([*pairs, *more.items()]))


def _facet(facet: Any, query: str, chosen: dict[str, list[str]]) -> str:
    code = facet["attribute"] or "category"
    rows = ""
    for each in facet["values"]:
        held = chosen.get(code, [])
        then = (
            [value for value in held if value != each["value"]]
            if each["selected"]
            else [*held, each["value"]]
        )
        mark = ' class="on"' if each["selected"] else ""
        link = _link(query, {**chosen, code: then})
        rows += f'<li><a{mark} href="{link}">{text(each["name"] or each["value"])}</a> <span class="soft">{each["count"]}</span></li>'
    return f"<h2>{text(facet['name'] or 'Category')}</h2><ul>{rows}</ul>"


def _picture(assets: list[Any], hub: str) -> str:
    shown = assets[0]["asset"] if assets else None
    if shown is None:
        return '<img alt="">'
    url = shown["url"] if "://" in shown["url"] else hub + shown["url"]
    return f'<img src="{text(url)}" alt="{text(shown["alt"])}" loading="lazy">'


def _card(product: Any, hub: str) -> str:
    price = next((each["price"] for each in product["variants"]["nodes"]), None)
    shown = money(price["amount"], price["currency"]) if price else ""
    return (
        f'<li><a href="/products/{text(product["slug"])}">{_picture(product["assets"], hub)}'
        f'{text(product["name"])}<br><span class="soft">{shown}</span></a></li>'
    )


def product(found: Any, hub: str) -> str:
    """One product, with a form for each variant."""
    rows = "".join(_variant(each) for each in found["variants"]["nodes"])
    body = (
        f'<div class="item"><div>{_picture(found["assets"], hub)}</div><div><h1>{text(found["name"])}</h1>'
        f"<p>{text(found['description'])}</p>{rows}</div></div>"
    )
    return page(found["name"] or "A product", body)


def _variant(variant: Any) -> str:
    kind = ", ".join(str(axis["value"]) for axis in variant["axes"]) or variant["sku"]
    price, stock = variant["price"], variant["availability"]
    label = (
        f"<span>{text(kind)} · {money(price['amount'], price['currency']) if price else 'no price'}</span>"
    )
    if price is None or (stock is not None and not stock["inStock"]):
        return f'<p class="soft">{label} · sold out</p>'
    return (
        f'<form method="post" action="/cart">{label}<input type="hidden" name="sku" value="{text(variant["sku"])}">'
        f'<input name="quantity" type="number" min="1" max="99" value="1" aria-label="How many"><button>Add</button></form>'
    )


def cart(found: Any, refused: str | None = None) -> str:
    """The cart, and the form to order it."""
    said = f'<p class="refused">{text(refused)}</p>' if refused else ""
    lines = [] if found is None else found["lines"]
    if not lines:
        return page("Cart", f'{said}<h1>Cart</h1><p>It is empty. <a href="/">Look around</a>.</p>')
    rows = "".join(_cart_line(line) for line in lines)
    amounts = [
        Decimal(line["unitPrice"]) * line["quantity"] for line in lines if line["unitPrice"] is not None
    ]
    fields = (("name", "Name", "text"), ("email", "E-mail", "email"), ("street", "Street and number", "text"))
    fields += (("postalCode", "Postal code", "text"), ("city", "City", "text"))
    asked = "".join(
        f'<input name="{name}" type="{kind}" placeholder="{label}" aria-label="{label}" required>'
        for name, label, kind in fields
    )
    body = (
        f'{said}<h1>Cart</h1><table><tr><th>What</th><th class="n">Each</th><th class="n">Pieces</th></tr>{rows}</table>'
        f"<p>{money(str(sum(amounts)), lines[0]['currency'])} and postage.</p>"
        f'<form class="ask" method="post" action="/checkout">{asked}<button>Order</button></form>'
    )
    return page("Cart", body)


def _cart_line(line: Any) -> str:
    variant = line["variant"] or {"sku": "", "product": {"name": "No longer on offer", "slug": ""}}
    return (
        f'<tr><td><a href="/products/{text(variant["product"]["slug"])}">{text(variant["product"]["name"])}</a>'
        f' <span class="soft">{text(variant["sku"])}</span></td><td class="n">{money(line["unitPrice"], line["currency"])}</td>'
        f'<td class="n"><form method="post" action="/cart/set"><input type="hidden" name="sku" value="{text(variant["sku"])}">'
        f'<input name="quantity" type="number" min="0" max="99" value="{line["quantity"]}" aria-label="How many"> <button>Set</button></form></td></tr>'
    )


def order(found: Any) -> str:
    """What its customer sees of an order: how far it is, what is on its way, what came back."""
    currency = found["currency"]
    rows = "".join(_order_line(line, currency) for line in found["lines"])
    sums = (("Postage", found["shippingTotal"]), ("Total", found["total"]))
    rows += "".join(
        f'<tr><td>{name}</td><td></td><td></td><td class="n">{money(amount, currency)}</td></tr>'
        for name, amount in sums
    )
    parcels = _list(
        f"{each['carrier'] or 'Parcel'} {each['trackingNumber'] or each['number']}: {each['status'].lower()}"
        for each in found["fulfilments"]
    )
    back = _list(f"{each['number']} came back on {str(each['returnedAt'])[:10]}" for each in found["returns"])
    paid = _list(f"{each['number']}: {each['amount']} {currency} paid back" for each in found["refunds"])
    when = _list(
        f"{each['at'][:16].replace('T', ' ')} {each['kind'].lower()} {each['code']} {each['subject'] or ''}"
        for each in found["timeline"]["nodes"]
    )
    body = (
        f"<h1>Order {text(found['number'])}</h1><p>It is <strong>{SAID[found['status']]}</strong>.</p>"
        f'<table><tr><th>What</th><th class="n">Pieces</th><th>Sent</th><th class="n">Amount</th></tr>{rows}</table>'
        f"<h2>Parcels</h2>{parcels or '<p>None yet.</p>'}{back}{paid}<h2>What happened</h2>{when}"
    )
    return page(f"Order {found['number']}", body)


def _order_line(line: Any, currency: str) -> str:
    state = f"{line['fulfilled']} sent" + (f", {line['returned']} back" if line["returned"] else "")
    return (
        f'<tr><td>{text(line["name"])}</td><td class="n">{line["quantity"]}</td><td>{state}</td>'
        f'<td class="n">{money(line["total"], currency)}</td></tr>'
    )


def _list(lines: Iterable[str]) -> str:
    rows = "".join(f"<li>{text(line)}</li>" for line in lines)
    return f"<ul>{rows}</ul>" if rows else ""


def sorry(title: str, said: str) -> str:
    """A page that says what is not possible."""
    return page(title, f'<h1>{text(title)}</h1><p>{text(said)}</p><p><a href="/">To the shop</a></p>')
