"""How papers and shops judge recommendations: what is held out per user, and what may be learnt from."""
