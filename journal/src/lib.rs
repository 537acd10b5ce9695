//! The replicated log of pact.
