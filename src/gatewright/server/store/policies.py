"""The hot path's memory: answers to "what may this client get at this audience?".

Only whole answers are kept: client, API and grant all exist. So a grant that appears needs no notice
here, and a refusal is never given from memory. An entry goes when a record it was made of changes.
"""

import threading
from collections import OrderedDict, defaultdict

from gatewright.server.client import Client, ClientCredential
from gatewright.server.model import GrantPolicy, ResourceServer
from gatewright.server.store.transaction import Batch, Transaction

MOST_ENTRIES = 100_000

_Key = tuple[str, str]


class GrantPolicies:
    """A bounded memory, least recently used out first; safe to use from several threads."""

    def __init__(self, revision: int) -> None:
        self.revision = revision
        self._lock = threading.Lock()
        self._entries: OrderedDict[_Key, GrantPolicy] = OrderedDict()
        self._keys_of: defaultdict[tuple[str, str], set[_Key]] = defaultdict(set)

    def get(self, client_id: str, audience: str) -> GrantPolicy | None:
        """The kept answer, if any."""
        with self._lock:
            entry = self._entries.get((client_id, audience))
            if entry is not None:
                self._entries.move_to_end((client_id, audience))
            return entry

    def keep(self, client_id: str, audience: str, policy: GrantPolicy, revision: int) -> None:
        """Keeps an answer read at ``revision``, unless something was changed since: it may be stale."""
        names = _names(policy)
        if names is None:
            return
        with self._lock:
            if revision < self.revision:
                return
            key = (client_id, audience)
            if key in self._entries:
                self._drop(key)  # two requests asked at once, maybe around a change: its names may differ
            self._entries[key] = policy
            for name in names:
                self._keys_of[name].add(key)
            if len(self._entries) > MOST_ENTRIES:
                self._drop(next(iter(self._entries)))

    def apply(self, batch: Batch) -> None:
        """Drops what a batch of changes touched; everything when the feed has a gap."""
        with self._lock:
            self.revision = max(self.revision, batch.revision)
            if batch.changes is None:
                self._entries.clear()
                self._keys_of.clear()
                return
            for change in batch.changes:
                for key in tuple(self._keys_of.get((change.kind, change.key), ())):
                    self._drop(key)

    def _drop(self, key: _Key) -> None:
        for name in _names(self._entries.pop(key)) or ():
            keys = self._keys_of[name]
            keys.discard(key)
            if not keys:
                del self._keys_of[name]


def _names(policy: GrantPolicy) -> tuple[tuple[str, str], ...] | None:
    if policy.client is None or policy.resource_server is None or policy.client_grant is None:
        return None
    return (
        ("client", policy.client.client_id),
        ("resource_server", policy.resource_server.id),
        ("client_grant", policy.client_grant.id),
        *(("client_credential", credential.id) for credential in policy.credentials),
    )


def read_policy(tx: Transaction, client_id: str, audience: str, *, system_identifier: str) -> GrantPolicy:
    """The answer as the database has it now; what does not exist is ``None``."""
    client = tx.clients.first(client_id=client_id)
    resource_server = find_resource_server(tx, audience, system_identifier=system_identifier)
    if client is None:
        return GrantPolicy(None, resource_server)
    credentials = _assertion_keys(tx, client)
    if resource_server is None:
        return GrantPolicy(client, None, credentials=credentials)
    grant = tx.client_grants.first(
        client_id=client_id, resource_server_id=resource_server.id, subject_type="client"
    )
    return GrantPolicy(client, resource_server, grant, credentials)


def _assertion_keys(tx: Transaction, client: Client) -> tuple[ClientCredential, ...]:
    ids = client.assertion_key_ids
    return tuple(tx.client_credentials.find(client_id=client.client_id, id=ids)) if ids else ()


def find_resource_server(tx: Transaction, audience: str, *, system_identifier: str) -> ResourceServer | None:
    """The API with this identifier; the system API's is given, because the database does not hold it."""
    if audience == system_identifier:
        return tx.resource_servers.first(is_system=True)
    return tx.resource_servers.first(identifier=audience)
