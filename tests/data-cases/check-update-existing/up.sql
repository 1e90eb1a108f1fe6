UPDATE orders SET total = total - 5;
