"""The controller: drives workers through an experiment and keeps what comes out."""
