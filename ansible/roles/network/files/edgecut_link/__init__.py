"""Shapes a device's data ports with tc, on a lease that the device itself ends.

Runs on the device as root, by the system's own Python (3.10 or newer) without any packages:
`/usr/bin/python3 -I /opt/edgecut/edgecut_link COMMAND`.
"""
