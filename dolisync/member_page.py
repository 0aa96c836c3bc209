"""What stands on a member's own page: all of it in words, in the language of who reads."""

from __future__ import annotations

from dataclasses import dataclass

_WORDS = {
    "en": {
        "title": "Your points",
        "balance": "points",
        "worth": "worth {amount}",
        "as_of": "as of {day}",
        "next": "Next reward",
        "expiring": "Next to expire",
        "waiting": "Not usable yet",
        "tier": "Level",
        "badges": "Badges",
        "rewards": "What points buy",
        "now": "now",
        "to_go": "{points} to go",
        "codes": "Vouchers and gift cards",
        "until": "until {day}",
        "movements": "Last movements",
        "nothing": "Nothing has moved yet.",
        "gone": "This page is not there",
        "gone_why": "The address is not complete, or too old. Your next receipt has a new one.",
        "earn": "Purchase",
        "reversal": "Purchase corrected or returned",
        "redeem": "Points used",
        "return": "Points given back",
        "expire": "Points expired",
        "adjust": "From the shop",
        "transfer": "Transfer",
        "opening": "Opening balance",
    },
    "fr": {
        "title": "Vos points",
        "balance": "points",
        "worth": "soit {amount}",
        "as_of": "au {day}",
        "next": "Prochaine récompense",
        "expiring": "Prochains à expirer",
        "waiting": "Pas encore utilisables",
        "tier": "Niveau",
        "badges": "Badges",
        "rewards": "Ce que valent les points",
        "now": "maintenant",
        "to_go": "encore {points}",
        "codes": "Bons et cartes cadeaux",
        "until": "jusqu'au {day}",
        "movements": "Derniers mouvements",
        "nothing": "Aucun mouvement encore.",
        "gone": "Cette page n'existe pas",
        "gone_why": "L'adresse est incomplète ou trop ancienne. Votre prochain ticket en porte une "
        "nouvelle.",
        "earn": "Achat",
        "reversal": "Achat corrigé ou rendu",
        "redeem": "Points utilisés",
        "return": "Points rendus",
        "expire": "Points expirés",
        "adjust": "De la part du magasin",
        "transfer": "Transfert",
        "opening": "Solde de départ",
    },
    "it": {
        "title": "I suoi punti",
        "balance": "punti",
        "worth": "pari a {amount}",
        "as_of": "al {day}",
        "next": "Prossimo premio",
        "expiring": "Prossimi in scadenza",
        "waiting": "Non ancora utilizzabili",
        "tier": "Livello",
        "badges": "Badge",
        "rewards": "Che cosa valgono i punti",
        "now": "ora",
        "to_go": "ancora {points}",
        "codes": "Buoni e carte regalo",
        "until": "fino al {day}",
        "movements": "Ultimi movimenti",
        "nothing": "Ancora nessun movimento.",
        "gone": "Questa pagina non c'è",
        "gone_why": "L'indirizzo è incompleto o troppo vecchio. Il prossimo scontrino ne ha uno "
        "nuovo.",
        "earn": "Acquisto",
        "reversal": "Acquisto corretto o reso",
        "redeem": "Punti usati",
        "return": "Punti restituiti",
        "expire": "Punti scaduti",
        "adjust": "Dal negozio",
        "transfer": "Trasferimento",
        "opening": "Saldo iniziale",
    },
    "de": {
        "title": "Ihre Punkte",
        "balance": "Punkte",
        "worth": "{amount} wert",
        "as_of": "Stand {day}",
        "next": "Nächste Prämie",
        "expiring": "Verfallen als nächste",
        "waiting": "Noch nicht einlösbar",
        "tier": "Stufe",
        "badges": "Abzeichen",
        "rewards": "Was es für Punkte gibt",
        "now": "jetzt",
        "to_go": "noch {points}",
        "codes": "Gutscheine und Geschenkkarten",
        "until": "bis {day}",
        "movements": "Letzte Bewegungen",
        "nothing": "Noch keine Bewegung.",
        "gone": "Diese Seite gibt es nicht",
        "gone_why": "Die Adresse ist unvollständig oder zu alt. Auf dem nächsten Kassenzettel "
        "steht eine neue.",
        "earn": "Einkauf",
        "reversal": "Einkauf korrigiert oder zurückgegeben",
        "redeem": "Punkte eingelöst",
        "return": "Punkte zurückgegeben",
        "expire": "Punkte verfallen",
        "adjust": "Vom Geschäft",
        "transfer": "Übertragung",
        "opening": "Anfangsbestand",
    },
    "es": {
        "title": "Sus puntos",
        "balance": "puntos",
        "worth": "valen {amount}",
        "as_of": "al {day}",
        "next": "Próxima recompensa",
        "expiring": "Próximos en caducar",
        "waiting": "Aún no utilizables",
        "tier": "Nivel",
        "badges": "Insignias",
        "rewards": "Lo que valen los puntos",
        "now": "ahora",
        "to_go": "faltan {points}",
        "codes": "Vales y tarjetas regalo",
        "until": "hasta el {day}",
        "movements": "Últimos movimientos",
        "nothing": "Aún no hay movimientos.",
        "gone": "Esta página no existe",
        "gone_why": "La dirección está incompleta o es demasiado antigua. Su próximo tique lleva "
        "una nueva.",
        "earn": "Compra",
        "reversal": "Compra corregida o devuelta",
        "redeem": "Puntos usados",
        "return": "Puntos devueltos",
        "expire": "Puntos caducados",
        "adjust": "De la tienda",
        "transfer": "Transferencia",
        "opening": "Saldo inicial",
    },
}

LANGUAGES = tuple(sorted(_WORDS))


def page_word(language: str, name: str, **values: object) -> str:
    """Return a word of the page in a language, English where there is none."""
    return _WORDS.get(language, _WORDS["en"])[name].format(**values)


def page_words(language: str) -> dict[str, str]:
    """Return all words of the page in a language."""
    return dict(_WORDS.get(language, _WORDS["en"]))


@dataclass(frozen=True, slots=True)
class RewardRow:
    """A reward, what it costs, whether it can be had now, and else what is missing."""

    title: str
    points: str
    is_reached: bool
    missing: str


@dataclass(frozen=True, slots=True)
class CodeRow:
    """A code with money on it, by its last letters."""

    code: str
    amount: str
    until: str


@dataclass(frozen=True, slots=True)
class MovementRow:
    """One movement. What staff wrote about it is not for this page."""

    day: str
    what: str
    points: str
    is_gain: bool


@dataclass(frozen=True, slots=True)
class AccountPart:
    """One program's account; what there is not to say is empty.

    ``share`` is how far it is to the next reward, in per cent; ``None`` where there is none.
    """

    title: str
    balance: str
    worth: str
    next_reward: str
    share: int | None
    expiring: str
    waiting: str
    tier: str
    badges: str
    rewards: tuple[RewardRow, ...]
    movements: tuple[MovementRow, ...]


@dataclass(frozen=True, slots=True)
class MemberPage:
    """The whole page. Nothing on it says whose it is: a receipt may be found by anybody."""

    shop_name: str
    language: str
    as_of: str
    accounts: tuple[AccountPart, ...]
    codes: tuple[CodeRow, ...]
