"""What nnU-Net's search for trainers imports: nothing else may lie here, for its folder comes first on the path."""
