"""The cards of the page Stages."""
