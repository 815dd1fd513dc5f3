"""The authorization server: what issues tokens, and what an administrator changes while it runs.

The cut inside is by door, one for each kind of caller: ``oauth`` (what the RFCs define),
``management`` (Auth0's ``/api/v2``) and ``dashboard`` (pages for people). Below them lies the floor:
settings, model, errors, sealing, keys, events and the store. ``app`` puts the parts together and is
the only module that knows all of them. Nothing here is imported by the guard.
"""
