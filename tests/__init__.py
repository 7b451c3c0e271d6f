"""The test suite; `tests.support` and `tests.golden` hold what its files share."""
