"""A model card, and a run as the hub of Hugging Face has models."""
