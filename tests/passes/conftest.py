"""The helper of these tests tells what is wrong as tests do."""

import pytest

pytest.register_assert_rewrite("support.checking")
