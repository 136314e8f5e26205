"""What all tests share."""

from hypothesis import settings

# A machine that is busy is not a fault of the code under test.
settings.register_profile("tests", deadline=None, max_examples=50)
settings.load_profile("tests")
