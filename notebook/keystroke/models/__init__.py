"""The four models, and what they are fitted with."""
