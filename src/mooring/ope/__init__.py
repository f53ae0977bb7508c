"""Off-policy evaluation: what a policy is worth, by logs of another one."""
