"""What there is to set: one frozen model, made of each room's own settings.

The defaults are what the preset `baseline` says, so that a proxy without any file reads none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from mcpguard.model import Mode, RequestKind
from mcpguard.pipeline.terms import GatewayPolicy, Handling, ScanPolicy
from mcpguard.trust.limits import Limits
from mcpguard.trust.policy import PolicyTable

if TYPE_CHECKING:  # brings what reads conditions, which most sessions have none of
    from mcpguard.policy.rules import RuleSet
    from mcpguard.policy.suppress import Suppression
    from mcpguard.siem.sinks import Target

__all__ = [
    "BASELINE_DETECTORS",
    "DEFAULT_PROFILE",
    "ApprovalSettings",
    "AuditSettings",
    "OnLoss",
    "Preset",
    "PrincipalSettings",
    "Settings",
    "StoreSettings",
    "TrustSettings",
]


class Preset(StrEnum):
    """The word that chooses a file of settings; everything else is set on top of it."""

    PERMISSIVE = "permissive"
    BASELINE = "baseline"
    STRICT = "strict"


class OnLoss(StrEnum):
    """What counts limits while the store cannot be asked: nobody (denied), or this proxy alone."""

    CLOSED = "closed"
    LOCAL = "local"


DEFAULT_PROFILE = "default"
"""The profile of whoever names none."""

BASELINE_DETECTORS: Mapping[str, Handling] = MappingProxyType(
    {
        "ssn": Handling.RECORD,
        "card": Handling.RECORD,
        "iban": Handling.RECORD,
        "secrets": Handling.RECORD,
        "shell_injection": Handling.RECORD,
        "path_traversal": Handling.RECORD,
        "ssrf_url": Handling.DENY,
    }
)
"""What `presets/baseline.yaml` says under `gateway.detect`, without the ones that are off."""


@dataclass(frozen=True, slots=True)
class PrincipalSettings:
    """What a principal holds. `capabilities`: `a:b` or `a:*`, see `trust.policy.covers`."""

    capabilities: frozenset[str] = frozenset()
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class TrustSettings:
    """`min_trust`: 0-1000, for tools without a policy of their own, and in `Settings.tools`.

    `tiers`: the matrix of tier and score decides. `servers`: the server's own score counts as well,
    not the caller's alone.
    """

    min_trust: int = 300
    tiers: bool = False
    servers: bool = False


@dataclass(frozen=True, slots=True)
class ApprovalSettings:
    """How a person is asked. Which calls: `gateway.approve`, rules, and the strict matrix.

    `hold`: seconds a call waits for the answer before its sender is told what it waits for.
    `retry`: seconds a yes admits one identical call. `quorum`: distinct approver keys that must
    say yes. `elicit`: globs of low-risk tools whose calls the host's own user may approve.
    """

    hold: int = 45
    retry: int = 600
    quorum: int = 1
    elicit: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """`log`: absolute path; empty: in the data directory. `durability`: see `chain.Durability`.

    `sinks`: where the records are sent to, see `siem.sinks`. `host`: what this machine is called
    in them; empty: as the system says.
    `on_failure`: what becomes of that which cannot be recorded. `rotate_size` (bytes),
    `rotate_age` (seconds), `keep`: see `audit.keeper.Rotation`. `anchors`: absolute path of the
    folder for the newest checkpoints; empty: nowhere. `capture_arguments`, `capture_results`: globs
    of the tools whose arguments or results records hold, redacted. `evidence`: records hold what
    evidence of a call needs. `receipts`: whether commands leave one, or do nothing without.
    """

    log: str = ""
    durability: Literal["grouped", "strict", "none"] = "grouped"
    sinks: "tuple[Target, ...]" = ()
    host: str = ""
    on_failure: Literal["deny", "continue"] = "deny"
    rotate_size: int = 100 * 1024 * 1024
    rotate_age: int = 0
    keep: int = 0
    anchors: str = ""
    capture_arguments: tuple[str, ...] = ()
    capture_results: tuple[str, ...] = ()
    evidence: bool = False
    receipts: Literal["off", "on", "required"] = "on"


@dataclass(frozen=True, slots=True)
class TelemetrySettings:
    """`trace`: each request gets a span. `listen`: where `mcpguard metrics` serves, or empty."""

    trace: bool = False
    listen: str = ""


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """`backend`: a key of `store.BACKENDS`. `where`: its place; empty: in the data directory."""

    backend: str = "sqlite"
    where: str = ""
    on_loss: OnLoss = OnLoss.CLOSED


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a session is run by, beside its flags and its lockfile.

    `mode`: None leaves it to the flags, see `loading.chosen_mode`. `floor`: the weakest mode the
    system's file permits. `profile`: the host is the principal `local:<profile>`. `identity`:
    absolute path of the private key whose did:key it is instead; empty: of none. `zone`: IANA's
    name of the time zone in which rules read the clock. `limits`: rates only. `suppress`: findings
    of definitions that do not count. `requests`: the server-initiated
    kinds that may pass if the lockfile allows them too; None: all it allows.
    """

    preset: Preset = Preset.BASELINE
    mode: Mode | None = None
    floor: Mode = Mode.AUDIT_ONLY
    profile: str = DEFAULT_PROFILE
    identity: str = ""
    zone: str = "UTC"
    principals: Mapping[str, PrincipalSettings] = field(
        default_factory=lambda: MappingProxyType({})
    )
    trust: TrustSettings = field(default_factory=TrustSettings)
    tools: PolicyTable = field(default_factory=PolicyTable)
    limits: Limits = field(default_factory=Limits)
    gateway: GatewayPolicy = field(
        default_factory=lambda: GatewayPolicy(detectors=BASELINE_DETECTORS)
    )
    scan: ScanPolicy = field(default_factory=ScanPolicy)
    approvals: ApprovalSettings = field(default_factory=ApprovalSettings)
    rules: "RuleSet | None" = None
    suppress: "tuple[Suppression, ...]" = ()
    requests: frozenset[RequestKind] | None = None
    audit: AuditSettings = field(default_factory=AuditSettings)
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)
    store: StoreSettings = field(default_factory=StoreSettings)
