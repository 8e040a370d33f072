"""How people and schemas name a field besides asking for it in a sentence: its title, its key, its description, with a type beside it."""

from __future__ import annotations

import random
import re

from . import values
from .values import number_in

# What a field is, for those who do not say its name. The last of three is kept for evaluation.
DESCRIPTIONS = {
    "invoice number": ["the number that identifies the invoice", "identifier of the bill", "the number of this bill"],
    "invoice date": ["the date on which the invoice was issued", "date of the bill", "the day the bill was written"],
    "due date": ["the date by which the bill has to be paid", "the last day for payment", "when the money has to be paid"],
    "order number": ["the number that identifies the order", "identifier of the order", "the number of the customer's order"],
    "order date": ["the day the order was placed", "date of the order", "when the goods were ordered"],
    "customer name": ["the name of the customer", "who the customer is", "the name of the one who buys"],
    "account number": ["the number of the account", "identifier of the account", "which account it is, as a number"],
    "balance due": ["the amount that is still to be paid", "what is still owed", "how much money is left to pay"],
    "subtotal": ["the sum before tax", "the sum of all items before tax and shipping", "the amount without tax"],
    "sales tax": ["the tax on the sale", "how much tax is charged on the sale", "tax that the buyer pays"],
    "discount": ["the reduction of the price", "how much is taken off the price", "what the price is lowered by"],
    "shipping": ["the cost of delivery", "what it costs to send the goods", "the charge for sending"],
    "shipping date": ["the day the goods were sent", "when the goods leave", "date on which it was shipped"],
    "delivery date": ["the day the goods arrive", "when the goods are delivered", "date on which it is delivered"],
    "payment terms": ["the conditions of payment", "how and until when to pay", "under which terms it is paid"],
    "payment method": ["how the bill is paid", "the way of paying", "by which means it is paid"],
    "payment date": ["the day the payment was made", "when it was paid", "date on which the money was paid"],
    "currency": ["the money in which amounts are given", "which currency is used", "the unit of money"],
    "contact person": ["the person to talk to", "whom to contact", "who answers questions"],
    "phone": ["the number to call", "telephone number", "under which number to ring"],
    "email": ["the address for electronic mail", "where to send an e-mail", "the mail address"],
    "website": ["the address on the web", "the internet page", "the web page"],
    "address": ["where it is located, with street and city", "the postal address", "street and city"],
    "country": ["the country of the address", "in which country it is", "the nation"],
    "date of birth": ["the day the person was born", "when the person was born", "birthday of the person"],
    "first name": ["the given name", "the person's given name", "the name before the family name"],
    "last name": ["the family name", "the person's surname", "the surname"],
    "employee": ["the person who is employed", "the name of the worker", "who works there"],
    "department": ["the part of the company", "which department it is", "the unit of the company"],
    "job title": ["the person's profession", "what the person works as", "the name of the job"],
    "end date": ["the last day", "the day on which it ends", "when it is over"],
    "expiry date": ["the day after which it is no longer valid", "when it expires", "the day it runs out"],
    "policy number": ["the number of the insurance policy", "identifier of the policy", "which policy it is, as a number"],
    "patient": ["the person who is treated", "the name of the patient", "who is ill"],
    "doctor": ["the physician", "the name of the doctor", "who treats the patient"],
    "diagnosis": ["the illness that was found", "what the patient has", "the name of the illness"],
    "weight": ["how heavy it is", "the mass", "what it weighs"],
    "height": ["how tall it is", "the size from bottom to top", "how high it is"],
    "room number": ["the number of the room", "which room it is, as a number", "identifier of the room"],
    "departure": ["when it leaves", "the time of leaving", "when the trip begins"],
    "arrival": ["when it arrives", "the time of arriving", "when the trip ends"],
    "destination": ["the place to which it goes", "where the trip ends", "where it is going to"],
    "origin": ["the place from which it comes", "where the trip begins", "where it comes from"],
    "tracking number": ["the number to follow the parcel with", "identifier of the parcel", "the number of the parcel"],
    "carrier": ["the company that transports the goods", "who transports it", "the company that delivers"],
    "quantity": ["how many there are", "the number of pieces", "how many pieces"],
    "unit price": ["the price of one piece", "what one piece costs", "cost of each piece"],
    "serial number": ["the number of this one device", "the maker's number of the device", "identifier of the device"],
    "deadline": ["the date by which it must be done", "the last day to finish", "until when it has to be ready"],
    "status": ["the state it is in", "how far it has come", "in which state it is"],
    "meter reading": ["what the meter shows", "the count on the meter", "the value read from the meter"],
    "contract number": ["the number of the contract", "identifier of the contract", "which contract it is, as a number"],
    "monthly rent": ["what the flat costs each month", "the rent for a month", "how much rent is paid every month"],
    "deposit": ["the money paid as security", "how much is paid in advance", "the security"],
    "tenant": ["the person who rents", "who rents the flat", "the one who pays rent"],
    "landlord": ["the owner who lets the flat", "who lets the flat", "the one who gets the rent"],
    "license plate": ["the registration of the car", "the number on the car's plate", "registration number of the vehicle"],
    "interest rate": ["the percentage paid for the loan", "the yearly interest in percent", "how much interest is paid"],
    "loan amount": ["how much money is lent", "the sum of the loan", "the money that was borrowed"],
    "cashier": ["the person at the till", "who took the money", "who was at the checkout"],
    "transaction id": ["the code of the transaction", "identifier of the transaction", "which transaction it is"],
    "approved by": ["the person who approved it", "who gave approval", "who agreed to it"],
    "prepared by": ["the person who wrote it", "who prepared it", "who made it ready"],
    "temperature": ["how warm it is", "the degrees that were measured", "the warmth"],
}

EXTRACT = [
    "Extract {n}",
    "Extract {n}.",
    "Extract the field {n}.",
    'Extract "{n}"',
    "Extract: {n}",
    "Field: {n}",
    "Field {n}:",
    "Return {n}.",
    "Return the field {n}.",
    "Get {n}",
    "{n} = ?",
    "{n}?",
    "Value of {n}:",
    "Fill in: {n}",
    "key: {n}",
    "`{n}`",
]
TYPED = ["{n} ({t})", "{n} ({t})", "{n}: {t}", "{n} : {t}", "{n} [{t}]", "{n}, {t}", '"{n}": {t}', "{n} - {t}", "{n} <{t}>", "Extract {n} ({t})", "Extract the {t} {n}.", "{n} (type: {t})"]
DESCRIBED = ["{d}", "{D}", "{D}.", "What is {d}?", "Find {d}.", "Extract {d}.", "Give {d}.", "{n}: {d}", "{n} - {d}", "{n} ({d})"]


def words_of(label: str) -> list[str]:
    return re.findall(r"[^\W_]+", label)


def key_of(r: random.Random, label: str) -> str:
    """A label as a key of a schema."""
    words = [w.lower() for w in words_of(label)] or [label]
    t = r.random()
    if t < 0.6:
        return "_".join(words)
    if t < 0.75:
        return words[0] + "".join(w.capitalize() for w in words[1:])
    if t < 0.83:
        return "".join(w.capitalize() for w in words)
    return "-".join(words) if t < 0.92 else "_".join(words).upper()


def types_of(value: str) -> list[str]:
    """Names of types that a schema could give a field with this value."""
    if number_in(value) is not None:
        return ["number", "number", "amount", "string"] if "." in value or "," in value else ["integer", "number", "string"]
    if value[:1] in "$€£" or value[-3:] in ("EUR", "USD", "GBP", "CHF"):
        return ["amount", "money", "number", "string"]
    if re.search(r"(19|20)\d\d", value) and re.search(r"[/.\-, ]", value):
        return ["date", "date", "string"]
    return ["string", "string", "text"]


def description_of(r: random.Random, label: str, held_out: bool = False) -> str | None:
    found = DESCRIPTIONS.get(label.lower())
    return None if found is None else found[-1] if held_out else r.choice(found[:-1])


def as_schema(r: random.Random, label: str, value: str, held_out: bool = False) -> str:
    """The field as a schema or a form would name it. held_out: with the descriptions that are kept for evaluation."""
    name = r.choice([label, label, label.lower(), key_of(r, label), key_of(r, label), key_of(r, label)])
    kind = r.choice(types_of(value) if value != "not stated" else types_of(values.value(r, label)))
    description = description_of(r, label, held_out)
    t = r.random()
    if description and t < 0.5:
        return r.choice(DESCRIBED).format(n=name, d=description, D=description[0].upper() + description[1:])
    if t < 0.7:
        return name if r.random() < 0.55 else r.choice(EXTRACT).format(n=name)
    return r.choice(TYPED).format(n=name, t=kind) if t < 0.95 else r.choice(EXTRACT).format(n=name)
