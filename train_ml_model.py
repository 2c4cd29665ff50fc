"""Trains models: `python train_ml_model.py --ensemble --help`."""

from ml.train import main

if __name__ == "__main__":
    raise SystemExit(main())
