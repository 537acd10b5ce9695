//! The way from a terminal to an agent.
