"""Every integer that an operation, a layer or another public object takes, made extreme one by one.

The tables hold one legal call of each: every integer in its arguments, however deep in tuples, is
replaced in turn by each of `EXTREMES`. What is then raised must be a documented error; what is
computed must be right.

Run as a program (`python -m tests.support.extreme_integers operations`), it works through one table
with little memory and prints a line for each failure. A call that does not return in time ends the
program with a traceback of the place.
"""
