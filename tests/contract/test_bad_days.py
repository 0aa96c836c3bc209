"""What happens at the REST door while the server has trouble, and that it passes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from connectors import dolibarr_setup
from connectors.dolibarr_http import DolibarrHttp
from connectors.dolibarr_rest import RestSaleSource
from connectors.standin import StandIn
from dolisync.errors import RefusedError, TransientError, UnknownOutcome
from dolisync.ports import Requirements, TagSpec

SINCE = datetime(2020, 1, 1, tzinfo=UTC)
TROUBLE = (
    "maintenance",
    "db_down",
    "php_fatal",
    "php_fatal_shown",
    "api_disabled",
    "unavailable",
    "ip_restricted",
    "html_before_json",
    "gzip_garbage",
    "lost_answer",
    "lost_request",
)
EFFECT_MAY_EXIST = ("html_before_json", "gzip_garbage", "lost_answer")


@pytest.fixture(scope="module", params=["16.0.3", "20.0.2", "22.0.4"])
def standin(request: pytest.FixtureRequest) -> Iterator[StandIn]:
    with StandIn(request.param) as found:
        shop = found.shop
        customer, product = shop.add_customer("Somebody"), shop.add_product("P", "Product", 5)
        for _ in range(3):
            shop.pos_sell([product], customer)
        yield found


@pytest.fixture
def http(standin: StandIn) -> Iterator[DolibarrHttp]:
    found = DolibarrHttp(standin.url, standin.api_key, retries=0)
    yield found
    standin.faults.clear()
    found.close()


@pytest.mark.parametrize("kind", TROUBLE)
def test_reading_fails_clearly_and_goes_on_afterwards(
    standin: StandIn, http: DolibarrHttp, kind: str
) -> None:
    source = RestSaleSource(http, "shop", timezone="Europe/Paris", database_timezone="UTC")
    good = source.changed(SINCE, None, 100)
    assert len(good.sales) == 3
    standin.faults.arm(kind)
    for ask in (
        lambda: source.changed(SINCE, None, 100),
        lambda: source.get([sale.key.rowid for sale in good.sales]),
        lambda: source.customers([1]),
        source.now,
    ):
        with pytest.raises(TransientError) as error:
            ask()
        assert "\n" not in str(error.value)
        assert standin.api_key not in str(error.value)
    standin.faults.clear()
    assert source.changed(SINCE, None, 100) == good


@pytest.mark.parametrize("kind", TROUBLE)
def test_trouble_between_a_list_and_its_payments(
    standin: StandIn, http: DolibarrHttp, kind: str
) -> None:
    source = RestSaleSource(http, "shop", timezone="Europe/Paris", database_timezone="UTC")
    standin.faults.arm(kind, path="payments")
    with pytest.raises(TransientError):
        source.changed(SINCE, None, 100)


@pytest.mark.parametrize("kind", EFFECT_MAY_EXIST)
def test_created_and_not_told(standin: StandIn, http: DolibarrHttp, kind: str) -> None:
    before = len(http.get_list("categories"))
    standin.faults.arm(kind, times=1, verb="POST")
    with pytest.raises(UnknownOutcome):
        http.post("categories", {"label": f"Lost {kind}", "type": "customer"})
    assert len(http.get_list("categories")) == before + 1


@pytest.mark.parametrize("kind", EFFECT_MAY_EXIST)
def test_setup_looks_before_it_makes_again(standin: StandIn, http: DolibarrHttp, kind: str) -> None:
    wanted = Requirements(tags=(TagSpec(f"Tier {kind}", "ffd700"),))
    standin.faults.arm(kind, times=1, verb="POST")
    assert [step.state for step in dolibarr_setup.apply(wanted, http, None)] == ["failed"]
    assert [step.state for step in dolibarr_setup.apply(wanted, http, None)] == ["present"]


def test_blind_key_does_not_take_sales_for_deleted(standin: StandIn) -> None:
    http = DolibarrHttp(standin.url, standin.blind_key, retries=0)
    source = RestSaleSource(http, "shop")
    assert source.changed(SINCE, None, 100).sales == ()
    with pytest.raises(RefusedError, match="lacks a right"):
        source.get([1, 2, 3])
    http.close()
