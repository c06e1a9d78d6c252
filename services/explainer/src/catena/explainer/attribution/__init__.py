"""Attribution: how much each input adds to a prediction; knows tensors, and no model."""
