"""The sample documents of `make demo`: what is committed is what the generator makes, and the known answers stand in it."""

import csv

import pypdfium2
import pytest
import torch

from madakv_training import demo_score
from madakv_training.config import MODELS
from madakv_training.demo_documents import DOCUMENTS, FOLDER, NOT_STATED, QUESTIONS, write
from madakv_training.export import export_model
from madakv_training.model import Reader


def rows() -> list[dict[str, str]]:
    with (FOLDER / "questions.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def texts(name: str) -> list[str]:
    """The text of each page."""
    document = pypdfium2.PdfDocument(FOLDER / name)
    try:
        return [page.get_textpage().get_text_range() for page in document]
    finally:
        document.close()


def test_the_generator_makes_what_is_committed(tmp_path):
    write(tmp_path)
    made = {f.name: f.read_bytes() for f in tmp_path.iterdir()}
    committed = {f.name: f.read_bytes() for f in FOLDER.iterdir() if f.suffix in (".pdf", ".csv")}
    assert made.keys() == committed.keys()
    assert [name for name in made if made[name] != committed[name]] == []
    assert sum(len(content) for content in committed.values()) < 400_000


def test_questions_have_their_own_ids_and_a_document():
    assert 24 <= len(rows()) <= 28
    assert len({r["custom_id"] for r in rows()}) == len(rows())
    assert {r["file"] for r in rows()} == set(DOCUMENTS)
    assert sum(r["answer"] == NOT_STATED for r in rows()) == 2


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["custom_id"])
def test_the_answer_is_what_the_document_says(row):
    pages = texts(row["file"].replace("-scan", ""))
    subject = row["question"].removesuffix("?").split(" the ")[-1]
    if row["answer"] == NOT_STATED:
        assert not any(subject in page.lower() for page in pages)
    elif row["answer"] == "yes":
        assert subject.removeprefix("driver ") in pages[0]
    elif row["question"].startswith("On which page"):
        assert [str(i) for i, page in enumerate(pages, 1) if subject in page.replace("\r\n", " ")] == [row["answer"]]
    else:
        found = " ".join(pages).replace("\r\n", " ")
        assert row["answer"] in found if len(row["answer"]) < 4 else found.count(row["answer"]) == 1


def test_a_scan_has_no_text():
    assert texts("invoice-scan.pdf") == [""]


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if "scan" not in name])
def test_text_is_of_ten_points_at_least(name):
    document = pypdfium2.PdfDocument(FOLDER / name)
    for page in document:
        text = page.get_textpage()
        sizes = {round(pypdfium2.raw.FPDFText_GetFontSize(text.raw, i), 1) for i in range(text.count_chars()) if text.get_text_range(i, 1).strip()}
        assert min(sizes) >= 10
    document.close()


def test_the_readme_counts_pages_tokens_and_questions():
    lines = (FOLDER / "README.md").read_text(encoding="utf-8").splitlines()
    listed = {cells[0].strip("`"): cells[2:] for line in lines if line.startswith("| `") and (cells := [cell.strip() for cell in line.strip("|").split("|")])}
    for name in DOCUMENTS:
        grids = [page.grid for page in demo_score.pages_of((FOLDER / name).read_bytes())]
        tokens = sum(height * width for height, width in grids)
        assert listed[name] == [str(len(grids)), f"{tokens:,}", str(sum(row["file"] == name for row in rows()))]


def test_score_counts_exact_answers(tmp_path, monkeypatch, capsys):
    export_model(Reader(MODELS["tiny"]).eval(), tmp_path, dtype=torch.float32)
    known = {question: answer for _, _, question, answer in QUESTIONS}
    monkeypatch.setattr(demo_score.infer, "answer", lambda model, episode, question: "7194" if question == "What is the delivery number?" else known[question] + "\n")
    right = demo_score.score(tmp_path)
    assert right.count(False) == 1
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines() if line.startswith("wrong")] == ["delivery-number"]
