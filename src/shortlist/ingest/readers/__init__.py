"""Readers, one file a format; registered in `shortlist.ingest.formats`."""
