"""Migrations of the feedback database, run by `serving.feedback.database`."""
