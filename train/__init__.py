"""From a data set to a trained, evaluated and exported classifier. Start reading at ``train.loop``."""
