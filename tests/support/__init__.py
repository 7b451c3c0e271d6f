"""Tables of cases, oracles and programs that several test files share."""
