"""Classes by name: those of tokenspace, those of installed packages, those that the user names.

A configuration or a stored result says "exponential"; this is the only place that knows which class
that is. Nothing is ever imported because a file says so: a name is looked up among

- the modules of a room's own package (a new file there is found by itself),
- entry points of installed packages, group "tokenspace.<room>", loaded when they are named,
- classes registered by `register`, in a module that the person at the keyboard named (`--plugin`).
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import importlib
import inspect
import os
import pkgutil
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, entry_points
from types import CodeType, ModuleType
from typing import Any, TypeVar, overload

from tokenspace.errors import InputError

Item = TypeVar("Item", bound=Callable[..., Any])

OURS = ("tokenspace", "tokenspace_kernels", "tokenspace_benchmarks")


class Registry:
    """One room: a kind of class ("position", "law", ...) and the package that holds ours."""

    def __init__(self, room: str, package: str) -> None:
        self.room, self.package = room, package
        self._items: dict[str, Callable[..., Any]] = {}
        self._offered: dict[str, EntryPoint] | None = None
        self._complete = self._loading = False
        self._lock = threading.RLock()

    def add(self, name: str, item: Callable[..., Any]) -> None:
        """Make an item known under a name.

        Raises:
            InputError: it is not what the room needs, or the name belongs to another class already.
        """
        self._require_fit(name, item)
        if not is_ours(item):
            self._load_ours()  # else ours, loaded late, would be blamed for its name
        known = self._items.get(name)
        if known is not None and _place(known) != _place(item):
            raise InputError(
                f"the {self.room} name {name!r} belongs to {'.'.join(_place(known))} already; "
                f"register {'.'.join(_place(item))} under another name"
            )
        self._items[name] = item
        if not is_ours(item):
            source_digest(item)  # of the source as it is now, not as it may be edited later

    def names(self) -> tuple[str, ...]:
        """Every name that can be asked for: ours, those of plugins, those of installed packages."""
        self._load_ours()
        return tuple(dict.fromkeys([*self._items, *self._entry_points()]))

    def find(self, name: str) -> Any:
        """The class (or function) of that name.

        Raises:
            InputError: no such name, with the nearest and all that are known; or an installed
                package that offers it cannot be imported.
        """
        self._load_ours()
        if name not in self._items and name in (offered := self._entry_points()):
            try:
                with contextlib.redirect_stdout(sys.stderr):
                    item = offered[name].load()
                self.add(name, item)
            except KeyboardInterrupt:
                raise
            except (
                BaseException
            ) as error:  # also SystemExit, which would end the command in silence
                raise InputError(
                    f"{self.room} model {name!r} of the installed package "
                    f"{offered[name].value!r} cannot be loaded: {_why(error)}"
                ) from None
        if name not in self._items:
            raise InputError(self._unknown(name))
        return self._items[name]

    def items(self) -> Iterator[tuple[str, Any]]:
        """(name, class) of everything that is known; an installed one that fails is left out."""
        for name in self.names():
            try:
                item = self.find(name)
            except InputError as error:
                warnings.warn(str(error), stacklevel=2)
                continue
            yield name, item

    def name_of(self, item: Any) -> str | None:
        """The name under which a class is registered, None when it is not."""
        self._load_ours()
        for name, known in self._items.items():
            if known is item:
                return name
        value = ":".join(_place(item))  # offered by a package, and not asked for by name yet
        return next((k for k, e in self._entry_points().items() if e.value == value), None)

    def _unknown(self, name: str) -> str:
        near = difflib.get_close_matches(name, self.names(), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        text = f"{name!r} is not a {self.room} model{hint} Known: {', '.join(self.names())}"
        if ":" in name:
            text += (
                ". A class of your own is named by what @tokenspace.register calls it, and its "
                "module by --plugin MODULE on the command line; files name no code to run"
            )
        else:
            text += ". One of your own needs --plugin MODULE"
        return text

    def _require_fit(self, name: str, item: Any) -> None:
        made = self.room == "branches" and inspect.isfunction(item)  # a function that makes them
        if not made and not (isinstance(item, type) and getattr(item, "room", None) == self.room):
            raise InputError(
                f"register: {item!r} is not what the room {self.room!r} needs: a class whose "
                f"`room` is {self.room!r}, as a subclass of its base class has"
            )
        if not isinstance(name, str) or not name:
            raise InputError(f"register: name = {name!r} is not allowed; it must be a word")
        if name == "auto" and self.room in ("sampler", "scaling", "family"):
            raise InputError(f"the {self.room} name 'auto' is reserved: it lets tokenspace choose")

    def _load_ours(self) -> None:
        if self._complete:
            return
        with self._lock:  # other threads wait; this one comes back, as modules register themselves
            if self._complete or self._loading:
                return
            self._loading = True
            try:
                package = importlib.import_module(self.package)
                for module in pkgutil.iter_modules(package.__path__):
                    importlib.import_module(f"{self.package}.{module.name}")
                self._complete = True
            finally:
                self._loading = False

    def _entry_points(self) -> dict[str, EntryPoint]:
        if self._offered is None:  # a look at all installed packages, which takes milliseconds
            self._offered = {e.name: e for e in entry_points(group=f"tokenspace.{self.room}")}
        return self._offered


ROOMS: dict[str, Registry] = {
    "position": Registry("position", "tokenspace.covariance.positions"),
    "branches": Registry("branches", "tokenspace.covariance.branches"),
    "features": Registry("features", "tokenspace.covariance.features"),
    "law": Registry("law", "tokenspace.covariance.laws"),
    "sampler": Registry("sampler", "tokenspace.sampling.samplers"),
    "family": Registry("family", "tokenspace.tokens.families"),
    "scaling": Registry("scaling", "tokenspace.scaling.laws"),
    "figure": Registry("figure", "tokenspace.figures.library"),
}


@overload
def register(item: Item) -> Item: ...
@overload
def register(
    item: None = None, *, name: str | None = None, room: str | None = None
) -> Callable[[Item], Item]: ...


def register(
    item: Item | None = None, *, name: str | None = None, room: str | None = None
) -> Item | Callable[[Item], Item]:
    """Decorator that makes a class known by a name, to configurations and the command line.

    Args:
        item: the class; left out when name or room are given.
        name: by default the class's name in lower case with underscores.
        room: one of ROOMS; by default the `room` of the class (a `Covariance` is a "position").

    Raises:
        InputError: it belongs to no room, is not what the room needs, or the name is taken by
            another class.
    """

    def add(what: Item) -> Item:
        where = room or getattr(what, "room", None)
        if where not in ROOMS:
            raise InputError(
                f"register: {what!r} belongs to no room; subclass Covariance, Features or "
                f"TokenLaw, or say room=, one of {', '.join(ROOMS)}"
            )
        ROOMS[where].add(_snake(getattr(what, "__name__", "")) if name is None else name, what)
        return what

    return add if item is None else add(item)


_plugins: list[str] = []


def load_plugin(module: str) -> ModuleType:
    """Import a module that the user named, so that the classes it registers are known.

    It may lie in the folder where the command is given. What it prints goes to stderr, since
    stdout is for results.

    Raises:
        InputError: it cannot be imported.
    """
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # last, so that nothing there stands for another module
    try:
        with contextlib.redirect_stdout(sys.stderr):
            loaded = importlib.import_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # also SystemExit, which would end the command in silence
        raise InputError(f"plugin {module!r} cannot be imported: {_why(error)}") from None
    if module not in _plugins:
        _plugins.append(module)
    return loaded


def plugins() -> tuple[str, ...]:
    """Modules loaded by `load_plugin`, which worker processes load too."""
    return tuple(_plugins)


def is_ours(item: Any) -> bool:
    """Whether a class is defined in tokenspace itself."""
    return item.__module__.partition(".")[0] in OURS


_digests: dict[Any, str] = {}


def source_digest(item: Any) -> str:
    """Hash of the source of the module that defines a class: it changes when the class may have.

    A class typed at a prompt has no file; then the code of its methods is hashed.
    """
    if item not in _digests:
        try:
            text = inspect.getsource(sys.modules[item.__module__])
        except (OSError, TypeError, KeyError):
            text = repr([(k, _code_of(v)) for k, v in sorted(vars(item).items())])
        _digests[item] = hashlib.sha256(text.encode()).hexdigest()[:16]
    return _digests[item]


def _code_of(value: Any) -> Any:
    """What a function, a property or a number says, without addresses and in a fixed order."""
    for name in ("__func__", "fget", "func", "__code__"):
        if hasattr(value, name):
            return _code_of(getattr(value, name))
    if isinstance(value, CodeType):
        return value.co_code.hex(), value.co_names, [_code_of(c) for c in value.co_consts]
    if isinstance(value, frozenset):
        return sorted(map(repr, value))
    return value if isinstance(value, (str, int, float, complex, tuple, type(None))) else None


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _why(error: BaseException) -> str:
    return str(error) if isinstance(error, Exception) else f"it raised {error!r}"


def _place(item: Any) -> tuple[str, str]:
    return item.__module__, item.__qualname__
