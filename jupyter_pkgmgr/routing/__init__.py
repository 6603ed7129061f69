"""From specs, environment, inventory and catalog to a plan: which engine for what, in which order, and why."""
