"""The dictionaries of a fresh installation, as far as customers point into them."""

from __future__ import annotations

from typing import Any

from connectors.standin.calls import Call, Route
from connectors.standin.present import Object, words
from connectors.standin.store import Store

# Ids as a French installation has them; regions and departments are a few of many.
COUNTRIES = {1: "FR", 2: "BE", 3: "IT", 4: "ES", 5: "DE", 6: "CH", 7: "GB", 41: "AT"}
CUSTOMER_TYPES = {
    2: "TE_GROUP",
    3: "TE_MEDIUM",
    4: "TE_SMALL",
    5: "TE_ADMIN",
    8: "TE_PRIVATE",
    100: "TE_OTHER",
}
REGIONS = {119: (84, 1, "Auvergne-Rhône-Alpes"), 120: (93, 1, "Provence-Alpes-Côte d'Azur")}
EVENT_TYPES = {40: "AC_OTH_AUTO", 50: "AC_OTH"}
DEPARTMENTS = {
    303: ("01", 84, "Ain"),
    306: ("04", 93, "Alpes-de-Haute-Provence"),
    371: ("69", 84, "Rhône"),
}


def furnish(store: Store) -> None:
    """Write the dictionaries."""
    tables = store.tables
    for rowid, code in COUNTRIES.items():
        store.insert(tables.c_country, rowid=rowid, code=code, label=code)
    for rowid, code in CUSTOMER_TYPES.items():
        store.insert(tables.c_typent, id=rowid, code=code, libelle=code)
    for rowid, code in EVENT_TYPES.items():
        store.insert(tables.c_actioncomm, id=rowid, code=code, libelle=code)
    for rowid, (number, country, name) in REGIONS.items():
        store.insert(tables.c_regions, rowid=rowid, code_region=number, fk_pays=country, nom=name)
    for rowid, (code, region, name) in DEPARTMENTS.items():
        store.insert(
            tables.c_departements, rowid=rowid, code_departement=code, fk_region=region, nom=name
        )


def region_of(department: int | None) -> int | None:
    """Return the key of the region in which a department lies."""
    number = DEPARTMENTS[department][1] if department in DEPARTMENTS else None
    return next((rowid for rowid, region in REGIONS.items() if region[0] == number), None)


def get_state(call: Call) -> Object:
    """GET /setup/dictionary/states/{id}: one that is not there is answered with nothing in it."""
    rowid = call.number()
    code, _, name = DEPARTMENTS.get(rowid, (None, 0, ""))
    known = {"id": str(rowid), "active": "1"} if rowid in DEPARTMENTS else {}
    blank: dict[str, Any] = {"id": None, "active": None, "label": None}
    newer = {} if call.major == 16 else {"entity": None, "rowid": None}
    names = {"code": code, "code_departement": code, "name": name, "nom": name}
    return {**blank, **newer, **names, **known}


def get_region(call: Call) -> Object:
    """GET /setup/dictionary/regions/{id}."""
    rowid = call.number()
    number, country, name = REGIONS.get(rowid, (None, None, ""))
    return {
        "id": words(rowid) if rowid in REGIONS else None,
        "entity": None,
        "code": None,
        "label": None,
        "active": "1" if rowid in REGIONS else None,
        "code_region": number,
        "fk_pays": country,
        "name": name,
        "cheflieu": None,
    }


ROUTES = [
    Route("GET", "/setup/dictionary/states/{int}", get_state),
    Route("GET", "/setup/dictionary/regions/{int}", get_region, (20, 22)),
]
