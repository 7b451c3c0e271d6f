"""What every part of the package uses and no part owns.

    arguments, keywords, suggestions    checks of arguments, and errors that name the right word
    defaults                            numbers of Keras that several parts use
    overriding, changeable              what a subclass may define, and an assignment may change
    arrays, live_memory                 aligned arrays, and the memory of those in use
    tree                                one thing, a list or a dict of things
    naming                              names of layers that the user did not name
    randomness                          the generator of everything that has no seed of its own
    parsing, regular_file               reading what others wrote
    renamed                             the old names of modules, for one version
    user_warnings                       warnings that point at the line of the user's program

These modules import one another and `fastconv.errors`, and nothing else of fastconv.
"""
