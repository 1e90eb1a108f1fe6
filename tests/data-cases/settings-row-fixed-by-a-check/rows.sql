UPDATE settings SET title = 'Market';
