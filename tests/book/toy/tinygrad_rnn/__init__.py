"""A book of one short chapter, for the tests of the machinery that makes the real one."""
