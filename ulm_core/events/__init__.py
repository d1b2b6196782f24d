"""What an event log is: its columns, where logs come from, the samples that ship with the product."""
