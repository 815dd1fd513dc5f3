"""Door 2, ``/api/v2``: the Management API on Auth0's wire.

One file for each noun of the address: its schema, operations and routes, in this order. ``endpoint``
is the frame of each: guard, parsing, transaction, log event, errors. Callers are tools with an access
token for the system API, checked by the guard, the same one that users put into their own APIs.
"""
