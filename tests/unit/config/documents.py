"""Settings made of texts: a user's file, a system's file, neither of them on any disk."""

from pathlib import Path

import orjson

from mcpguard.config.files import NAME, Places
from mcpguard.config.loading import Loaded, load
from mcpguard.model import Json, JsonObject


class Home:
    """A directory with the places of both files."""

    def __init__(self, base: Path) -> None:
        self.places = Places(base / "user" / NAME, base / "system" / NAME)

    def user(self, text: str | bytes) -> Path:
        return _written(self.places.user, text)

    def system(self, text: str | bytes) -> Path:
        return _written(self.places.system, text)

    def load(
        self,
        user: str | None = None,
        system: str | None = None,
        *,
        policy: str | None = None,
        server: str = "",
        origins: bool = False,
    ) -> Loaded:
        """The settings with these two texts; None: no such file."""
        for text, path in ((user, self.places.user), (system, self.places.system)):
            path.unlink(missing_ok=True)
            if text is not None:
                _written(path, text)
        return load(None, policy, server, where=self.places, origins=origins)


def _written(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(mode=0o755, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(0o600)
    return path


def yaml(value: JsonObject) -> str:
    """A document as JSON, which is YAML."""
    return orjson.dumps(value).decode()


def nested(path: str, value: Json) -> JsonObject:
    """`a.b` and 1 -> {"a": {"b": 1}}."""
    first, _, rest = path.partition(".")
    return {first: nested(rest, value) if rest else value}
