"""Privacy, fake users, fairness and causal effect: the room the later issues fill."""
