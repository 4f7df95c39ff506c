//! Nodes, their health, their slots and the sessions on them.
