"""Commands of the core. Modules here import nothing heavy at the top: ``vmp --help`` reads them."""
