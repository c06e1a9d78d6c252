"""The runtime that every catena service stands on: contracts, artifacts, jobs, servers, clients."""
