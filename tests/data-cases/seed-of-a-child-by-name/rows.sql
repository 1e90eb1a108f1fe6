UPDATE packages SET alias = NULL;
