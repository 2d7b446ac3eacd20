"""What Ansible does to the process that imports its module code, undone for the tests after."""

import sys

_intern = sys.intern

# Importing it replaces sys.intern for the whole process, and torch.export traces plain functions only.
import ansible.module_utils.basic  # noqa: E402

sys.intern = _intern

__all__ = ["ansible"]
