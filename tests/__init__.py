"""The tests, laid out like the package.

A package itself: among those that one installs there are some that bring a `tests` of their own.
"""
