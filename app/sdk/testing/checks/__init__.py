"""The checks behind the rules: each takes a market and a case, and raises `Broken` where the rule is not kept."""
