"""Programs in the style of courses on convolutional networks, which run with fastconv and Keras.

Each is what a user of Keras would write, with other imports. `results` holds what it computes, by
name. `NAME_tape.py` does the same in Keras where fastconv replaces the gradient tape.
`tests/golden/make_listings.py` runs them with Keras, `tests/test_listings.py` with fastconv.
"""
