"""Discrete and continuous dynamics: gradient descent and flow on the population loss, SGD ensembles (`training`),
descent on wide networks next to its linearisation (`wide_networks`).
"""
