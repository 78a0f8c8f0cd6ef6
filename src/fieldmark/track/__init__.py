"""What is sent to trackers: TensorBoard, W&B, MLflow."""
