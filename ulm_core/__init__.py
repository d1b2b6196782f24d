"""ULM Studio without a screen: lifecycle stages, models and explanations from behaviour logs."""

__version__ = "0.1.0"
