"""A loss that outliers do not rule, and a panel of the report that counts them."""
