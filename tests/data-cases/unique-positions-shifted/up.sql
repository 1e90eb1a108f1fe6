UPDATE cards SET position = position + 1;
