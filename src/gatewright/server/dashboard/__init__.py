"""Door 3, pages for people, at ``/ui``.

What lives here: sessions, forms, templates. What does not: rules about APIs, applications or keys. Each
page calls the operations of the Management API, in process and as whoever is logged in, and shows what comes.
"""
