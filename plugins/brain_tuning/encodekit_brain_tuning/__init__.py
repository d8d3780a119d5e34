"""Brain-tuning: fine-tune a speech model on the fMRI of several participants."""
