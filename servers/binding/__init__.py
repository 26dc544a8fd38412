"""Binding models: from the tensors of a call to what Python code takes, and back."""
