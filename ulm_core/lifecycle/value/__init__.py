"""Lifetime value: how often customers will buy, what they will spend, and how wrong that was before."""
