"""The wheels that devices get: fetched once for a kind of device, kept on the controller, sent as one file.

It lives with its Ansible role.
"""
