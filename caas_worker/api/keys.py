"""Keys: several are valid at once, to rotate them; an unset key closes its routes; compared in constant time."""

import hmac

from pydantic import SecretStr

from caas_worker.errors import KeyNotSet, KeyRefused, SettingsError

SHORTEST_KEY = 16


class Keys:
    """The valid keys of some routes."""

    def __init__(self, setting: str, configured: SecretStr | None, challenge: str = "Bearer") -> None:
        """Take the comma-separated keys of a setting.

        Args:
            challenge: how a caller presents one, for the header WWW-Authenticate.

        Raises:
            SettingsError: a key is too short to be a secret.
        """
        self._setting = setting
        self._challenge = challenge
        written = configured.get_secret_value().split(",") if configured else []
        self._keys = [key.strip().encode() for key in written if key.strip()]
        if any(len(key) < SHORTEST_KEY for key in self._keys):
            raise SettingsError(f"{setting}: a key needs at least {SHORTEST_KEY} characters. Try: openssl rand -hex 32")

    @property
    def are_set(self) -> bool:
        """Whether anybody can pass."""
        return bool(self._keys)

    def check(self, offered: str | None) -> None:
        """Let a caller with a valid key pass.

        Raises:
            KeyNotSet: none is configured, so nobody passes.
            KeyRefused: this is none of them.
        """
        if not self._keys:
            raise KeyNotSet(f"This route is closed: set {self._setting} to open it.")
        presented = (offered or "").encode("utf-8", "surrogateescape")
        matches = [hmac.compare_digest(presented, key) for key in self._keys]
        if not any(matches):
            raise KeyRefused(challenge=self._challenge)
