"""Values that stand beside labels. Look-alike glyphs (O/0, l/1/I) occur only where the kind of value settles them."""

from __future__ import annotations

import random

from . import vocabulary as vocab

CODE_LETTERS = "ABCDEFGHJKLMNPRTUVWXYZ"  # without I, O, Q, S: read as digits in some fonts


def digits(r: random.Random, low: int, high: int) -> str:
    return "".join(r.choice("0123456789") for _ in range(r.randint(low, high)))


def amount(r: random.Random) -> str:
    whole = int(10 ** r.uniform(0, 5))
    style = r.random()
    text = f"{whole:,}.{r.randint(0, 99):02d}" if style < 0.5 else f"{whole}.{r.randint(0, 99):02d}" if style < 0.85 else f"{whole:,}".replace(",", ".") + f",{r.randint(0, 99):02d}"
    mark = r.random()
    if mark < 0.3:
        return r.choice("$€£") + text
    if mark < 0.4:
        return text + " " + r.choice(["EUR", "USD", "GBP", "CHF", "€"])
    return text


def date(r: random.Random) -> str:
    d, m, y = r.randint(1, 28), r.randint(1, 12), r.randint(1995, 2032)
    name = vocab.MONTHS[m - 1]
    return r.choice(
        [
            f"{d:02d}/{m:02d}/{y}",
            f"{m:02d}/{d:02d}/{y}",
            f"{y}-{m:02d}-{d:02d}",
            f"{d:02d}.{m:02d}.{y}",
            f"{d} {name} {y}",
            f"{name} {d}, {y}",
            f"{d:02d} {name[:3]} {y}",
            f"{name[:3]} {d}, {y}",
            f"{d}-{name[:3]}-{y}",
            f"{m}/{d}/{y % 100:02d}",
        ]
    )


def code(r: random.Random) -> str:
    if r.random() < 0.25:
        return long_code(r)
    letters = "".join(r.choice(CODE_LETTERS) for _ in range(r.randint(1, 4)))
    t = r.random()
    if t < 0.35:
        return f"{letters}-{digits(r, 2, 6)}"
    if t < 0.6:
        return letters + digits(r, 3, 6)
    if t < 0.75:
        return f"{letters}-{digits(r, 4, 4)}-{digits(r, 2, 4)}"
    if t < 0.88:
        return f"{letters}/{r.randint(2000, 2030)}/{digits(r, 2, 5)}"
    return "".join(r.choice(CODE_LETTERS + "23456789") for _ in range(r.randint(5, 9)))


def long_code(r: random.Random) -> str:
    """Characters that nothing foretells: serial numbers, keys, IBANs, hexadecimal."""
    mixed = CODE_LETTERS + "23456789"
    t = r.random()
    if t < 0.4:
        return "".join(r.choice(mixed) for _ in range(r.randint(7, 14)))
    if t < 0.7:
        group = r.choice([3, 4, 4, 5])
        return r.choice(["-", "-", " ", "."]).join("".join(r.choice(mixed) for _ in range(group)) for _ in range(r.randint(2, 4)))
    if t < 0.85:
        return "".join(r.choice("0123456789abcdef") for _ in range(r.choice([6, 8, 8, 12])))
    return r.choice(["DE", "GB", "FR", "CH", "AT"]) + digits(r, 2, 2) + "".join(" " + digits(r, 4, 4) for _ in range(r.randint(2, 4)))


def person(r: random.Random) -> str:
    first, last = r.choice(vocab.FIRST_NAMES), r.choice(vocab.LAST_NAMES) if r.random() < 0.7 else vocab.made_word(r).capitalize()
    t = r.random()
    if t < 0.75:
        return f"{first} {last}"
    if t < 0.85:
        return f"{first[0]}. {last}"
    return f"{r.choice(['Dr.', 'Mr.', 'Ms.', 'Mrs.'])} {last}" if t < 0.93 else f"{first} {r.choice(CODE_LETTERS)}. {last}"


def company(r: random.Random) -> str:
    name = r.choice([vocab.made_word(r).capitalize(), r.choice(vocab.WORDS).capitalize(), r.choice(vocab.LAST_NAMES)])
    if r.random() < 0.4:
        name += " " + r.choice(vocab.WORDS).capitalize()
    return f"{name} {r.choice(vocab.COMPANY_TAILS)}"


def city(r: random.Random) -> str:
    return r.choice(vocab.CITIES) if r.random() < 0.8 else vocab.made_word(r).capitalize()


def place(r: random.Random) -> str:
    t = r.random()
    if t < 0.4:
        return city(r)
    if t < 0.6:
        return f"{r.randint(1, 999)} {r.choice([r.choice(vocab.WORDS), vocab.made_word(r)]).capitalize()} {r.choice(vocab.STREETS)}"
    if t < 0.75:
        return f"{digits(r, 5, 5)} {city(r)}"
    if t < 0.85:
        return r.choice(vocab.COUNTRIES)
    return f"{city(r)}, {r.choice(vocab.COUNTRIES)}"


def contact(r: random.Random) -> str:
    t = r.random()
    if t < 0.5:
        return r.choice(
            [
                f"+{r.randint(1, 99)} {digits(r, 2, 3)} {digits(r, 4, 7)}",
                f"({digits(r, 3, 3)}) {digits(r, 3, 3)}-{digits(r, 4, 4)}",
                f"0{digits(r, 2, 3)} {digits(r, 5, 7)}",
                f"{digits(r, 3, 3)}-{digits(r, 3, 3)}-{digits(r, 4, 4)}",
            ]
        )
    domain = r.choice([vocab.made_word(r), r.choice(vocab.WORDS)]) + r.choice([".com", ".org", ".net", ".de", ".co.uk", ".eu"])
    return f"www.{domain}" if t > 0.85 else f"{r.choice([r.choice(vocab.WORDS), r.choice(vocab.FIRST_NAMES).lower(), vocab.made_word(r)])}@{domain}"


def phrase(r: random.Random) -> str:
    words = [r.choice(vocab.WORDS) if r.random() < 0.75 else vocab.made_word(r) for _ in range(r.choice([1, 1, 2, 2, 3]))]
    t = r.random()
    return " ".join(words).capitalize() if t < 0.45 else " ".join(w.capitalize() for w in words) if t < 0.75 else " ".join(words) if t < 0.93 else " ".join(words).upper()


def measure(r: random.Random) -> str:
    number = r.choice([str(r.randint(1, 9999)), f"{r.randint(0, 999)}.{r.randint(1, 9)}", str(r.randint(1, 99))])
    return r.choice([f"{number} {r.choice(vocab.UNITS)}", f"{number}%", f"{number} %"])


def moment(r: random.Random) -> str:
    return f"{r.randint(0, 23):02d}:{r.randint(0, 59):02d}" if r.random() < 0.6 else f"{r.randint(1, 12)}:{r.randint(0, 59):02d} {r.choice(['AM', 'PM', 'am', 'pm'])}"


def yes_no(r: random.Random) -> str:
    return r.choice(["Yes", "No", "yes", "no", "None", "Open", "Closed", "Paid", "Pending", "Approved", "Active", "Draft"])


KINDS = [
    (amount, 0.2),
    (date, 0.16),
    (code, 0.14),
    (lambda r: digits(r, 1, 9), 0.14),
    (person, 0.09),
    (company, 0.06),
    (place, 0.07),
    (contact, 0.04),
    (phrase, 0.1),
    (measure, 0.05),
    (moment, 0.03),
    (yes_no, 0.02),
]

BY_WORD = {
    "date": date, "until": date, "deadline": date, "birth": date, "departure": moment, "arrival": moment, "time": moment,
    "amount": amount, "total": amount, "subtotal": amount, "price": amount, "tax": amount, "fee": amount, "cost": amount, "balance": amount, "discount": amount, "deposit": amount, "rent": amount, "revenue": amount, "budget": amount, "profit": amount, "income": amount, "cash": amount, "charge": amount,
    "number": code, "no": code, "code": code, "id": code, "reference": code, "iban": code, "plate": code,
    "name": person, "customer": person, "manager": person, "agent": person, "contact": person, "owner": person, "by": person, "doctor": person, "patient": person, "tenant": person, "supervisor": person, "cashier": person,
    "phone": contact, "telephone": contact, "email": contact, "fax": contact, "website": contact, "address": place, "city": city, "destination": city, "origin": city, "location": place, "street": place,
    "weight": measure, "height": measure, "usage": measure, "rate": measure, "temperature": measure, "pressure": measure, "employer": company, "carrier": company, "bank": company, "supplier": company, "vendor": company,
}  # fmt: skip


def value(r: random.Random, label: str = "") -> str:
    """A value as such a label would have one, or (a third of the time) any value: the page decides, not the habit."""
    if r.random() < 0.66:
        for word in reversed(label.lower().split()):
            if word in BY_WORD:
                return BY_WORD[word](r)
    return r.choices([k for k, _ in KINDS], [w for _, w in KINDS])[0](r)


def number_in(text: str) -> float | None:
    """The number an amount or measure stands for; None if it is not plainly one."""
    kept = text.strip("$€£% ").removesuffix(" EUR").removesuffix(" USD").removesuffix(" GBP").removesuffix(" CHF")
    if kept.count(",") == 1 and kept[-3:-2] == ",":
        kept = kept.replace(".", "").replace(",", ".")
    try:
        return float(kept.replace(",", ""))
    except ValueError:
        return None
