"""A simulated shop whose truth is known: demo, test bed and benchmark (`docs/simulator.md`)."""

from ulm_core.events.simulator.config import SimulatorConfig, simulator_config
from ulm_core.events.simulator.run import SimulationReport, read_simulated_shop, simulate, simulated_bundle, warm_simulator
from ulm_core.events.simulator.truth import DIRTY_REASONS

__all__ = [
    "DIRTY_REASONS",
    "SimulationReport",
    "SimulatorConfig",
    "read_simulated_shop",
    "simulate",
    "simulated_bundle",
    "simulator_config",
    "warm_simulator",
]
