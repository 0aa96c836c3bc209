"""Batches through the command line: lists, transfers, merges, and undoing them."""

from __future__ import annotations

import re

import pytest

from tests.system.place import Place


def balance(place: Place, customer: int) -> int:
    return int(place.read("balance", customer)["balance"])


@pytest.fixture
def people(open_shop: Place) -> tuple[int, int]:
    return open_shop.customer("alice"), open_shop.customer("bruno")


def test_points_go_from_one_to_the_other_and_back(open_shop: Place, people) -> None:
    giver, taker = people
    before = balance(open_shop, giver), balance(open_shop, taker)
    said = open_shop.good("transfer", giver, taker, 2, "--reason", "one card for both")
    token = said.split()[-1]
    assert (balance(open_shop, giver), balance(open_shop, taker)) == (before[0] - 2, before[1] + 2)
    assert token in open_shop.good("batches")
    (batch,) = open_shop.read("batches")["batches"]
    assert (batch["kind"], batch["state"], batch["points"]) == (
        "transfer",
        "done",
        {"loyalty": "2"},
    )
    assert "one card for both" in str(open_shop.read("history", taker))
    planned = open_shop.good("undo", token.lower(), "--plan")
    assert f"customer {taker}: -2 points, worth -0.10" in planned
    assert planned.startswith(f"Plan: undo {token}, 2 points from customer {giver} to {taker}.")
    open_shop.good("undo", token, "--yes")
    assert (balance(open_shop, giver), balance(open_shop, taker)) == before
    assert open_shop.read("batches")["batches"][0]["points"] == {}
    assert "was undone already" in open_shop.bad("undo", token, "--yes")
    open_shop.good("sync")
    assert int(open_shop.standin.shop.customer_fields(taker)["loybalance"]) == before[1]
    assert open_shop.read("verify")["holds"] is True


def test_more_than_is_there_is_refused(open_shop: Place, people) -> None:
    complaint = open_shop.bad("transfer", *people, 100000, "--reason", "greed")
    assert "100000 points cannot be given" in complaint
    assert "No such option" in open_shop.bad("transfer", *people, "-5", "--reason", "no")
    complaint = open_shop.bad("transfer", "--reason", "no", "--", *people, "-5")
    assert "above zero" in complaint


def test_a_merge_taken_back_is_explained(open_shop: Place, people) -> None:
    old, into = people
    ref = next(move["sale"] for move in open_shop.read("history", old)["movements"] if move["sale"])
    open_shop.standin.shop.merge_customers(into, old)
    open_shop.good("sync")
    (batch,) = open_shop.read("batches")["batches"]
    open_shop.good("undo", batch["batch"], "--yes")
    said = open_shop.good("explain", ref)
    assert f"kept with customer {old} since a merge or a claim; Dolibarr names {into}" in said
    assert "changed in Dolibarr" not in said
    (document, *_) = open_shop.read("explain", ref, "--live")["documents"]
    assert (document["customer"], document["customer_in_dolibarr"]) == (old, into)
    assert document["differs_from_ledger"] is False
    assert open_shop.read("verify")["holds"] is True


def test_a_customer_without_sales_is_merged(open_shop: Place, people) -> None:
    old, into = open_shop.standin.shop.add_customer("Clara"), people[1]
    before = balance(open_shop, into)
    open_shop.good("adjust", old, 60, "--reason", "welcome")
    said = open_shop.good("merge", old, into, "--reason", "same person", "--yes")
    assert f"customer {old} is still in Dolibarr" in " ".join(said.split())
    assert balance(open_shop, into) == before + 60
    open_shop.good("undo", said.split()[-1], "--yes")
    assert (balance(open_shop, old), balance(open_shop, into)) == (60, before)
    assert "knows nothing of customer 999" in open_shop.bad(
        "merge", 999, into, "--reason", "no such person", "--yes"
    )


def test_opening_balances_from_a_spreadsheet(open_shop: Place, people) -> None:
    first, second = people
    before = balance(open_shop, first), balance(open_shop, second)
    file = open_shop.folder / "old.csv"
    file.write_text(
        "\ufeffcustomer;points;expires_on;reason\n"
        f"{first};1 250;2099-12-31;gold card\n\n{second};40;;\n",
        encoding="utf-8",
    )
    plan = open_shop.good("opening", file, "--plan")
    assert "Plan: 1290 points for 2 members of 'loyalty'." in plan
    assert (balance(open_shop, first), balance(open_shop, second)) == before
    token = open_shop.good("opening", file, "--yes").split()[-1]
    assert balance(open_shop, first) == before[0] + 1250
    assert "gold card" in str(open_shop.read("history", first))
    assert "was booked already" in open_shop.bad("opening", file, "--yes")
    open_shop.good("undo", token, "--yes")
    assert (balance(open_shop, first), balance(open_shop, second)) == before
    assert open_shop.read("verify")["holds"] is True


@pytest.mark.parametrize(
    ("content", "complaints"),
    [
        ("", ["has no proper header", "begin it with a line: customer;points"]),
        ("customer;credit\n1;5\n", ["has an unknown column 'credit'"]),
        ("customer,points\n", ["has no lines below its header"]),
        (
            "customer;points;expires_on\n{a};1.000\n{b};x\nnobody@nowhere;5\n;7\n{b};-3\n{a};5;31/12/2027\n",
            [
                "line 2: '1.000' may mean 1000 or 1.000",
                "line 3: 'x' is not a number of points",
                "line 4: no customer has the id",
                "line 5: it names no customer",
                "line 6: '-3' is not a number of points above zero",
                "line 7: '31/12/2027' is not a day",
            ],
        ),
        ("customer,points\n{a},5\n{a},6\n", ["line 3: customer {a} stands in line 2 already"]),
        ("customer,points\n{a},1,250\n", ["line 2: it has more cells than the header"]),
        ('customer;points\n{a};"5\n{b};6\n', ["old.csv, line 3: unexpected end of data"]),
        (
            "customer,points,expires_on\n{a},5,2001-01-01\n999999,5,\n{b},0.5,\n",
            [
                "line 2: its points ended on 2001-01-01",
                "line 3: no customer has the id",
                "line 4: 0.5 cannot be booked",
            ],
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_said_at_once(
    open_shop: Place, people, content: str, complaints: list[str]
) -> None:
    names = {"{a}": str(people[0]), "{b}": str(people[1])}
    for name, value in names.items():
        content = content.replace(name, value)
        complaints = [complaint.replace(name, value) for complaint in complaints]
    file = open_shop.folder / "old.csv"
    file.write_text(content, encoding="utf-8")
    said = open_shop.bad("opening", file, "--yes", lines=9)
    numbers = [int(found) for found in re.findall(r"^  line (\d+):", said, re.MULTILINE)]
    assert numbers == sorted(numbers)
    for complaint in complaints:
        assert complaint in said
    assert open_shop.read("batches") == {"batches": []}


def test_the_tills_default_customer_takes_no_part(open_shop: Place, people) -> None:
    nobody, into = people
    open_shop.change("pos_customers = [", f"pos_customers = [{nobody}, ")
    file = open_shop.folder / "old.csv"
    file.write_text(f"customer;points\n{nobody};5\n", encoding="utf-8")
    why = f"customer {nobody} is the till's default customer, who takes no part"
    for command in (
        ("transfer", into, nobody, 1, "--reason", "no"),
        ("merge", into, nobody, "--reason", "no", "--yes"),
        ("opening", file, "--yes"),
    ):
        assert why in open_shop.bad(*command)
    assert open_shop.read("batches") == {"batches": []}
