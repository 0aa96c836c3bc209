"""Rule sets: when one comes into force, and when the same rules are merely written anew."""

from __future__ import annotations

import json
from datetime import timedelta

from sqlalchemy import Engine, select, update

from builders import NOON, program
from dolisync.ledger import tables
from dolisync.ledger.engine import reading, write
from dolisync.ledger.rulesets import adopt, consult


def test_changed_rules_come_into_force_and_going_back_is_a_set_of_its_own(
    ledger_engine: Engine,
) -> None:
    plain, double = program(), program(earn={"amount": {"points": 2}})
    for number, terms in enumerate((plain, double, plain), 1):
        book = adopt(ledger_engine, [terms], NOON + timedelta(hours=number))
        assert len({rules.id for rules in book.sets}) == number
    assert book.current.programs == (plain,)


def test_options_that_a_new_dolisync_adds_make_no_new_set(ledger_engine: Engine) -> None:
    adopt(ledger_engine, [program()], NOON)
    table = tables.rule_set
    with reading(ledger_engine) as connection:
        content = json.loads(connection.execute(select(table.c.content)).scalar_one())
    # As an earlier version wrote it, which knew nothing of returns.
    del content[0]["returns"]
    old = update(table).values(content=json.dumps(content), hash="0" * 64)
    write(ledger_engine, lambda connection: connection.execute(old))
    assert len(adopt(ledger_engine, [program()], NOON).sets) == 1
    assert len(consult(ledger_engine, [program()], NOON).sets) == 1
