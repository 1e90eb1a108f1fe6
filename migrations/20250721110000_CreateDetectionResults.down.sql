DROP TABLE detection_results;
