"""Discrete and continuous dynamics: gradient descent (`descent`) and flow (`gradient_flow`) on the population loss, SGD
ensembles (`training`), descent on wide networks next to its linearisation (`wide_networks`).
"""
