"""Recurrent-network mathematics in numpy and the standard library alone.

Shapes are written with these letters throughout:

    T  time steps        X  inputs
    B  batch             H  hidden units
    n  the size of a square matrix W

A gradient's size is given as log10 of its Euclidean norm, because what is interesting about
exploding and vanishing gradients lies far outside the range of any float.
"""
