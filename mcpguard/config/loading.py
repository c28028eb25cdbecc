"""From files and flags to `Settings`, and for each value who said it.

    preset < --policy FILE < the user's file      each with its `servers: NAME:` section on top
    then the system's file, which only tightens

`--policy` says what the user's file is laid over: it wins over the `preset:` in it, not over its
other keys.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from mcpguard.config.files import Places, places, text_of
from mcpguard.config.settings import Preset, Settings
from mcpguard.errors import PolicyError, UsageError
from mcpguard.model import Mode

if TYPE_CHECKING:  # without any file there is nothing to read, and no reader to import
    from mcpguard.config.reading import Document
    from mcpguard.config.rows import Values
    from mcpguard.lock.lockfile import Lockfile
    from mcpguard.policy.document import Node

__all__ = [
    "Loaded",
    "chosen_mode",
    "doubts",
    "load",
    "preset_values",
    "problems_of",
    "problems_of_all",
]

PRESETS: Final = Path(__file__).with_name("presets")
_WORDS: Final = tuple(each.value for each in Preset)
_STRENGTH: Final = (Mode.AUDIT_ONLY, Mode.FILTER_ONLY, Mode.ENFORCE)


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and where they come from.

    `files`: what was read, in the order in which it was laid. `values`: by path, as the reader of
    `config show` sees them; `floor`: what the system's file holds beside them (tools, rules).
    """

    settings: Settings
    files: tuple[Path, ...] = ()
    values: "Values" = field(default_factory=dict)
    floor: "Values" = field(default_factory=dict)

    @property
    def origins(self) -> Mapping[str, str]:
        """Key path -> `FILE:LINE`, `preset baseline`, `--policy strict`, `system FILE:LINE ...`.

        An entry of a list is `gateway.deny[0]`. Empty when nothing was read: all is `baseline`.
        """
        return {
            f"{'.'.join(path)}[{number}]" if many else ".".join(path): held.origin
            for path, row in self.values.items()
            for many in (_is_list(path),)
            for number, held in enumerate(row)
        }


def _is_list(path: tuple[str, ...]) -> bool:
    from mcpguard.config.rows import row_of

    return bool(row_of(path).many)


def load(
    config: Path | None = None,
    policy: str | None = None,
    server: str = "",
    *,
    where: Places | None = None,
    origins: bool = False,
) -> Loaded:
    """The settings for `server`, the lockfile's name of it (empty: none in particular).

    Args:
        config: The user's file; None: the one in the user's directory, if it is there.
        policy: A preset's word, or a file that stands in its place.
        server: Whose section under `servers` counts.
        where: The places of the files, for tests.
        origins: Read the preset though nothing differs from it, so that `origins` is whole.

    Raises:
        PolicyError: something in a file cannot be understood; the first such thing.
        UsageError: a file cannot be read, or is not there.
    """
    found = where or places()
    user = _text(config or found.user, required=config is not None)
    system = text_of(found.system)
    plain = policy is None or policy == Preset.BASELINE
    if user is None and system is None and plain and not origins:
        return Loaded(Settings())
    return _loaded(
        _Texts(
            user=None if user is None else (config or found.user, user),
            system=None if system is None else (found.system, system),
        ),
        policy,
        server,
    )


def chosen_mode(flag: Mode, settings: Settings) -> Mode:
    """The mode of a session: the flag's, else the settings', never below the system's.

    `flag`: `ENFORCE` when no flag was given. Raises UsageError for a flag below the floor.
    """
    mode = (settings.mode or Mode.ENFORCE) if flag is Mode.ENFORCE else flag
    if _STRENGTH.index(mode) < _STRENGTH.index(settings.floor):
        raise UsageError(
            f"--{mode} is not permitted: the system's file asks for {settings.floor} at least",
            hint="leave the flag out; `mcpguard config path` names the file",
        )
    return mode


def problems_of(path: Path, *, system: bool = False) -> list[PolicyError]:
    """Everything that is wrong with the file at `path`, alone. Raises UsageError.

    `system`: as the system's file. Each server's section is tried on top of the general one.
    """
    text = _text(path, required=True) or ""
    document = _read(path, text, system=system)
    if document.problems:
        return document.problems
    from mcpguard.config.rows import Held

    held: tuple[Held, ...] = document.values.get(("preset",), ())
    base = [preset_values(held[0].value if held else Preset.BASELINE)]
    found: dict[str, PolicyError] = {}
    for error in _wrong(base, document, system=system):
        found.setdefault(error.message, error)
    return list(found.values())


def problems_of_all(where: Places) -> list[tuple[Path, list[PolicyError]]]:
    """The files that are there, each with what is wrong with it; then what only both together are.

    Raises UsageError.
    """
    found: list[tuple[Path, list[PolicyError]]] = []
    servers = [""]
    for path, system in ((where.user, False), (where.system, True)):
        text = text_of(path)
        if text is not None:
            found.append((path, problems_of(path, system=system)))
            servers += _read(path, text, system=system).servers
    if any(wrong for _, wrong in found):
        return found
    try:
        for server in servers:
            load(server=server, where=where)
    except PolicyError as error:
        found.append((Path(error.source), [error]))
    return found


def doubts(
    path: Path, lock: "Lockfile | None" = None, approvers: int | None = None
) -> list[PolicyError]:
    """What in the usable file at `path` is probably not meant: `doubts_of`. Raises UsageError."""
    from mcpguard.config.doubts import doubts_of

    document = _read(path, _text(path, required=True) or "")
    return doubts_of([document.values, *document.servers.values()], lock, approvers)


def _wrong(base: "list[Values]", document: "Document", *, system: bool) -> Iterable[PolicyError]:
    """What only shows when the layers are put together."""
    from mcpguard.config.layers import laid, misfits, settings_of, tightened

    for server in ("", *document.servers):
        own = [document.values, document.servers.get(server, {})]
        try:
            if system:
                values, floor = laid(base), laid(own)
                settings_of(tightened(values, floor), floor)
            else:
                settings_of(laid([*base, *own]))
        except PolicyError as error:
            yield error
    yield from misfits([document.values, *document.servers.values()])


class _Texts(NamedTuple):
    """The files that exist, with their texts."""

    user: tuple[Path, str] | None
    system: tuple[Path, str] | None


def _loaded(texts: _Texts, policy: str | None, server: str) -> Loaded:
    from mcpguard.config.layers import laid, misfits, settings_of, tightened

    files: list[Path] = []
    documents: list[Document] = []
    word = policy if policy in _WORDS else None
    if policy is not None and word is None:
        path = Path(policy)
        text = _policy_text(path)
        files.append(path)
        documents.append(_whole(_read(path, text)))
    if texts.user is not None:
        files.append(texts.user[0])
        documents.append(_whole(_read(*texts.user)))
    base = _base(word, documents)
    layers, whole = [base], [base]
    for document in documents:
        general = {path: held for path, held in document.values.items() if path != ("preset",)}
        layers += [general, document.servers.get(server, {})]
        whole += [general, *document.servers.values()]
    values, floor = laid(layers), {}
    if texts.system is not None:
        files.append(texts.system[0])
        held = _whole(_read(*texts.system, system=True))
        _raise(misfits([held.values, *held.servers.values()]))
        floor = laid([held.values, held.servers.get(server, {})])
        values = tightened(values, floor)
    _raise(misfits(whole))
    return Loaded(settings_of(values, floor), tuple(files), values, floor)


def _raise(errors: Iterable[PolicyError]) -> None:
    for error in errors:
        raise error


def _base(word: str | None, documents: "list[Document]") -> "Values":
    """The preset that the flag names, or the lowest file that names one; with who named it."""
    if word is not None:
        values = preset_values(Preset(word))
        return _named(values, f"--policy {word}")
    for document in documents[:1]:
        named = document.values.get(("preset",))
        if named is not None:
            return preset_values(named[0].value) | {("preset",): named}
    return preset_values(Preset.BASELINE)


def _named(values: "Values", origin: str) -> "Values":
    from dataclasses import replace

    (held,) = values["preset",]
    return {**values, ("preset",): (replace(held, origin=origin),)}


def preset_values(word: Preset) -> "Values":
    """What a preset says. The files are the package's own, and whole."""
    path = PRESETS / f"{word}.yaml"
    document = _read(path, path.read_text("utf-8"), origin=lambda _: f"preset {word}")
    return _whole(document).values


def _read(
    path: Path,
    text: str,
    *,
    system: bool = False,
    origin: "Callable[[Node], str] | None" = None,
) -> "Document":
    from mcpguard.config.reading import read_document

    way = origin or (_system_origin if system else _origin)
    return read_document(text, str(path), way, system=system)


def _origin(node: "Node") -> str:
    return f"{node.source}:{node.place[0]}"


def _system_origin(node: "Node") -> str:
    return f"system {node.source}:{node.place[0]} (tightened)"


def _whole(document: "Document") -> "Document":
    """`document`, if nothing is wrong with it. Raises PolicyError, the first one."""
    _raise(document.problems)
    return document


def _text(path: Path, *, required: bool) -> str | None:
    text = text_of(path)
    if text is None and required:
        raise UsageError(f"{path}: no such file", hint="name a file of settings that exists")
    return text


def _policy_text(path: Path) -> str:
    text = text_of(path)
    if text is not None:
        return text
    from mcpguard.policy.document import nearest

    raise UsageError(
        f"--policy {path}: neither a preset nor a file that exists",
        hint=nearest(str(path), _WORDS),
    )
