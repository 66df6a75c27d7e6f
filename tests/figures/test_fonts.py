"""Names in scripts that matplotlib's own font lacks."""

from types import SimpleNamespace

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib.font_manager import fontManager

import tokenspace as ts
from tokenspace import figures
from tokenspace.figures import fonts

NAME = "\U00013000\U00013001"  # hieroglyphs


@pytest.fixture
def fresh():
    """A machine with matplotlib's own fonts; nothing is remembered of them, before and after."""
    caches = (fonts._family_of, fonts._characters, fonts._say_lacking)
    known = list(fontManager.ttflist)
    fontManager.ttflist[:] = [entry for entry in known if "mpl-data" in entry.fname]
    for cache in caches:
        cache.cache_clear()
    yield
    fontManager.ttflist[:] = known
    for cache in caches:
        cache.cache_clear()


def drawn():
    result = ts.measure(np.random.default_rng(0).standard_normal((4, 6, 3)), pairs="all")
    shown = [(SimpleNamespace(label=NAME, name="a", model=NAME, part="p", layer=0), result)]
    figure = figures.draw("tokens_within", shown)
    figure.canvas.draw()
    return figure.get_suptitle(), figure._suptitle.get_fontfamily()


@pytest.mark.filterwarnings("error:Glyph")
def test_without_a_font_it_is_said_once(fresh, recwarn):
    for _ in range(2):
        title, _ = drawn()
        assert title.endswith(f": {fonts.UNKNOWN * 2}")
    (said,) = [str(w.message) for w in recwarn if w.category is UserWarning]
    assert "no font of this machine" in said


@pytest.mark.filterwarnings("error::UserWarning", "ignore::DeprecationWarning")  # of libraries
def test_a_font_of_the_machine_is_used(fresh, tmp_path):
    builder = FontBuilder(1000, isTTF=True)
    pen = TTGlyphPen(None)
    for step, x in ((pen.moveTo, 0), (pen.lineTo, 500), (pen.lineTo, 250)):
        step((x, 700 * (x == 250)))
    pen.closePath()
    glyph = pen.glyph()
    builder.setupGlyphOrder([".notdef", "a"])
    builder.setupCharacterMap(dict.fromkeys(map(ord, NAME), "a"))
    builder.setupGlyf({".notdef": glyph, "a": glyph})
    builder.setupHorizontalMetrics(dict.fromkeys([".notdef", "a"], (600, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Private", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(tmp_path / "private.ttf")
    fontManager.addfont(tmp_path / "private.ttf")
    title, family = drawn()
    assert title.endswith(f": {NAME}") and family == [fonts.USUAL, "Private"]
