"""Door 1, what the RFCs define: the token endpoint, and the metadata that says where it is.

Callers are OAuth clients; errors are ``error`` and ``error_description`` (RFC 6749 section 5.2).
A token request is ``token.issue_token``, read top to bottom. Management and pages are not here.
"""
