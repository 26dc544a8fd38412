"""Mutation testing of the engine and the joins: do the tests notice when a line is wrong?"""
