"""Generator, training, evaluation and export of the madakv reference reader."""
