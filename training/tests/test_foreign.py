"""Pages of programs and kinds that training never sees: their text is the text that is asked for, and they look alike for a seed."""

import random
import shutil
from itertools import islice

import numpy as np
import pypdfium2
import pytest

from madakv_training import foreign_layouts, foreign_programs, sets
from madakv_training.content import Content, Fact, Table

AWKWARD = Content([Fact("Sales & loss", "50% of $1_000"), Fact("Ref #", r"{a}\b~c^d"), Fact("Owed", "€12.50 (£10)"), Fact("<b>", "x < y")], [Table(["Item", "Price"], [["R&D", "5%"]])])
NEEDS = {"PDF TeX": ["pdflatex"], "PDF LibreOffice": ["soffice", "libreoffice"], "PDF Chromium": foreign_layouts.CHROMIUM}


def text_of(document: bytes) -> str:
    pdf = pypdfium2.PdfDocument(document)
    pdf.init_forms()
    return "\n".join(page.get_textpage().get_text_range() for page in pdf)


@pytest.mark.parametrize("name", NEEDS)
def test_what_is_set_is_what_is_there(name):
    if not any(map(shutil.which, NEEDS[name])):
        pytest.skip(f"none of {', '.join(NEEDS[name])} is installed")
    page, program = sets.PRINTED[name]
    for seed in range(6):  # each way of a page, most likely
        text = " ".join(text_of(program([page(random.Random(seed), AWKWARD)])).split())
        assert all(f.label in text and f.value in text for f in AWKWARD.facts), (seed, text)
        assert "R&D" in text and "5%" in text
    pages = [p for e in islice(sets.episodes(name), 3) for p in e.parts]
    assert len({p.pixels.tobytes() for p in pages}) == 3


def test_forms_show_what_was_filled_in():
    for seed in range(4):
        content = Content([Fact("Name", "Ada Long"), Fact("Since", "1 May 2020")])
        document = foreign_programs.form(random.Random(seed), content)
        filled, empty = (foreign_programs.rasterise(d)[0] for d in (document, foreign_programs.form(random.Random(seed), Content([Fact(f.label, " ") for f in content.facts]))))
        assert (np.array(filled) != np.array(empty)).any(), "pages are drawn with their fields"


def test_paper_is_repeatable_and_of_every_kind():
    content = foreign_layouts.matter(random.Random(3), False, 8)
    looks = [foreign_programs.paper(random.Random(seed), content) for seed in range(12)]
    again = [foreign_programs.paper(random.Random(seed), content) for seed in range(12)]
    assert all(np.array_equal(np.array(a), np.array(b)) for a, b in zip(looks, again, strict=True))
    assert len({i.size for i in looks}) > 3
    episode = next(sets.episodes("photos and forms"))
    assert episode.asked and {a for _, a in episode.asked} <= {f.value for f in episode.parts[0].content.facts}
