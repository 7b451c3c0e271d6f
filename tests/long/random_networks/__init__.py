"""Compares random networks with real Keras: values, training, and files in both directions.

    python -m tests.long.random_networks --count 400 --seed 0

needs `keras` and a backend of it beside fastconv. Network number n of a run is made from
`seed + n` alone, so `--seed 123 --count 1` repeats the network that a report calls 123.

A network is built twice by the same code, once from Keras's classes and once from fastconv's. It
may have several inputs and outputs, layers that are called twice, models inside of models, and
layers that are part of both the outer and the inner model. These things are compared:

    predict      the outputs for the same weights
    train        the weights after three steps, unless a layer is random in training
    config       to_json of one library, read by the other
    FORMAT >     a file of `.keras`, `.h5` or `.weights.h5` that Keras wrote and fastconv reads
    FORMAT <     the same in the other direction
    clone        clone_model with the same weights
    again        the `.safetensors` weights of the network, read by the same network built anew

A row of the report is a network and a thing that disagreed or was refused; the table at the end
counts them, and how often each layer took part. The exit status is 1 if there was any row.
"""
