UPDATE settings SET page_size = 500;
