"""What ``npm run train`` and ``npm run evaluate`` run."""
