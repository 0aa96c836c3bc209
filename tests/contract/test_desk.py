"""What staff write into request fields: seen with its author, answered only as it was read."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from connectors import dolibarr_setup
from connectors.dolibarr_desk import SqlDesk
from dolisync.ports import AskedOn, FieldSpec, Requirements, StaffUser
from dolisync.program.wishes import words_of
from tests.contract.office import Office
from tests.contract.site import Site, unique

FIELDS = Requirements(
    (
        FieldSpec("customer", "dkadjust", "Points", "integer", editable=True),
        FieldSpec("customer", "dkhalf", "Half points", "amount", editable=True),
        FieldSpec("customer", "dkreason", "Reason", "text", editable=True),
        FieldSpec("customer", "dkanswer", "Answer", "text"),
    )
)
ACTING, OTHERS = ("dkadjust", "dkhalf"), ("dkreason", "dkanswer")
NAMES = (*ACTING, *OTHERS)


@pytest.fixture(scope="module", autouse=True)
def _fields(site: Site) -> None:
    steps = dolibarr_setup.apply(FIELDS, site.http, site.database_url)
    assert {step.state for step in steps} <= {"done", "present"}, steps


@pytest.fixture(scope="module")
def office(site: Site) -> Office:
    if site.office is None:
        pytest.skip("no login to the office")
    return site.office


@pytest.fixture
def desk(site: Site) -> SqlDesk:
    return SqlDesk(site.database_url)


@pytest.fixture
def asked(desk: SqlDesk) -> Callable[[int], AskedOn | None]:
    """Look whether something is asked on a card."""

    def look(customer: int) -> AskedOn | None:
        found = {card.rowid: card for card in desk.asked("customer", ACTING, OTHERS)}
        return found.get(customer)

    return look


class TestAsked:
    def test_by_the_pencil(self, site: Site, office: Office, asked: Callable) -> None:
        customer = site.customer()
        assert asked(customer) is None
        office.edit_field(customer, "dkreason", "Gesture")
        assert asked(customer) is None
        office.edit_field(customer, "dkadjust", "-10")
        values = {"dkadjust": -10, "dkhalf": None, "dkreason": "Gesture", "dkanswer": None}
        assert asked(customer) == AskedOn(customer, customer, values)

    def test_by_the_form(self, site: Site, office: Office, asked: Callable) -> None:
        customer = site.customer()
        office.save_form(office.open_form(customer), dkhalf="2.5", dkreason="Gesture")
        found = asked(customer)
        assert found.values["dkhalf"] == Decimal("2.5")
        assert found.values["dkadjust"] is None

    def test_a_form_without_a_request_asks_for_nothing(
        self, site: Site, office: Office, asked: Callable
    ) -> None:
        customer = site.customer()
        office.save_form(office.open_form(customer))
        assert asked(customer) is None

    def test_letters_come_as_they_were_typed(
        self, site: Site, office: Office, desk: SqlDesk
    ) -> None:
        customer, text = site.customer(), "L'été à 20 € & plus"
        office.edit_field(customer, "dkreason", text)
        assert words_of(desk.card("customer", customer, NAMES).values["dkreason"]) == text

    def test_a_card_that_is_gone(self, desk: SqlDesk) -> None:
        assert desk.card("customer", 987654321, NAMES) is None

    def test_fields_that_are_not_made_yet(self, desk: SqlDesk) -> None:
        assert desk.asked("customer", ["dknever"], []) == ()


class TestAnswered:
    def test_what_was_read_is_emptied(
        self, site: Site, office: Office, desk: SqlDesk, asked: Callable
    ) -> None:
        customer = site.customer()
        for name, value in [("dkreason", "Été"), ("dkhalf", "2.5"), ("dkadjust", "3")]:
            office.edit_field(customer, name, value)
        seen = asked(customer).values
        wanted = {**dict.fromkeys(NAMES), "dkanswer": "done: été"}
        assert desk.answer("customer", customer, {**seen}, wanted)
        assert desk.card("customer", customer, NAMES).values == wanted
        assert not desk.answer("customer", customer, {**seen}, wanted)

    @pytest.mark.parametrize(("name", "value"), [("dkadjust", "4"), ("dkreason", "other")])
    def test_what_was_edited_since_stays(
        self, site: Site, office: Office, desk: SqlDesk, asked: Callable, name: str, value: str
    ) -> None:
        customer = site.customer()
        office.edit_field(customer, "dkadjust", "3")
        seen = asked(customer).values
        office.edit_field(customer, name, value)
        assert not desk.answer(
            "customer", customer, seen, {**dict.fromkeys(NAMES), "dkanswer": "done"}
        )
        assert str(asked(customer).values[name]) == value
        assert asked(customer).values["dkanswer"] is None

    def test_the_answer_outlives_a_form_that_stood_open(
        self, site: Site, office: Office, desk: SqlDesk
    ) -> None:
        customer = site.customer()
        office.edit_field(customer, "dkadjust", "3")
        form = office.open_form(customer)
        seen = desk.card("customer", customer, NAMES).values
        assert desk.answer("customer", customer, seen, {**dict.fromkeys(NAMES), "dkanswer": "done"})
        office.save_form(form)
        # What the form showed comes back with it; what it does not show stays.
        assert desk.card("customer", customer, NAMES).values == {
            "dkadjust": 3,
            "dkhalf": None,
            "dkreason": None,
            "dkanswer": "done",
        }


class TestWho:
    @pytest.mark.parametrize("way", ["pencil", "form"])
    def test_a_save_is_noted_with_its_user_and_his_groups(
        self, site: Site, office: Office, desk: SqlDesk, way: str
    ) -> None:
        customer, login, group = site.customer(), unique("u"), unique("Group ")
        office.user(login, group)
        before = desk.newest_save()
        if way == "pencil":
            office.edit_field(customer, "dkadjust", "3", login)
        else:
            office.save_form(office.open_form(customer, login), dkadjust="3")
        saves = [one for one in desk.saves(before) if one.object_rowid == customer]
        assert {one.element for one in saves} == {"customer"}
        (user,) = {one.user for one in saves}
        assert desk.users([user]) == {user: StaffUser(login, frozenset({group}))}
        assert desk.saves(max(one.rowid for one in saves)) == ()

    def test_a_user_switched_off_is_nobody(self, site: Site, office: Office, desk: SqlDesk) -> None:
        login = unique("u")
        office.user(login, "Clerks")
        (row,) = site.rows("SELECT rowid FROM llx_user WHERE login = %s", login)
        assert desk.users([row[0]])[row[0]].login == login
        site.execute("UPDATE llx_user SET statut = 0 WHERE login = %s", login)
        assert desk.users([row[0]]) == {}
        assert desk.users([]) == {}
