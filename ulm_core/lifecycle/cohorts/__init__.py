"""Cohorts: named groups of users, by what they did, who they are, where they stand, or by a list of ids."""
