"""The files of a bundle: bundle.json's sections and writer, golden answers, signature, checks of models."""
