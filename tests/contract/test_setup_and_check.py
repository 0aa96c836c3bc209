"""Setup makes what is missing, once; check sees what is there and what is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors import dolibarr_setup
from connectors.dolibarr_check import check
from connectors.dolibarr_http import DolibarrHttp
from dolisync.ports import FieldSpec, Finding, PaymentModeSpec, Requirements, TagSpec
from tests.contract.site import Site, unique


def wanted() -> Requirements:
    mark = unique("")[-5:]
    return Requirements(
        fields=(
            FieldSpec("customer", f"cs{mark}", "Points", "integer"),
            FieldSpec("sale", f"cs{mark}", "It's earned", "text"),
            FieldSpec("product", f"cs{mark}", "Extra", "amount", editable=True),
        ),
        payment_modes=(PaymentModeSpec(f"P{mark}", "Points"),),
        tags=(TagSpec(f"Tier {mark} l'été", "ffd700"),),
    )


def states(steps: Any) -> set[str]:
    return {step.state for step in steps}


def test_second_run_finds_all_present(site: Site) -> None:
    requirements = wanted()
    doors = (site.http, site.database_url)
    assert states(dolibarr_setup.plan(requirements, *doors)) == {"planned"}
    assert states(dolibarr_setup.plan(requirements, *doors)) == {"planned"}
    steps = dolibarr_setup.apply(requirements, *doors)
    assert states(steps) == {"done"}, steps
    assert states(dolibarr_setup.apply(requirements, *doors)) == {"present"}
    assert states(dolibarr_setup.plan(requirements, None, site.database_url)) == {"present"}
    assert states(dolibarr_setup.plan(requirements, site.http, None)) == {"present"}


def test_what_was_made_can_be_written(site: Site) -> None:
    requirements = wanted()
    dolibarr_setup.apply(requirements, site.http, site.database_url)
    name = requirements.fields[0].name
    key = site.customer_key(site.customer())
    site.sql_sink().write_customer(key, {name: 5})
    assert site.rest_sink().read_customer(key, [name]) == {name: 5}
    shown = site.http.get("setup/extrafields", {"elementtype": "societe"})["societe"][name]
    assert shown["list"] == ("5" if site.release >= (20,) else 'GETPOST("action")=="update"?0:5')


def test_without_any_door_all_is_left_to_a_person(site: Site) -> None:
    steps = dolibarr_setup.plan(wanted(), None, None)
    assert states(steps) == {"manual"}
    assert all("INSERT INTO llx_" in step.statement for step in steps)
    account, constant = (step for step in steps if step.what.startswith("bank account"))
    assert "INSERT INTO llx_bank_account" in account.statement
    assert "--bank-account" in account.reason
    assert "FROM llx_bank_account WHERE ref = " in constant.statement, "no id can be wrong"
    assert "'It''s earned'" in steps[1].statement


def test_rest_alone_leaves_payment_modes_to_a_person(site: Site) -> None:
    steps = dolibarr_setup.plan(wanted(), site.http, None)
    by_state = {step.what.split()[0]: step.state for step in steps}
    assert by_state["payment"] == by_state["bank"] == "manual"
    assert by_state["customer"] == "planned"
    assert by_state["extra"] == ("planned" if site.release >= (20,) else "manual")


def looked(site: Site, requirements: Requirements = Requirements(), **options: Any) -> Any:
    known: dict[str, Any] = {
        "timezone": site.timezone,
        "database_timezone": site.database_timezone,
        "pos_customers": range(1, 100),
        "fk_user": 1,
    }
    now = options.pop("now", datetime.now(UTC))
    http = options.pop("http", site.http)
    return check(http, site.database_url, requirements, now, **{**known, **options})


def troubles(findings: tuple[Finding, ...]) -> dict[str, Finding]:
    return {one.topic: one for one in findings if one.level != "ok" and one.topic != "index"}


def test_all_well(site: Site) -> None:
    site.paid(site.customer())
    requirements = wanted()
    dolibarr_setup.apply(requirements, site.http, site.database_url)
    findings = looked(site, requirements)
    assert troubles(findings) == {}
    assert {"rest", "database", "rights", "clock", "timezone", "fields", "grants"} <= {
        one.topic for one in findings
    }
    assert not any("\n" in one.message for one in findings)


def test_what_is_missing_is_named_with_its_remedy(site: Site) -> None:
    requirements = wanted()
    found = troubles(looked(site, requirements))
    assert {"fields", "payment mode", "tags"} <= set(found)
    assert {found[topic].remedy for topic in ("fields", "payment mode", "tags")} == {
        "dolisync setup"
    }


def test_missing_index_comes_with_its_statement(site: Site) -> None:
    found = [one for one in looked(site) if one.topic == "index"]
    assert len(found) == 1
    if found[0].level != "ok":
        assert found[0].remedy == "CREATE INDEX idx_facture_tms ON llx_facture (tms);"


def test_clock_that_runs_apart(site: Site) -> None:
    found = looked(site, now=datetime.now(UTC) - timedelta(minutes=10))
    assert "clock" in troubles(found)


def test_wrong_time_zone(site: Site) -> None:
    site.paid(site.customer())
    found = troubles(looked(site, timezone="Asia/Tokyo"))
    assert "timezone" in found


def test_till_customer_that_would_collect(site: Site) -> None:
    found = troubles(looked(site, pos_customers=[]))
    assert "collect" in found["pos customer"].message


def test_user_who_is_not_there(site: Site) -> None:
    found = troubles(looked(site, fk_user=987654))
    assert "987654" in found["user"].message


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "http://localhost:1/"])
def test_nobody_there(site: Site, address: str) -> None:
    http = DolibarrHttp(address, "a-secret-key", retries=0)
    found = looked(site, http=http)
    assert found[0].level == "error"
    assert "cannot be reached" in found[0].message
    assert not any("a-secret-key" in str(one) for one in found)


def test_wrong_key(site: Site) -> None:
    found = troubles(looked(site, http=DolibarrHttp(site.url, "wrong-key-0123456789")))
    assert "key" in found["rest"].message
    assert "wrong-key-0123456789" not in str(found)


class TestStaff:
    def test_who_saves_is_noted_and_the_group_is_there(self, site: Site) -> None:
        if site.office is None:
            pytest.skip("no login to the office")
        group = unique("Group ")
        site.office.user(unique("u"), group)
        assert staff(site, group) == [
            ("ok", "the agenda notes who saves a card, and the groups are there")
        ]

    def test_a_group_that_is_not_there(self, site: Site) -> None:
        (found,) = [text for level, text in staff(site, "Nobodies") if level == "error"]
        assert found == "there is no group of users 'Nobodies': nobody in it can ask for anything"

    def test_an_agenda_that_notes_nothing(self, site: Site) -> None:
        name = "MAIN_AGENDA_ACTIONAUTO_COMPANY_MODIFY"
        site.execute("UPDATE llx_const SET name = 'SWITCHED_OFF' WHERE name = %s", name)
        try:
            said = [text for _, text in staff(site, "Nobodies")]
        finally:
            site.execute("UPDATE llx_const SET name = %s WHERE name = 'SWITCHED_OFF'", name)
        assert "the agenda does not note who saves a card: whoever asks is refused" in said

    def test_where_all_may_ask_nothing_is_looked_at(self, site: Site) -> None:
        assert staff(site) == []


def staff(site: Site, *groups: str) -> list[tuple[str, str]]:
    now = datetime.now(UTC)
    found = check(site.http, site.database_url, Requirements(), now, request_groups=groups)
    return [(one.level, one.message) for one in found if one.topic == "staff"]
