"""Programs in the style of courses on convolutional networks, which run with fastconv and Keras.

Each is what a user of Keras would write, with other imports. `results` holds what it computes, by
name. `NAME_tape.py` has the functions that compute gradients by Keras's gradient tape instead.
`tests/golden/make_listings.py` runs them with Keras, `tests/test_listings.py` with fastconv.
"""
