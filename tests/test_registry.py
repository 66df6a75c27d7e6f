"""A class is found by its name alone: ours, of installed packages, of the user's own."""

import threading
import time

import pytest

import tokenspace as ts
import tokenspace.sampling.samplers
from tokenspace import registry
from tokenspace.errors import InputError
from tokenspace.registry import ROOMS
from tokenspace.sampling.choose import choose


@pytest.fixture
def room(monkeypatch):
    """The room of positions, put back as it was afterwards."""
    position = ROOMS["position"]
    position.names()
    monkeypatch.setattr(position, "_items", dict(position._items))
    monkeypatch.setattr(position, "_offered", None)
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


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_takes_what_it_needs_only(room):
    base = ts.White if room != "position" else ts.Laplace
    for item in (base, object, type("Other", (), {}), 5, len):
        with pytest.raises(InputError, match=f"not what the room '{room}' needs"):
            ts.register(name="something", room=room)(item)
    assert "something" not in ROOMS[room].names()


@pytest.mark.parametrize("room", ["sampler", "scaling"])
def test_auto_is_no_name(room):
    with pytest.raises(InputError, match="'auto' is reserved"):
        ts.register(name="auto")(type("Own", (), {"room": room}))


def test_the_registered_name_of_a_sampler_wins(monkeypatch):
    samplers = ROOMS["sampler"]
    dense = samplers.find("dense")
    monkeypatch.setattr(samplers, "_items", dict(samplers._items))
    ts.register(name="mine")(type("Own", (dense,), {"name": "another", "__module__": "own"}))
    model = ts.TokenModel(ts.equicorrelated(0.2, 0.3, 0.1), ts.Isotropic(4))
    assert choose(model, 8, sampler="mine").prepare().name == "mine"
    assert choose(model, 8, sampler="dense").name == "dense"


def test_a_plugin_is_blamed_for_a_name_that_is_ours(monkeypatch):
    """Also when ours are not loaded yet."""
    late = registry.Registry("sampler", "tokenspace.sampling.samplers")
    ours = ROOMS["sampler"].find("dense")

    def load(name):
        if name.endswith(".dense"):
            late.add("dense", ours)
        return tokenspace.sampling.samplers

    monkeypatch.setattr(registry.importlib, "import_module", load)
    own = type("Dense", (), {"room": "sampler", "__module__": "plugged"})
    with pytest.raises(InputError, match=r"belongs to tokenspace\..*register plugged\.Dense under"):
        late.add("dense", own)


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
    with pytest.raises(InputError, match=r"--plugin MODULE"):
        ROOMS["position"].find("triangle")


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


def test_an_installed_sampler_that_fails_stops_nothing(monkeypatch):
    samplers = ROOMS["sampler"]
    samplers.names()
    monkeypatch.setattr(samplers, "_offered", None)

    class Broken:
        name, value = "broken", "elsewhere:Broken"

        def load(self):
            raise ImportError("no such thing")

    monkeypatch.setattr(registry, "entry_points", lambda group: [Broken()])
    with pytest.warns(UserWarning, match="'broken' of the installed package"):
        assert "broken" not in dict(samplers.items())


def test_threads_see_all_names():
    """The first to ask loads them, the others wait."""
    fresh = registry.Registry("position", "tokenspace.covariance.positions")
    fresh._items = dict.fromkeys(["white"], ts.White)
    started, seen = threading.Event(), []

    def load(name):
        started.set()
        time.sleep(0.05)
        return real(name)

    real = registry.importlib.import_module
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry.importlib, "import_module", load)
        first = threading.Thread(target=fresh.names)
        first.start()
        started.wait()
        second = threading.Thread(
            target=lambda: seen.append(fresh._complete or (fresh.names() and fresh._complete))
        )
        second.start()
        first.join()
        second.join()
    assert seen == [True]


def test_digest_of_a_class_without_a_file():
    """The same in every process, and different where a method, a property or a set differs."""
    source = (
        "class Own:\n    def f(self): return {{'a', 'b', 'c'}}.pop() if 0 in {set} else {number}\n"
    )

    def made(number, numbers="{1, 2}"):
        space = {"__name__": "__main_of_nobody__"}
        exec(source.format(number=number, set=numbers), space)
        return space["Own"]

    assert registry.source_digest(made(1)) == registry.source_digest(made(1))
    digests = {registry.source_digest(made(*x)) for x in ((1,), (2,), (1, "{1, 3}"))}
    assert len(digests) == 3


def test_the_folder_of_a_plugin_stands_for_no_other_module(tmp_path, monkeypatch):
    """A file there that is called like an installed package is not imported in its place."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry.sys, "path", list(registry.sys.path))
    (tmp_path / "own_plugin.py").write_text("")
    (tmp_path / "colorsys.py").write_text("raise SystemExit('imported')")
    registry.load_plugin("own_plugin")
    monkeypatch.delitem(registry.sys.modules, "colorsys", raising=False)
    assert hasattr(registry.importlib.import_module("colorsys"), "rgb_to_hsv")
