"""Restoring a backup, and anchors that were kept elsewhere."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from tests.system.place import Place


def backup(place: Place) -> Path:
    return Path(place.read("db", "backup")["backup"])


def test_a_restored_ledger_is_brought_up_to_date_by_dolibarr(open_shop: Place) -> None:
    copy, before = backup(open_shop), open_shop.read("db", "status")["rows"]
    open_shop.week.customers["zoe"] = open_shop.standin.shop.add_customer("Zoe")
    invoice, _ = open_shop.new_invoice("zoe", next(iter(open_shop.week.products)))
    open_shop.standin.shop.pay(invoice)
    open_shop.good("sync")
    after = open_shop.read("balance", open_shop.customer("zoe"))["balance"]
    assert int(after) > 0
    said = open_shop.good("db", "restore", copy, "--yes")
    assert "next: dolisync db upgrade" in said
    assert open_shop.read("db", "status")["rows"] == before
    open_shop.good("sync")
    assert open_shop.read("balance", open_shop.customer("zoe"))["balance"] == after
    assert open_shop.read("verify")["holds"] is True


def test_without_a_yes_nothing_is_restored(open_shop: Place) -> None:
    copy, ledger = backup(open_shop), open_shop.ledger.read_bytes()
    assert "--yes" in open_shop.bad("db", "restore", copy)
    assert open_shop.ledger.read_bytes() == ledger


@pytest.mark.parametrize("content", [b"", b"not a database at all", None])
def test_what_is_no_copy_leaves_the_ledger_alone(
    open_shop: Place, tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "wrong.db"
    if content is None:
        sqlite3.connect(file).execute("CREATE TABLE other (id INTEGER)").connection.close()
    else:
        file.write_bytes(content)
    before = open_shop.read("db", "status")["rows"]
    assert "wrong.db is not a copy of a ledger" in open_shop.bad("db", "restore", file, "--yes")
    assert open_shop.read("db", "status")["rows"] == before
    assert "there is no file" in open_shop.bad("db", "restore", tmp_path / "none.db", "--yes")


def test_kept_anchors_see_a_ledger_that_was_rewritten_as_a_whole(
    open_shop: Place, tmp_path: Path
) -> None:
    kept = tmp_path / "anchors.json"
    open_shop.good("anchors", "--to", kept)
    assert open_shop.call("verify", "--anchors", kept).code == 0
    found = json.loads(kept.read_text())
    found["anchors"][-1]["hash"] = "0" * 64
    kept.write_text(json.dumps(found))
    answer = open_shop.call("verify", "--anchors", kept)
    assert answer.code == 1
    assert "kept anchor of" in answer.out


def test_later_movements_leave_kept_anchors_true(open_shop: Place, tmp_path: Path) -> None:
    kept = tmp_path / "anchors.json"
    open_shop.good("anchors", "--to", kept)
    open_shop.good("adjust", open_shop.customer("alice"), "5", "--reason", "a gift")
    assert open_shop.call("verify", "--anchors", kept).code == 0
    kept.write_text("{}")
    assert "holds no anchors" in open_shop.bad("verify", "--anchors", kept)
