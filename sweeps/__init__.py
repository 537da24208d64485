"""Study definitions over the settings of `vmp`, and what runs them."""
