UPDATE settings SET title = NULL;
