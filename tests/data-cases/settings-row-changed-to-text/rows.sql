UPDATE config SET retries = 'many';
