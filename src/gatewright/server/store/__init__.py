"""The store: the only package that knows SQLAlchemy. Records go in and come out; SQL stays inside.

Concrete and synchronous: the doors reach it by one thread hop per operation. Every change and its log
event are one transaction, on disk before the answer. Columns hold what is queried, one JSON document
what is merely kept. The hot path reads ``GrantPolicies``, a memory kept right by the change feed.
"""

from gatewright.server.store.database import database_exists
from gatewright.server.store.paging import Page, Rows
from gatewright.server.store.store import Store
from gatewright.server.store.transaction import Transaction

__all__ = ["Page", "Rows", "Store", "Transaction", "database_exists"]
