"""What one session is run by: its flags, its files of settings and its lockfile, put together."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mcpguard.config.flags import ProxySettings
from mcpguard.config.loading import Loaded, chosen_mode, load
from mcpguard.config.settings import Settings
from mcpguard.errors import IdentityError
from mcpguard.lock.lockfile import Lockfile
from mcpguard.model import Mode, Proof

if TYPE_CHECKING:  # most settings name no key
    from mcpguard.identity.holder import Holder

__all__ = ["Plan", "make_plan"]


@dataclass(frozen=True, slots=True)
class Plan:
    """One session, before anything is started.

    `lock`: the reviewed lockfile, without the server requests that the settings forbid. `digest`:
    of the lockfile as it was reviewed; empty without one. `name`: the server's, in every record.
    """

    flags: ProxySettings
    loaded: Loaded
    lock: Lockfile | None
    digest: str
    mode: Mode
    name: str
    said: str = ""
    """The principal that an embedding program names, of those that the files enrol."""
    holder: "Holder | None" = None
    """Of the key that the settings name as the host's identity, and pin."""

    @property
    def settings(self) -> Settings:
        """What the files say."""
        return self.loaded.settings

    @property
    def principal(self) -> str:
        """Who calls: the user's own desktop, enrolled by starting mcpguard, unless it is named."""
        return self.said or self.did or f"local:{self.settings.profile}"

    @property
    def did(self) -> str:
        """Whose key the settings name; empty: nobody's."""
        return self.holder.did if self.holder is not None else ""

    @property
    def proof(self) -> Proof:
        """How that principal was proved: by the key, or by who started the session."""
        return Proof.KEY if self.did and self.principal == self.did else Proof.PROFILE


def make_plan(flags: ProxySettings, lock: Lockfile | None) -> Plan:
    """Read the settings that `flags` name, for the server of `lock`.

    Raises PolicyError for a file that says something wrong, UsageError for one that cannot be read
    and for a flag that the system's file does not permit, IdentityError for an identity that cannot
    be used.
    """
    argv = flags.command or (lock.launch.argv if lock is not None else ())
    name = flags.name or (lock.name if lock is not None else "") or Path(argv[0]).name
    loaded = load(flags.config, flags.policy, name, origins=flags.print_effective)
    mode = chosen_mode(flags.mode, loaded.settings)
    digest = lock.digest if lock is not None else ""
    permitted = loaded.settings.requests
    if lock is not None and permitted is not None:
        lock = replace(lock, requests=lock.requests & permitted)
    return Plan(flags, loaded, lock, digest, mode, name, holder=_holder(loaded.settings))


def _holder(settings: Settings) -> "Holder | None":
    """Of the key that `settings` name. Raises IdentityError for one that they do not pin."""
    if not settings.identity:
        return None
    from mcpguard.identity.holder import opened

    path = Path(settings.identity)
    holder = opened(path)
    if holder.did not in settings.principals:
        raise IdentityError(
            f"{path}: the key is of {holder.did}, which the settings do not pin",
            hint=f'add to mcpguard.yaml: principals: {{"{holder.did}": {{capabilities: []}}}}',
        )
    return holder
