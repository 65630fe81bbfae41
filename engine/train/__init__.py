"""Training: from a corpus of code to a model folder. Needs the extra `train`; nothing else imports it."""
