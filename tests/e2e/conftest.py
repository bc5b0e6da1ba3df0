import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from levee_testing import Levee  # noqa: E402


@pytest.fixture
def levee():
    """A daemon with default settings."""
    with Levee() as daemon:
        yield daemon
