"""python -m madakv_training.demo_documents [OUT]: the sample documents of `make demo`, with their questions and answers.

Everyday business documents, made by reportlab in layouts of their own (not by the drawing code of the training pages). The same versions of reportlab, pypdfium2 and
Pillow give the same bytes. With --score MODEL nothing is written: a model answers the questions, by the training module.
"""

from __future__ import annotations

import argparse
import csv
import io
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A5, B6
from reportlab.lib.units import mm

from . import pdf
from .demo_sheet import BLACK, GREY, LIGHT, WHITE, Sheet

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "demo"
NOT_STATED = "not stated"
SCAN_DPI = 150


def invoice() -> bytes:
    """Fields on the right, a table with totals; its font is embedded, so that its scan depends on no font of the system."""
    teal, pale = HexColor("#0f5c63"), HexColor("#e7f0f0")
    s = Sheet(*A5, "Invoice HT-4827", "Harbor Trading Ltd")
    left, right = 32, s.width - 32
    s.box(left, 32, 34, 34, fill=teal, radius=6)
    for dy in (12, 19, 26):
        s.curve(left + 6, 32 + dy, [(4, -6, 7, -6, 11, 0), (15, 6, 18, 6, 22, 0)], WHITE, 1.8)
    s.text(left + 43, 47, "Harbor Trading Ltd", "VeraBd", 14, teal)
    s.text(left + 43, 62, "8 Canal Street, Bristol", "Vera", 10.5, GREY)
    s.text(right, 49, "INVOICE", "VeraBd", 19, teal, "right")
    s.rule(left, 82, right, teal, 1.2)

    s.text(left, 105, "Bill To", "VeraBd", 11, teal)
    for i, line in enumerate(["Northgate School", "27 Castle Road", "Exeter"]):
        s.text(left, 121 + 15 * i, line, "Vera", 10.5)
    fields = [("Invoice Number", "HT-4827"), ("Invoice Date", "14 March 2025"), ("Due Date", "13 April 2025"), ("Order Number", "PN-3365")]
    s.fields(190, 105, right, fields, "VeraBd", "Vera", 10, 17, right=True)

    rows = [
        ["Description", "Qty", "Unit Price", "Amount"],
        ["Desk lamp", "6", "34.50", "207.00"],
        ["Office chair", "4", "129.00", "516.00"],
        ["Copy paper", "12", "21.75", "261.00"],
        ["Wall clock", "3", "18.20", "54.60"],
    ]
    style = [
        ("FONT", (0, 0), (-1, 0), "VeraBd", 10.5), ("FONT", (0, 1), (-1, -1), "Vera", 10.5), ("ALIGN", (1, 0), (-1, -1), "RIGHT"),
        ("BACKGROUND", (0, 0), (-1, 0), pale), ("TEXTCOLOR", (0, 0), (-1, 0), teal), ("LINEBELOW", (0, 0), (-1, 0), 1, teal), ("LINEBELOW", (0, 1), (-1, -1), 0.5, LIGHT),
    ]  # fmt: skip
    y = s.table(left, 190, rows, [right - left - 215, 45, 90, 80], 22, style)

    s.fields(206, y + 24, right - 6, [("Subtotal", "£1,038.60"), ("VAT (20%)", "£207.72")], "Vera", "Vera", 10.5, 18, right=True)
    s.rule(206, y + 50, right, teal, 1)
    s.fields(206, y + 67, right - 6, [("Total Amount", "£1,246.32")], "VeraBd", "VeraBd", 11.5, 18, right=True)

    y += 116
    s.text(left, y, "Payment", "VeraBd", 11, teal)
    fields = [("Payment Terms:", "30 days net"), ("Payment Method:", "Bank transfer"), ("Bank:", "Severn Bank PLC"), ("Sort Code:", "40-27-83")]
    s.fields(left, y + 18, left + 118, fields, "Vera", "Vera", 10.5, 17)
    s.rule(left, s.height - 48, right, teal, 1.2)
    s.text(s.width / 2, s.height - 31, "Thank you for your business.", "Vera", 10.5, GREY, "center")
    return s.pdf()


def receipt() -> bytes:
    """The roll of a cash register, 80 mm wide."""
    font, bold, size = "Helvetica", "Helvetica-Bold", 11
    s = Sheet(80 * mm, 127 * mm, "Receipt", "Corner Bakery")
    left, right, middle = 14, 80 * mm - 14, 40 * mm
    s.text(middle, 32, "CORNER BAKERY", bold, 15, align="center")
    s.text(middle, 50, "12 Mill Lane, Bath", font, size, align="center")
    s.text(middle, 64, "Tel 01632 960418", font, size, align="center")
    s.rule(left, 76, right, BLACK, 0.8, (3, 2))
    y = s.fields(left, 93, left + 88, [("Receipt No:", "R-58273"), ("Date:", "08/11/2025"), ("Time:", "09:42"), ("Cashier:", "Nina Weber")], font, font, size, 15)
    s.rule(left, y - 5, right, BLACK, 0.8, (3, 2))
    y += 12
    rows = [("Item", "Qty", "Price"), ("Sourdough", "1", "4.80"), ("Croissant", "3", "6.90"), ("Oat biscuit", "2", "5.00"), ("Flat white", "2", "7.60")]
    for i, (item, quantity, price) in enumerate(rows):
        face = font if i else bold
        s.text(left, y, item, face, size)
        s.text(left + 125, y, quantity, face, size, align="right")
        s.text(right, y, price, face, size, align="right")
        y += 16
    s.rule(left, y - 6, right, BLACK, 0.8, (3, 2))
    s.fields(left, y + 13, right, [("Total", "24.30")], bold, bold, 13, 18, right=True)
    y = s.fields(left, y + 32, right, [("Cash", "30.00"), ("Change", "5.70")], font, font, size, 15, right=True)
    s.rule(left, y - 5, right, BLACK, 0.8, (3, 2))
    s.text(middle, y + 14, "Thank you!", font, size, align="center")
    s.text(middle, y + 29, "Open daily from 7 am", font, size, align="center")
    return s.pdf()


def form() -> bytes:
    """Boxes with the label above the value."""
    blue, pale = HexColor("#27406b"), HexColor("#eef1f7")
    s = Sheet(*A5, "Membership Application", "Elm Park Sports Club")
    left, wide = 30, s.width - 60
    s.box(0, 0, s.width, 66, fill=blue)
    s.text(left, 31, "Elm Park Sports Club", "Helvetica", 12, WHITE)
    s.text(left, 52, "Membership Application", "Helvetica-Bold", 18, WHITE)

    def section(y: float, title: str) -> None:
        s.text(left, y, title, "Helvetica-Bold", 12, blue)

    def boxes(y: float, fields: list[tuple[str, str]]) -> None:
        width = wide / len(fields)
        for i, (label, value) in enumerate(fields):
            s.box(left + i * width, y, width, 42, edge=GREY)
            s.text(left + i * width + 8, y + 15, label, "Helvetica", 10.5, GREY)
            s.text(left + i * width + 8, y + 33, value, "Helvetica", 12)

    section(92, "Applicant")
    boxes(100, [("First Name", "Clara"), ("Last Name", "Hartmann")])
    boxes(142, [("Date of Birth", "23.07.1991"), ("Phone", "01632 960534")])
    boxes(184, [("Street", "46 Meadow Lane"), ("City", "Norwich")])
    boxes(226, [("Email", "clara.hartmann@post.example")])
    section(296, "Membership")
    boxes(304, [("Membership Type", "Family"), ("Member Number", "M-29461")])
    boxes(346, [("Start Date", "01.09.2025"), ("Monthly Fee", "42.50 EUR")])
    boxes(388, [("Payment Method", "Direct debit"), ("Trainer", "Paul Jensen")])
    section(458, "Signature")
    s.box(left, 466, wide, 80, fill=pale, edge=GREY)
    ink = HexColor("#1d2f8a")
    s.curve(left + 20, 516, [(8, -44, 20, -30, 8, 2), (22, -14, 24, -14, 25, -2), (30, -24, 34, -20, 33, 0), (40, -14, 42, -12, 44, -1), (50, -9, 54, -15, 55, -2)], ink, 1.3)
    s.curve(left + 86, 518, [(4, -40, 8, -34, 4, 0), (8, -26, 16, -30, 18, -34), (16, -10, 14, 0, 20, -2), (28, -16, 30, -8, 34, -4), (44, -16, 52, 4, 70, -8)], ink, 1.3)
    s.rule(left + 14, 523, left + 170, GREY)
    s.text(left + 14, 536, "Applicant", "Helvetica", 10.5, GREY)
    s.text(left + 196, 518, "12.08.2025", "Helvetica", 12)
    s.rule(left + 196, 523, left + wide - 14, GREY)
    s.text(left + 196, 536, "Signed On", "Helvetica", 10.5, GREY)
    s.text(s.width / 2, 573, "Please return this form to the front desk.", "Helvetica", 10.5, GREY, "center")
    return s.pdf()


def delivery_note() -> bytes:
    """A letter with the fields and the table of a delivery note."""
    green = HexColor("#2f5d34")
    s = Sheet(*A5, "Delivery Note", "Fenwick & Sons")
    left, right = 36, s.width - 36
    s.text(s.width / 2, 44, "Fenwick & Sons", "Times-Bold", 20, green, "center")
    s.text(s.width / 2, 61, "Nursery and Garden Supplies, York", "Times-Italic", 12, GREY, "center")
    s.rule(left, 72, right, green, 1.4)
    s.rule(left, 75, right, green, 0.5)
    for i, line in enumerate(["Hotel Belmont", "Ms. Anna Keller", "5 Abbey Square", "Leeds"]):
        s.text(left, 102 + 15 * i, line, "Times-Roman", 12)
    s.text(right, 102, "3 June 2025", "Times-Roman", 12, align="right")
    s.text(left, 182, "Delivery Note", "Times-Bold", 15, green)
    fields = [("Delivery Number:", "DN-7194"), ("Delivery Date:", "5 June 2025"), ("Carrier:", "Swift Logistics"), ("Driver:", "Marek Novak")]
    y = s.fields(left, 203, left + 106, fields, "Times-Bold", "Times-Roman", 12, 17)
    y = s.paragraph(left, y, right - left, "Dear Ms. Keller,<br/>thank you for your order. The goods below leave our depot tomorrow. Please check them on arrival.", "Times-Roman", 12, 15.5)
    rows = [
        ["Article", "Quantity", "Weight"],
        ["Rose bush", "24", "86 kg"],
        ["Garden soil", "15", "375 kg"],
        ["Clay pot", "40", "112 kg"],
        ["Watering can", "8", "11 kg"],
    ]
    style = [("FONT", (0, 0), (-1, 0), "Times-Bold", 12), ("FONT", (0, 1), (-1, -1), "Times-Roman", 12), ("ALIGN", (1, 0), (-1, -1), "RIGHT"), ("GRID", (0, 0), (-1, -1), 0.6, GREY)]
    y = s.table(left, y + 14, rows, [right - left - 160, 80, 80], 22, style)
    y = s.fields(left, y + 24, left + 106, [("Total Weight:", "584 kg"), ("Packages:", "7")], "Times-Bold", "Times-Roman", 12, 17)
    s.text(left, y + 13, "Kind regards,", "Times-Roman", 12)
    s.curve(left + 4, y + 42, [(6, -30, 22, -26, 12, -4), (6, 8, 16, 4, 24, -6), (30, -14, 32, 2, 38, -4), (46, -14, 50, 2, 58, -4), (70, -12, 78, 0, 96, -8)], HexColor("#22304f"), 1.2)
    s.text(left, y + 60, "Thomas Fenwick", "Times-Roman", 12)
    return s.pdf()


def report() -> bytes:
    """Three pages with headings, running text, a chart, a table and a list of contacts."""
    plum, pale = HexColor("#5b2a52"), HexColor("#f3ecf2")
    s = Sheet(*B6, "Annual Report 2024", "Riverside Museum Trust")
    left, right = 30, s.width - 30
    wide = right - left

    def page(number: int, title: str, y: float) -> float:
        s.text(left, y, title, "Helvetica-Bold", 14, plum)
        s.rule(left, s.height - 40, right)
        s.text(left, s.height - 24, "Riverside Museum Trust", "Helvetica", 10, GREY)
        s.text(right, s.height - 24, f"Page {number} of 3", "Helvetica", 10, GREY, "right")
        return y + 10

    def body(y: float, *paragraphs: str) -> float:
        for text in paragraphs:
            y = s.paragraph(left, y, wide, text, "Helvetica", 11.5, 17) + 9
        return y

    s.box(0, 0, s.width, 92, fill=plum)
    s.text(left, 45, "Annual Report 2024", "Helvetica-Bold", 20, WHITE)
    s.text(left, 68, "Riverside Museum Trust", "Helvetica", 12, WHITE)
    y = page(1, "Summary", 124)
    y = body(
        y,
        "The museum was open on every day of the season. The number of visitors was 48,260, more than in any year before. The total income was £391,500.",
        "A new gallery for local painters opened in spring. The opening date was 18 May 2024. The curator of the gallery is Helen Marsh.",
    )
    s.text(left, y + 14, "Visitors by year", "Helvetica-Bold", 11.5, plum)
    base = y + 145
    for i, (year, height) in enumerate([("2020", 31), ("2021", 48), ("2022", 77), ("2023", 93), ("2024", 113)]):
        x = left + (i + 0.5) * wide / 5 - 18
        s.box(x, base - height, 36, height, fill=plum if year == "2024" else HexColor("#c9b3c5"))
        s.text(x + 18, base + 13, year, "Helvetica", 10, GREY, "center")
    s.rule(left, base, right, GREY)

    s.next_page()
    y = page(2, "Exhibitions", 46)
    y = body(y, "Four exhibitions were shown. The table gives their length, the attendance and the income from tickets.")
    rows = [
        ["Exhibition", "Weeks", "Attendance", "Income"],
        ["Old Maps", "9", "8,140", "£40,700"],
        ["River Birds", "14", "13,925", "£69,600"],
        ["Glass Art", "6", "4,380", "£26,300"],
        ["Steam Trains", "17", "16,750", "£83,750"],
    ]
    style = [
        ("FONT", (0, 0), (-1, 0), "Helvetica-Bold", 11), ("FONT", (0, 1), (-1, -1), "Helvetica", 11), ("ALIGN", (1, 0), (-1, -1), "RIGHT"), ("BACKGROUND", (0, 0), (-1, 0), pale),
        ("LINEABOVE", (0, 0), (-1, 0), 1, plum), ("LINEBELOW", (0, 0), (-1, 0), 0.6, plum), ("LINEBELOW", (0, -1), (-1, -1), 1, plum),
    ]  # fmt: skip
    y = s.table(left, y + 2, rows, [wide - 200, 55, 80, 65], 23, style)
    y = body(
        y + 14,
        "Steam Trains was made together with the railway club. It will travel to Oxford next year.",
        "School classes came on 212 days. The education budget is £37,400 and was spent in full.",
        "Guided tours took place twice a week, in summer also in the evening.",
        "The museum shop sold more books than cards. The shop revenue was £58,900.",
    )

    s.next_page()
    y = page(3, "Outlook", 46)
    y = body(
        y,
        "Two exhibitions are planned, one about clocks and one about bridges.",
        "The roof of the east wing will be repaired in winter. The repair cost is £64,250, half of it paid by the city council.",
        "Next year the café moves to the garden house. The planned reopening date is 4 April 2025.",
    )
    s.text(left, y + 20, "Contacts", "Helvetica-Bold", 14, plum)
    contacts = [("Director", "Robert Lindgren"), ("Treasurer", "Maria Costa"), ("Auditor", "Dalton Partners"), ("Telephone", "01632 960273"), ("Email", "office@riverside.example")]
    s.fields(left, y + 44, left + 92, contacts, "Helvetica-Bold", "Helvetica", 11.5, 21)
    s.box(left, y + 156, wide, 54, fill=pale, radius=4)
    s.paragraph(left + 12, y + 165, wide - 24, "We thank all members and volunteers. Without their help the doors would stay closed.", "Helvetica", 11.5, 17)
    return s.pdf()


def scanned(document: bytes) -> bytes:
    """The first page of a document as an office scanner returns it: grey, a little askew, noisy, one JPEG image."""
    image = pdf.rasterise(document, SCAN_DPI)[0].convert("L").rotate(0.5, Image.Resampling.BICUBIC, fillcolor=255).filter(ImageFilter.GaussianBlur(0.4))
    pixels = np.array(image, np.float32) * (232 / 255) + 14
    pixels += np.random.default_rng(7).normal(0, 3, pixels.shape)
    out = io.BytesIO()
    day = time.struct_time((2025, 3, 17, 9, 30, 0, 0, 76, 0))
    scan = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    scan.save(out, "PDF", resolution=SCAN_DPI, quality=60, title="Scan", producer="Scanner", creationDate=day, modDate=day)
    return out.getvalue()


DOCUMENTS: dict[str, Callable[[], bytes]] = {
    "invoice.pdf": invoice,
    "receipt.pdf": receipt,
    "form.pdf": form,
    "delivery-note.pdf": delivery_note,
    "report.pdf": report,
    "invoice-scan.pdf": lambda: scanned(invoice()),
}

QUESTIONS = [  # custom_id, file, question, answer
    ("invoice-number", "invoice.pdf", "What is the invoice number?", "HT-4827"),
    ("invoice-due-date", "invoice.pdf", "Due date?", "13 April 2025"),
    ("invoice-total", "invoice.pdf", "What is the total amount?", "£1,246.32"),
    ("invoice-sort-code", "invoice.pdf", "Find the sort code.", "40-27-83"),
    ("invoice-chair-price", "invoice.pdf", "What is the unit price of Office chair?", "129.00"),
    ("invoice-discount", "invoice.pdf", "How much is the discount?", NOT_STATED),
    ("receipt-number", "receipt.pdf", "What is the receipt number?", "R-58273"),
    ("receipt-cashier", "receipt.pdf", "Who is the cashier?", "Nina Weber"),
    ("receipt-total", "receipt.pdf", "Total?", "24.30"),
    ("receipt-change", "receipt.pdf", "How much is the change?", "5.70"),
    ("receipt-croissant-price", "receipt.pdf", "What is the price of Croissant?", "6.90"),
    ("form-last-name", "form.pdf", "What is the last name?", "Hartmann"),
    ("form-birth-date", "form.pdf", "What is the date of birth?", "23.07.1991"),
    ("form-member-number", "form.pdf", "Give the member number.", "M-29461"),
    ("form-monthly-fee", "form.pdf", "How much is the monthly fee?", "42.50 EUR"),
    ("form-employer", "form.pdf", "What is the employer?", NOT_STATED),
    ("delivery-number", "delivery-note.pdf", "What is the delivery number?", "DN-7194"),
    ("delivery-carrier", "delivery-note.pdf", "Carrier?", "Swift Logistics"),
    ("delivery-soil-weight", "delivery-note.pdf", "What is the weight of Garden soil?", "375 kg"),
    ("delivery-driver-check", "delivery-note.pdf", "Is the driver Marek Novak?", "yes"),
    ("report-income", "report.pdf", "What is the total income?", "£391,500"),
    ("report-birds-attendance", "report.pdf", "In the table, what is the attendance for River Birds?", "13,925"),
    ("report-shop-revenue", "report.pdf", "What is the shop revenue?", "£58,900"),
    ("report-repair-page", "report.pdf", "On which page is the repair cost?", "3"),
    ("report-treasurer", "report.pdf", "Who is the treasurer?", "Maria Costa"),
    ("scan-invoice-number", "invoice-scan.pdf", "What is the invoice number?", "HT-4827"),
    ("scan-due-date", "invoice-scan.pdf", "When is the due date?", "13 April 2025"),
    ("scan-lamp-quantity", "invoice-scan.pdf", "What is the quantity of Desk lamp?", "6"),
]


def write(out: Path) -> None:
    """The documents and questions.csv."""
    out.mkdir(parents=True, exist_ok=True)
    for name, make in DOCUMENTS.items():
        (out / name).write_bytes(make())
    with (out / "questions.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["custom_id", "file", "question", "answer"])
        rows.writerows(QUESTIONS)


def main() -> None:
    p = argparse.ArgumentParser(prog="madakv_training.demo_documents", description=__doc__.splitlines()[0])
    p.add_argument("out", type=Path, nargs="?", default=FOLDER)
    p.add_argument("--score", type=Path, metavar="MODEL", help="exported folder or checkpoint file: let it answer the questions instead")
    args = p.parse_args()
    if args.score:
        from .demo_score import score  # torch is needed for this alone

        score(args.score)
    else:
        write(args.out)


if __name__ == "__main__":
    main()
