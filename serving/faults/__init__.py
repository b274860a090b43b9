"""Fault runs: a real server under load, a fault, and what became of the requests. `python -m serving.faults` (`make faults`)."""
