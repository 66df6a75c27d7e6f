"""A class is found by its name alone: ours, of installed packages, of the user's own."""

import pytest

import tokenspace as ts
from tokenspace import registry
from tokenspace.errors import InputError
from tokenspace.registry import ROOMS


@pytest.fixture
def room(monkeypatch):
    """The room of positions, put back as it was afterwards."""
    position = ROOMS["position"]
    position.names()
    monkeypatch.setattr(position, "_items", dict(position._items))
    return position


def test_ours_are_found_by_themselves():
    assert {"white", "exponential", "patch_grid"} <= set(ROOMS["position"].names())
    assert ROOMS["features"].find("power_law") is ts.PowerLawSpectrum
    assert ROOMS["law"].find("laplace") is ts.Laplace
    assert set(ROOMS["sampler"].names()) == {"collapsed", "dense", "partial_sums", "tokens"}
    assert set(ROOMS["branches"].names()) == {"branches", "equicorrelated", "shared_context"}


def test_own_class(room):
    @ts.register
    class MyOwnKernel(ts.Stationary):
        pass

    assert room.find("my_own_kernel") is MyOwnKernel
    assert room.name_of(MyOwnKernel) == "my_own_kernel"
    assert not registry.is_ours(MyOwnKernel) and registry.is_ours(ts.White)


def test_a_name_has_one_owner(room):
    with pytest.raises(
        InputError, match=r"belongs to tokenspace\.covariance\.positions\.white\.White"
    ):

        @ts.register(name="white")
        class Other(ts.Stationary):
            pass


def test_no_room():
    with pytest.raises(InputError, match="belongs to no room"):
        ts.register(object)


def test_entry_points_are_loaded_when_named(room, monkeypatch):
    loaded = []

    class Offered:
        name, value = "offered", "elsewhere:Offered"

        def load(self):
            loaded.append(self.value)
            return ts.White

    monkeypatch.setattr(
        registry, "entry_points", lambda group: [Offered()] * (group == "tokenspace.position")
    )
    assert "offered" in room.names() and loaded == []
    assert room.find("offered") is ts.White and loaded == ["elsewhere:Offered"]


def test_a_broken_package_is_named(room, monkeypatch):
    class Broken:
        name, value = "broken", "elsewhere:Broken"

        def load(self):
            raise ImportError("no such thing")

    monkeypatch.setattr(registry, "entry_points", lambda group: [Broken()])
    with pytest.raises(InputError, match=r"'elsewhere:Broken' cannot be loaded: no such thing"):
        room.find("broken")


@pytest.mark.parametrize("name", ["os:system", "../../evil:X", "subprocess:run", "os.system"])
def test_names_import_nothing(name, monkeypatch):
    monkeypatch.setattr(registry.importlib, "import_module", lambda *a: pytest.fail("imported"))
    with pytest.raises(InputError, match=r"is not a position model.*Known: "):
        ROOMS["position"].find(name)


def test_the_old_spelling_says_what_to_write():
    with pytest.raises(InputError, match=r"--plugin MODULE"):
        ROOMS["position"].find("mine:Triangle")


def test_source_decides_the_digest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for name, factor in (("own_first", 1), ("own_second", 2)):
        (tmp_path / f"{name}.py").write_text(
            f"class Own:\n    def f(self):\n        return {factor}\n"
        )
    first, second = (registry.load_plugin(n).Own for n in ("own_first", "own_second"))
    assert registry.source_digest(first) != registry.source_digest(second)
    assert {"own_first", "own_second"} <= set(registry.plugins())
    with pytest.raises(InputError, match="'no_such_module_here' cannot be imported"):
        registry.load_plugin("no_such_module_here")
