"""The service: HTTP schema, conversation state, errors, metrics, the web page. Imports models and data, never pipelines."""

VERSION = "0.1.0"
