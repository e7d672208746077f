"""From a trained classifier to an int8 bundle whose accuracy was proved."""
