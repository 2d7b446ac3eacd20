"""The devices' wheels: fetched once for each kind of device, cached on the controller, sent as one file.

The Ansible role `wheels` runs it.
"""
