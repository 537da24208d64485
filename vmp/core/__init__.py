"""The ground floor: what every package may stand on. Nothing here imports torch, ray or optuna."""
