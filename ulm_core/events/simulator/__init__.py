"""A simulated shop whose truth is known: demo, test bed and benchmark (`docs/simulator.md`)."""

from ulm_core.events.simulator.config import SimulatorConfig, campaigns_that_fit, simulator_config
from ulm_core.events.simulator.run import (
    TRUTH_FOLDER,
    SimulationReport,
    read_simulated_shop,
    simulate,
    simulated_bundle,
    warm_simulator,
)
from ulm_core.events.simulator.truth import DIRTY_REASONS

__all__ = [
    "DIRTY_REASONS",
    "TRUTH_FOLDER",
    "SimulationReport",
    "SimulatorConfig",
    "campaigns_that_fit",
    "read_simulated_shop",
    "simulate",
    "simulated_bundle",
    "simulator_config",
    "warm_simulator",
]
