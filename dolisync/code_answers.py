"""What stands on a document where a code was typed: its line, or why it could not be used."""

from __future__ import annotations

_SENTENCES = {
    "en": {
        "voucher": "Voucher {code}, {left} left ({token})",
        "gift_card": "Gift card {code}, {left} left ({token})",
        "unknown": "{code}: there is no such code",
        "wrong": "{code}: a character is wrong, type it again",
        "blocked": "{code}: it is blocked",
        "replaced": "{code}: another code took its place",
        "revoked": "{code}: it was ended",
        "expired": "{code}: it was good until {day}",
        "empty": "{code}: nothing is left on it",
        "again": "{code}: it is on this bill already",
        "no_room": "{code}: nothing on this bill can be paid with it",
        "no_bill": "{code}: not on a return",
        "currency": "{code}: not in another currency",
        "taxes": "{code}: not with other taxes than VAT",
    },
    "fr": {
        "voucher": "Bon {code}, reste {left} ({token})",
        "gift_card": "Carte cadeau {code}, reste {left} ({token})",
        "unknown": "{code} : ce code n'existe pas",
        "wrong": "{code} : un caractère est faux, saisissez-le de nouveau",
        "blocked": "{code} : il est bloqué",
        "replaced": "{code} : un autre code l'a remplacé",
        "revoked": "{code} : il n'est plus valable",
        "expired": "{code} : il était valable jusqu'au {day}",
        "empty": "{code} : il n'y reste rien",
        "again": "{code} : il est déjà sur ce ticket",
        "no_room": "{code} : rien ici ne peut être payé avec",
        "no_bill": "{code} : pas sur un retour",
        "currency": "{code} : pas dans une autre devise",
        "taxes": "{code} : pas avec d'autres taxes que la TVA",
    },
    "it": {
        "voucher": "Buono {code}, restano {left} ({token})",
        "gift_card": "Carta regalo {code}, restano {left} ({token})",
        "unknown": "{code}: questo codice non esiste",
        "wrong": "{code}: un carattere è sbagliato, riscriverlo",
        "blocked": "{code}: è bloccato",
        "replaced": "{code}: un altro codice l'ha sostituito",
        "revoked": "{code}: non è più valido",
        "expired": "{code}: era valido fino al {day}",
        "empty": "{code}: non vi resta nulla",
        "again": "{code}: è già su questo conto",
        "no_room": "{code}: nulla di questo conto si può pagare con esso",
        "no_bill": "{code}: non su un reso",
        "currency": "{code}: non in un'altra valuta",
        "taxes": "{code}: non con altre imposte che l'IVA",
    },
    "de": {
        "voucher": "Gutschein {code}, Rest {left} ({token})",
        "gift_card": "Geschenkkarte {code}, Rest {left} ({token})",
        "unknown": "{code}: diesen Code gibt es nicht",
        "wrong": "{code}: ein Zeichen ist falsch, bitte neu eingeben",
        "blocked": "{code}: er ist gesperrt",
        "replaced": "{code}: ein anderer Code hat ihn ersetzt",
        "revoked": "{code}: er wurde beendet",
        "expired": "{code}: er galt bis {day}",
        "empty": "{code}: es ist nichts mehr darauf",
        "again": "{code}: er steht schon auf diesem Beleg",
        "no_room": "{code}: nichts auf diesem Beleg kann damit bezahlt werden",
        "no_bill": "{code}: nicht auf einer Rückgabe",
        "currency": "{code}: nicht in einer anderen Währung",
        "taxes": "{code}: nicht mit anderen Steuern als der MwSt.",
    },
    "es": {
        "voucher": "Vale {code}, quedan {left} ({token})",
        "gift_card": "Tarjeta regalo {code}, quedan {left} ({token})",
        "unknown": "{code}: este código no existe",
        "wrong": "{code}: un carácter es erróneo, escríbalo de nuevo",
        "blocked": "{code}: está bloqueado",
        "replaced": "{code}: otro código lo sustituyó",
        "revoked": "{code}: ya no es válido",
        "expired": "{code}: era válido hasta el {day}",
        "empty": "{code}: no queda nada en él",
        "again": "{code}: ya está en esta cuenta",
        "no_room": "{code}: nada de esta cuenta se puede pagar con él",
        "no_bill": "{code}: no en una devolución",
        "currency": "{code}: no en otra moneda",
        "taxes": "{code}: no con otros impuestos que el IVA",
    },
}

LANGUAGES = tuple(sorted(_SENTENCES))


def code_text(language: str, name: str, **values: object) -> str:
    """Return a text about a code in a language, English where there is none."""
    return _SENTENCES.get(language, _SENTENCES["en"])[name].format(**values)
