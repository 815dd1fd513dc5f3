"""Guarded projects made of templates: of `gatewright init`, and of an API's quick start in the dashboard."""
