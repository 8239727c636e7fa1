"""What is asked for: sweep files, requests, and the measurements that they come to."""
