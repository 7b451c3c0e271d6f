"""Values computed by real Keras, the scripts that compute them and the networks that both build."""
