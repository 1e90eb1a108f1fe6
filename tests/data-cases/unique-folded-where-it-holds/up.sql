UPDATE tokens SET title = lower(title);
