//! pact-agent: sessions, sandbox and spool of one node.
